//! The network of members: their connections open, carry messages, and close.

use authorizer::{Handshake, Origin};
use domain::{ConnectionId, RoomId};
use roomcast_client::rules::{Client, LinkId, Loss, Output};

use crate::backend::What;
use crate::due::Due;
use crate::kind::Kind;
use crate::mistake::Mistake;
use crate::run::Run;
use crate::socket::Socket;
use crate::step::ROOMS;
use crate::story::shortened;
use crate::tokens::Stranger;
use crate::trouble::Trouble;

/// The backlog of any trouble has been processed by this time of the run, in milliseconds.
const TROUBLE_IS_OVER_MS: u64 = 30_000;
/// A client waits this long for the response to its handshake, in milliseconds.
const CONNECT_TIMEOUT_MS: u64 = 15_000;
/// A client checks its position within this time after a join, in milliseconds.
const SETTLES_MS: u64 = 15_000;

impl Run {
    pub(crate) fn wake(&mut self, at: usize) {
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        if member.wakes_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            member.wakes_at_ms = None;
        }
        if let Some(client) = &mut member.client
            && client.next_wakeup_ms().is_some_and(|at_ms| at_ms <= now_ms)
        {
            client.tick(now_ms);
        }
        self.carry_out(at);
    }

    /// The client stops waiting for the response to a handshake.
    pub(crate) fn waited_for(&mut self, connection: &ConnectionId) {
        let waits = self.shared.lock().sockets.get(connection).is_some_and(|socket| socket.held && !socket.answered);
        if waits {
            self.give_up(connection, &Loss::Failed("the server did not answer the handshake".to_owned()));
            self.shared.lock().after_ms(5, Due::ClosedFrom(connection.clone()));
        }
    }

    pub(crate) fn opened_to(&mut self, connection: &ConnectionId) {
        let Some((at, link)) = self.holder(connection) else { return };
        let lasts = {
            let mut core = self.shared.lock();
            let now = core.now;
            let Some(socket) = core.sockets.get_mut(connection) else { return };
            socket.answered = true;
            socket.rights.expires_at.since(now)
        };
        let now_ms = self.now_ms();
        if let Some(client) = &mut self.members[at].client {
            client.connected(link, now_ms);
            client.token_lasts(link, u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX), now_ms);
        }
        self.carry_out(at);
    }

    pub(crate) fn refused_to(&mut self, connection: &ConnectionId, status: u16) {
        self.lost_by_client(connection, &Loss::Refused { status });
    }

    pub(crate) fn closed_to(&mut self, connection: &ConnectionId) {
        self.lost_by_client(connection, &Loss::Closed { code: Some(1000) });
    }

    /// The client notices that a connection has ended.
    pub(crate) fn lost_by_client(&mut self, connection: &ConnectionId, because: &Loss) {
        if self.holder(connection).is_some() {
            self.give_up(connection, because);
        }
    }

    pub(super) fn give_up(&mut self, connection: &ConnectionId, because: &Loss) {
        let at = match self.shared.lock().sockets.get_mut(connection) {
            Some(socket) => {
                socket.held = false;
                socket.member
            }
            None => return,
        };
        let Some(link) = self.members[at].link_of(connection) else { return };
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        member.links.remove(&link);
        if let Some(client) = &mut member.client {
            client.closed(link, because.clone(), now_ms);
        }
        self.carry_out(at);
    }

    /// The member whose client considers a connection open, and its link.
    pub(super) fn holder(&self, connection: &ConnectionId) -> Option<(usize, LinkId)> {
        let core = self.shared.lock();
        let socket = core.sockets.get(connection).filter(|socket| socket.held && !socket.black_hole)?;
        let link = self.members[socket.member].link_of(connection)?;
        Some((socket.member, link))
    }

    /// Carries out all outputs of a client.
    pub(crate) fn carry_out(&mut self, at: usize) {
        while let Some(output) = self.members[at].client.as_mut().and_then(Client::poll_output) {
            match output {
                Output::Connect(link) => self.connect(at, link),
                Output::Send { link, text } => self.send(at, link, text),
                Output::CloseSocket(link) => {
                    if let Some(connection) = self.members[at].links.remove(&link) {
                        let mut core = self.shared.lock();
                        if let Some(socket) = core.sockets.get_mut(&connection) {
                            socket.held = false;
                            if !socket.black_hole {
                                core.after_ms(5, Due::ClosedFrom(connection));
                            }
                        }
                    }
                }
                Output::Renew(link) => {
                    let mut core = self.shared.lock();
                    let latency_ms = core.dice.within(5, 200);
                    core.after_ms(latency_ms, Due::Token(at, link));
                }
                Output::Event(event) => self.told(at, &event),
            }
        }
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        let wakes = member.client.as_ref().and_then(Client::next_wakeup_ms).map(|at_ms| at_ms.max(now_ms));
        if let Some(wakes_ms) = wakes.filter(|wakes_ms| member.wakes_at_ms.is_none_or(|before| *wakes_ms < before)) {
            member.wakes_at_ms = Some(wakes_ms);
            let mut core = self.shared.lock();
            let due = core.began.plus(std::time::Duration::from_millis(wakes_ms));
            core.at(due, Due::Wake(at));
        }
    }

    pub(super) fn connect(&mut self, at: usize, link: LinkId) {
        self.connections += 1;
        let connection = testkit::samples::connection_id(&format!("c{}", self.connections));
        let stranger = self.members[at].stranger;
        let token = match stranger {
            Some(stranger) => Ok(stranger.token(self.now())),
            None => self.token_for(at).map(|token| Some(token.text)).ok_or(()),
        };
        let lacks_token = token.is_err();
        let handshake = Handshake {
            token: token.unwrap_or_default(),
            origin: stranger.and_then(Stranger::origin).map_or(Origin::Absent, |page| Origin::Page(page.to_owned())),
            subprotocols: vec![protocol::SUBPROTOCOL.to_owned()],
            request_id: format!("h{}", self.connections),
            ..Handshake::default()
        };
        self.members[at].links.insert(link, connection.clone());
        self.members[at].own.insert(connection.clone());
        let mut core = self.shared.lock();
        let socket = Socket::opening(at, handshake, core.now);
        core.sockets.insert(connection.clone(), socket);
        let latency_ms = core.dice.within(5, 40);
        if lacks_token {
            return core.after_ms(latency_ms, Due::NoToken(connection));
        }
        core.after_ms(latency_ms, Due::Handshake(connection.clone()));
        core.after_ms(CONNECT_TIMEOUT_MS, Due::Waited(connection));
    }

    pub(super) fn send(&mut self, at: usize, link: LinkId, text: String) {
        let Some(connection) = self.members[at].links.get(&link).cloned() else { return };
        let settles = self.now_ms() < self.members[at].joined_at_ms + SETTLES_MS;
        if self.mistake == Some(Mistake::SettlingSkipped) && settles && text.contains(r#""action":"ping""#) {
            // The mistake: the client believes the check of its position found nothing missing.
            self.shared.lock().after_ms(1, Due::ToClient(connection, r#"{"sys":"pong"}"#.to_owned()));
            return;
        }
        let text = self.without_echo(&connection, text);
        let repairs = self.repairs(at, &text);
        self.disturbs_flood(&connection);
        let mut core = self.shared.lock();
        if repairs && core.faults.is_calm() {
            core.broke(
                Kind::Repaired,
                format!("member {at} requests publications that it should have received: {text}"),
            );
        }
        core.tell(|| format!("{connection} -> {}", shortened(&text)));
        let latency_ms = core.dice.within(1, 30);
        core.after_ms(latency_ms, Due::FromClient(connection, text));
    }

    /// Reports whether a client requests publications that it should have received. A client may do
    /// so after a backend joined it to the room, or when its token may have removed it.
    fn repairs(&self, at: usize, text: &str) -> bool {
        let said = serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
        let Some(Ok(room)) = said["room"].as_str().map(|room| RoomId::parse(room.to_owned())) else { return false };
        let member = &self.members[at];
        let brought = self.backend.ordered(&member.user_id(), &What::Join(room.clone()));
        let judged_anew = self.now_ms() < member.judged_anew_until_ms || member.ever_denied.contains(&room);
        let slow = self.shared.lock().slow.is_some_and(|(slow, _)| slow == at);
        // Ephemeral jobs and announcements are in the same line: a slow member may delay its own
        // shard for longer than a client waits before it requests what it lacks.
        let beside_the_slow = self.trouble == Some(Trouble::Slow) && room.as_str() == ROOMS[0];
        // The trouble of others may cause such a delay for every member, too; `check_age` limits
        // how long it may be.
        let amid_trouble = self.trouble.is_some() && self.now_ms() < TROUBLE_IS_OVER_MS;
        let replays = member.replayed_in_part.contains(&room);
        let excused = replays || slow || beside_the_slow || amid_trouble || self.has_trouble(&room);
        said["action"] == "join" && !said["since"].is_null() && !brought && !judged_anew && !excused
    }
}
