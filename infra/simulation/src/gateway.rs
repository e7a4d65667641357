//! The gateway: sockets, the posts to them, and the messages of clients.

use std::time::Duration;

use bytes::Bytes;
use domain::ports::{self, Clock, Error, Result};
use domain::{ConnectionId, Delivery, Endpoint, Probe};

use crate::core::{Core, Shared};
use crate::due::Due;
use crate::faults::Fault;
use crate::mistake::Mistake;
use crate::mistaken::Current;
use crate::stake::Stake;
use crate::trouble::{SLOW_MS, Slow};
use crate::wire::Posted;

/// API Gateway closes a connection after this time without traffic.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub(crate) const IDLE: Duration = Duration::from_secs(600);
/// The age up to which a fault may answer a post to a connection with 410.
const NEW: Duration = Duration::from_secs(3);

/// The management API, as one invocation calls it.
#[derive(Clone)]
pub(crate) struct Management {
    /// The state that the whole run shares.
    pub(crate) shared: Shared,
    /// The invocation that makes the calls.
    pub(crate) task: Current,
    /// The mistake that the run makes on purpose.
    pub(crate) mistake: Option<Mistake>,
    /// A post fails after this time without a response.
    pub(crate) post_timeout: Duration,
}

/// The result of a post, drawn before it is made.
enum Fate {
    At(Delivery),
    Hangs,
    /// The frame arrives immediately, and the response comes just before the timeout.
    Crawls(Duration),
    /// The frame arrives after this time, when the post has already timed out.
    Slow(Duration),
    AnswerLost,
}

impl Management {
    /// Records a post; the mistake `PostedTwice` sends its frame again.
    fn note(&self, connection: &ConnectionId, text: &str, posted: Posted) {
        let mut core = self.shared.lock();
        core.wire.posted(self.task.get(), connection, text, posted);
        if self.mistake == Some(Mistake::PostedTwice) && posted == Posted::Known {
            core.wire.posted(self.task.get(), connection, text, posted);
            core.send(connection, text.to_owned());
        }
    }
}

impl ports::Gateway for Management {
    async fn post(&self, _: &Endpoint, connection: &ConnectionId, frame: Bytes) -> Delivery {
        let text = String::from_utf8_lossy(&frame).into_owned();
        let fate = self.shared.lock().fate(connection, &text);
        let posted = match &fate {
            Fate::At(Delivery::Delivered) | Fate::Crawls(_) => Posted::Known,
            Fate::AnswerLost | Fate::Slow(_) => Posted::Unknown,
            Fate::At(_) | Fate::Hangs => Posted::Not,
        };
        self.note(connection, &text, posted);
        match fate {
            Fate::At(Delivery::Delivered) => {
                self.shared.lock().send(connection, text);
                Delivery::Delivered
            }
            Fate::Crawls(answered) => {
                self.shared.lock().send(connection, text);
                self.shared.clock.sleep(answered).await;
                Delivery::Delivered
            }
            Fate::At(other) => other,
            Fate::AnswerLost => {
                self.shared.lock().send(connection, text);
                self.shared.clock.sleep(self.post_timeout).await;
                Delivery::Failed
            }
            Fate::Hangs => {
                self.shared.clock.sleep(self.post_timeout).await;
                Delivery::Failed
            }
            Fate::Slow(after) => {
                self.shared.lock().send_after(connection, text, after);
                self.shared.clock.sleep(self.post_timeout).await;
                Delivery::Failed
            }
        }
    }

    async fn probe(&self, _: &Endpoint, connection: &ConnectionId) -> Result<Probe> {
        let core = self.shared.lock();
        if core.throttled_until > core.now {
            return Ok(Probe::Throttled);
        }
        let open = core.sockets.get(connection).filter(|socket| socket.open);
        Ok(open.map_or(Probe::Gone, |socket| Probe::Alive { last_active_at: socket.active_at }))
    }

    async fn close(&self, _: &Endpoint, connection: &ConnectionId) -> Result<()> {
        let mut core = self.shared.lock();
        if core.throttled_until > core.now {
            core.disturbed.insert(self.task.get());
            return Err(Error::Throttled { operation: "DELETE @connections" });
        }
        if self.mistake != Some(Mistake::CloseIgnored) {
            core.close(connection);
        }
        Ok(())
    }
}

impl Core {
    /// The result of a post to a slow member, or of a post about a room whose trouble slows all of
    /// its posts.
    fn slow_fate(&mut self, connection: &ConnectionId, text: &str) -> Option<Fate> {
        let slow = self.slow.filter(|_| self.is_slow(connection)).map(|(_, slow)| slow);
        let crawls = self.trouble.is_some_and(|trouble| trouble.slows(text));
        match slow {
            _ if self.faults.is_healed() => None,
            Some(Slow::Full) => Some(Fate::At(Delivery::Throttled)),
            Some(Slow::Hangs) => Some(Fate::Hangs),
            None if !crawls => None,
            Some(Slow::Crawls) | None => {
                Some(Fate::Crawls(Duration::from_millis(self.dice.within(SLOW_MS.0, SLOW_MS.1))))
            }
        }
    }

    fn fate(&mut self, connection: &ConnectionId, text: &str) -> Fate {
        let name = || format!("post to {connection}");
        let now = self.now;
        if self.throttled_until > now {
            return Fate::At(Delivery::Throttled);
        }
        if self.fires(Fault::AccountThrottled, name) {
            self.throttled_until = now.plus(Duration::from_millis(self.dice.within(1, 3_000)));
            return Fate::At(Delivery::Throttled);
        }
        if self.forbidden_until > now {
            return Fate::At(Delivery::Failed);
        }
        if self.fires(Fault::Forbidden, name) {
            self.forbidden_until = now.plus(Duration::from_millis(self.dice.within(1, 5_000)));
            return Fate::At(Delivery::Failed);
        }
        let Some(socket) = self.sockets.get(connection).filter(|socket| socket.open) else {
            self.faults.note(Fault::Gone);
            return Fate::At(Delivery::Gone);
        };
        let (fresh, full) = (now.since(socket.connected_at) < NEW, socket.full_until > now);
        if fresh && self.fires(Fault::NotReady, name) {
            return Fate::At(Delivery::Gone);
        }
        if full {
            return Fate::At(Delivery::Throttled);
        }
        if let Some(fate) = self.slow_fate(connection, text) {
            return fate;
        }
        if self.fires(Fault::BufferFull, name) {
            let until = now.plus(Duration::from_millis(self.dice.within(1, 20_000)));
            if let Some(socket) = self.sockets.get_mut(connection) {
                socket.full_until = until;
            }
            return Fate::At(Delivery::Throttled);
        }
        if self.fires(Fault::PostFails, name) || self.fires(Fault::NotConnected, name) {
            return Fate::At(Delivery::Failed);
        }
        if self.fires(Fault::PostHangs, name) {
            return Fate::Hangs;
        }
        if self.fires(Fault::PostSlow, name) {
            return Fate::Slow(Duration::from_secs(5));
        }
        if self.fires(Fault::PostAnswerLost, name) {
            return Fate::AnswerLost;
        }
        Fate::At(Delivery::Delivered)
    }

    /// Sends a message to a client. It arrives after the messages that were sent before, or never.
    pub(crate) fn send(&mut self, connection: &ConnectionId, text: String) {
        self.send_after(connection, text, Duration::ZERO);
    }

    fn send_after(&mut self, connection: &ConnectionId, text: String, after: Duration) {
        let (now, latency) = (self.now, Duration::from_millis(self.dice.within(1, 30)));
        let Some(socket) = self.sockets.get_mut(connection).filter(|socket| socket.open) else { return };
        socket.active_at = now;
        if socket.black_hole {
            return;
        }
        let arrives = now.plus(after + latency).max(socket.arrives_at);
        if after.is_zero() {
            socket.arrives_at = arrives;
        }
        self.at(arrives, Due::ToClient(connection.clone(), text));
    }

    /// Closes a connection from the gateway's side.
    pub(crate) fn close(&mut self, connection: &ConnectionId) {
        let latency_ms = self.dice.within(1, 30);
        let Some(socket) = self.sockets.get_mut(connection).filter(|socket| socket.open) else { return };
        socket.open = false;
        socket.closed_by_us = true;
        let lapsed = socket.rights.expires_at <= self.now;
        let (black_hole, arrives) = (socket.black_hole, socket.arrives_at);
        let at = self.now.plus(Duration::from_millis(latency_ms)).max(arrives);
        if lapsed {
            self.weigh(Stake::Lapsed);
        }
        if !black_hole {
            self.at(at, Due::ClosedTo(connection.clone()));
        }
        self.tell_of_the_end(connection);
    }

    /// Invokes `$disconnect`, which API Gateway does on a best-effort basis.
    pub(crate) fn tell_of_the_end(&mut self, connection: &ConnectionId) {
        let name = || connection.to_string();
        if self.fires(Fault::NeverDisconnected, name) {
            return;
        }
        let late = self.fires(Fault::DisconnectLate, name);
        let after_ms = if late { self.dice.below(60_000) } else { self.dice.below(50) };
        self.after_ms(after_ms, Due::Disconnect(connection.clone()));
        if late {
            let again_ms = self.dice.below(60_000);
            self.after_ms(again_ms, Due::Disconnect(connection.clone()));
        }
    }
}
