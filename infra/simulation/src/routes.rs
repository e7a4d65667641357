//! The gateway's events of a connection: its handshake, its messages, and its end.

use std::time::Duration;

use domain::{ConnectionId, limits};
use protocol::context::Context;

use crate::due::Due;
use crate::faults::Fault;
use crate::feeds::Work;
use crate::gateway::IDLE;
use crate::mistake::Mistake;
use crate::run::Run;
use crate::sources::event;
use crate::tokens::Token;
use roomcast_client::rules::Loss;

impl Run {
    /// A handshake has arrived: the response 101 waits for the authorizer and for `$connect`.
    pub(crate) fn handshake(&mut self, connection: &ConnectionId) {
        let handshake = {
            let mut core = self.shared.lock();
            let now = core.now;
            match core.sockets.get_mut(connection) {
                Some(socket) if socket.opening => {
                    socket.connected_at = now;
                    socket.handshake.clone()
                }
                _ => return,
            }
        };
        if self.shared.lock().fires(Fault::NotInvoked, || format!("authorizer of {connection}")) {
            return self.authorized(connection, Err(500));
        }
        let task = self.executor.reserve();
        self.feeds.begins(task, Work::Authorize(connection.clone()));
        self.pipeline.authorize(&mut self.executor, task, handshake);
    }

    /// The authorizer has allowed or refused the handshake, or has failed.
    pub(crate) fn authorized(&mut self, connection: &ConnectionId, decided: Result<Box<Context>, u16>) {
        let context = match decided {
            Ok(context) => context,
            Err(status) => return self.answered("connect", connection, status, None),
        };
        let first = {
            let mut core = self.shared.lock();
            let (now, seen_within) = (core.now, core.tokens_seen_within());
            let Some(socket) = core.sockets.get_mut(connection).filter(|socket| socket.opening) else { return };
            socket.context = Some(context);
            if let Some(token) = socket.handshake.token.as_ref().and_then(|text| self.issued.get(text)) {
                let number = socket.rights.shows(token);
                socket.rights.counts(token, number, now, seen_within);
                socket.rights.was_looked_at();
            }
            core.fires(Fault::DisconnectFirst, || connection.to_string())
        };
        self.call("connect", connection, String::new(), None);
        if first {
            if let Some(socket) = self.shared.lock().sockets.get_mut(connection) {
                socket.opening = false;
            }
            self.lost_by_client(connection, &Loss::Failed("reset".to_owned()));
            let mut core = self.shared.lock();
            let after_ms = core.dice.below(30);
            core.after_ms(after_ms, Due::Disconnect(connection.clone()));
        }
    }

    /// The gateway receives a message of a client, and invokes the function of its route.
    pub(crate) fn says(&mut self, connection: &ConnectionId, text: String) {
        {
            let mut core = self.shared.lock();
            let now = core.now;
            match core.sockets.get_mut(connection) {
                Some(socket) if socket.open && !socket.black_hole => socket.active_at = now,
                _ => return,
            }
        }
        let said = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
        self.notes_request(connection, &said);
        let shown = said["token"].as_str().and_then(|text| self.issued.get(text)).cloned();
        let shown = shown.and_then(|token| {
            let mut core = self.shared.lock();
            let number = core.sockets.get_mut(connection)?.rights.shows(&token);
            Some((token, number))
        });
        let function = match said["action"].as_str() {
            Some("join" | "leave" | "sync" | "history" | "who" | "ping" | "auth") => "membership",
            _ => "ingest",
        };
        self.call(function, connection, text, shown);
    }

    /// The client or the network has closed a connection.
    pub(crate) fn closed_from(&mut self, connection: &ConnectionId) {
        let mut core = self.shared.lock();
        let Some(socket) = core.sockets.get_mut(connection) else { return };
        let was = socket.open || socket.opening;
        (socket.open, socket.opening) = (false, false);
        if was {
            core.tell_of_the_end(connection);
        }
    }

    pub(crate) fn disconnect(&mut self, connection: &ConnectionId) {
        self.call("disconnect", connection, String::new(), None);
    }

    fn call(&mut self, function: &'static str, connection: &ConnectionId, body: String, shown: Option<(Token, u64)>) {
        if self.shared.lock().fires(Fault::NotInvoked, || format!("{function} of {connection}")) {
            self.check_rights(connection, self.now(), shown, "");
            return self.nobody_answers(function, connection);
        }
        self.requests += 1;
        let (connected_at, context, began) = {
            let core = self.shared.lock();
            let socket = &core.sockets[connection];
            (socket.connected_at, socket.context.clone(), core.now)
        };
        // Without a context from the authorizer, the connection does not exist for the functions.
        let Some(context) = context else { return };
        let call = event(connection, *context, connected_at, function, body, self.requests);
        let task = self.executor.reserve();
        self.feeds.begins(task, Work::Call { function, connection: connection.clone(), began, shown });
        self.pipeline.call(&mut self.executor, task, function, call);
    }

    /// The function of a route was not invoked, was killed, or timed out.
    pub(crate) fn nobody_answers(&mut self, function: &'static str, connection: &ConnectionId) {
        if function == "connect" {
            return self.answered(function, connection, 500, None);
        }
        let text = format!(r#"{{"message":"Internal server error","connectionId":"{connection}","requestId":"r"}}"#);
        self.shared.lock().send(connection, text);
    }

    /// The function of a route has returned an answer.
    pub(crate) fn answered(
        &mut self,
        function: &'static str,
        connection: &ConnectionId,
        status: u16,
        body: Option<String>,
    ) {
        if function == "connect" {
            if status == 200 {
                self.check_admitted(connection);
            }
            let mut core = self.shared.lock();
            let latency_ms = core.dice.within(1, 30);
            let Some(socket) = core.sockets.get_mut(connection).filter(|socket| socket.opening) else { return };
            socket.opening = false;
            socket.open = status == 200;
            let due = match status {
                200 => Due::OpenedTo(connection.clone()),
                other => Due::RefusedTo(connection.clone(), other),
            };
            core.after_ms(latency_ms, due);
            return;
        }
        if function == "disconnect" && status == 200 {
            self.said_gone.insert(connection.clone());
        }
        if let Some(body) = body {
            let body = if self.mistake == Some(Mistake::ReplayCut) { without_the_last(body) } else { body };
            self.check_reply(connection, &body);
            self.notes_answer(connection, &body);
            self.shared.lock().send(connection, body);
        }
    }

    /// Checks that no banned user and no revoked token is admitted.
    fn check_admitted(&self, connection: &ConnectionId) {
        let user = {
            let core = self.shared.lock();
            let context = core.sockets.get(connection).and_then(|socket| socket.context.as_ref());
            let socket = &core.sockets[connection];
            context.map(|context| (context.identity.user.clone(), socket.rights.issued_at, socket.connected_at))
        };
        if let Some((user, issued_at, began)) = user {
            self.check_not_banned(&user, issued_at, began);
        }
    }

    /// Closes idle connections, and those that have reached the maximum lifetime of a connection.
    pub(crate) fn cut_off(&self) {
        let mut core = self.shared.lock();
        let now = core.now;
        let idle = |since: domain::Timestamp, most: Duration| now.since(since) >= most;
        let sockets = core.sockets.iter().filter(|(_, socket)| socket.open);
        let over: Vec<ConnectionId> = sockets
            .filter(|(_, socket)| {
                idle(socket.active_at, IDLE) || idle(socket.connected_at, limits::GATEWAY_CONNECTION_LIFE)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for connection in over {
            core.tell(|| format!("the gateway closes {connection}: it was idle, or two hours old"));
            core.close(&connection);
        }
    }
}

/// Removes the last publication from the replay in a reply.
fn without_the_last(body: String) -> String {
    let Ok(mut said) = serde_json::from_str::<serde_json::Value>(&body) else { return body };
    let last = said["ok"]["b"].as_array_mut().and_then(|blocks| blocks.last_mut());
    match last.and_then(|block| block["m"].as_array_mut()).and_then(Vec::pop) {
        Some(_) => said.to_string(),
        None => body,
    }
}
