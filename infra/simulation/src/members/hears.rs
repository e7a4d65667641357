//! Messages that arrive at members: they are checked, and then passed to their clients.

use std::time::Duration;

use domain::limits::PRESENCE_SETTLES;
use domain::{Code, ConnectionId, Position, RoomId, Sequence, Timestamp};
use protocol::block::AnyBlock;
use protocol::server::ServerFrame;
use roomcast_client::rules::{Event, Loss};

use crate::backend::What;
use crate::faults::Fault;
use crate::kind::{Broken, Kind};
use crate::mistake::Mistake;
use crate::run::Run;
use crate::stake::Stake;
use crate::story::{described, shortened};

/// A connection may receive frames of a room for this long after it left and the index shows that:
/// a job that has read it runs for 5 s, and a slow post takes 5 s.
const HEARD_AFTER_LEAVE: Duration = Duration::from_secs(11);

/// A client may learn this long after the end of a ban that its handshake was refused: an
/// invocation takes 5 s, and clocks differ.
const HEARD_AFTER_BAN: Duration = Duration::from_secs(35);

impl Run {
    pub(crate) fn hears(&mut self, connection: &ConnectionId, text: &str) {
        self.check_the_wire(connection, text);
        if self.floods_hears(connection, text) {
            return;
        }
        let Some((at, link)) = self.holder(connection) else { return };
        let silent = self.mistake == Some(Mistake::PongsSilent) && text.contains(r#""sys":"pong""#);
        let text = if silent { r#"{"sys":"pong"}"# } else { text };
        if self.mistake == Some(Mistake::HoldDropped) && self.is_above_a_gap(at, text) {
            return;
        }
        self.note_replays(at, text);
        let now_ms = self.now_ms();
        {
            let mut core = self.shared.lock();
            core.tell(|| format!("{connection} <- {}", shortened(text)));
            if text.contains("\"behind\":{\"") {
                core.weigh(Stake::Behind);
            }
        }
        if let Some(client) = &mut self.members[at].client {
            client.received(link, text, now_ms);
        }
        self.carry_out(at);
    }

    pub(super) fn is_above_a_gap(&self, at: usize, text: &str) -> bool {
        let Ok(ServerFrame::Blocks(blocks)) = ServerFrame::parse(text) else { return false };
        blocks.iter().any(|block| match block {
            AnyBlock::Run(block) => {
                let heard = self.members[at].heard().position(&block.room);
                heard.is_some_and(|heard| heard.epoch == block.ep && block.seq > heard.sequence.next())
            }
            _ => false,
        })
    }

    /// Reports whether an event is the expected result of a member's token, of its lack of one, or
    /// of a backend's command.
    fn was_foreseen(&mut self, at: usize, event: &Event) -> bool {
        let now = self.now();
        let member = &mut self.members[at];
        match event {
            Event::Ended { because: Loss::Refused { status: 401 | 403 } } if member.stranger.is_some() => {
                member.turned_away = true;
                member.client = None;
                true
            }
            Event::Ended { because: Loss::Refused { status: 403 } } => {
                let banned_until = self.backend.banned_until(&member.user_id());
                let foreseen = banned_until.is_some_and(|until| now.since(until) < HEARD_AFTER_BAN);
                if foreseen {
                    self.restart(at, 3_000);
                }
                foreseen
            }
            Event::Online if member.stranger.is_some() => {
                self.shared.lock().broke(Kind::Admitted, format!("member {at} was admitted: {:?}", member.stranger));
                true
            }
            Event::Ended { because: Loss::Told { code } } if code == "kicked" => {
                let foreseen = self.backend.closed(&member.user_id());
                if foreseen {
                    self.restart(at, 3_000);
                }
                foreseen
            }
            Event::Removed { room, code } if code == "removed" => {
                let foreseen = self.backend.ordered(&member.user_id(), &What::Remove(room.clone()));
                if foreseen {
                    member.wanted.remove(room);
                    member.lives.last_mut().into_iter().for_each(|heard| heard.forgets(room));
                }
                foreseen
            }
            Event::Joined { room, .. } if !member.wanted.contains(room) => {
                if self.backend.ordered(&member.user_id(), &What::Join(room.clone())) {
                    member.wanted.insert(room.clone());
                    member.brought.insert(room.clone(), now);
                } else {
                    self.shared.lock().broke(Kind::Phantom, format!("member {at} did not want to be in {room}"));
                }
                false
            }
            // The queue refused the publication because of a fault: the client must not send it
            // again.
            Event::Rejected { .. } if self.shared.lock().faults.could(Fault::Refused) => true,
            Event::Refused { room, failure } if failure.code == Code::Forbidden => member.gives_up(room),
            Event::Removed { room, code } if code == "forbidden" => member.gives_up(room),
            _ => false,
        }
    }

    /// A connection receives posts about a room only while it is a member, or shortly after.
    pub(super) fn check_the_wire(&self, connection: &ConnectionId, text: &str) {
        let Ok(ServerFrame::Blocks(blocks)) = ServerFrame::parse(text) else { return };
        let now = self.now();
        for block in blocks {
            let room = match block {
                AnyBlock::Run(block) => {
                    for message in &block.m {
                        self.check_age(connection, &block.room, message.id.as_ref(), message.at);
                        self.check_echo(connection, message.from.as_ref(), message.id.as_ref());
                    }
                    block.room
                }
                AnyBlock::Ephemeral(block) => block.room,
                AnyBlock::Presence(block) => block.room,
            };
            self.check_rights_to_hear(connection, &room, text);
            self.check_belongs(connection, &room, now, text);
            self.check_left(connection, &room, self.heard_after_leave(), text);
        }
    }

    fn check_belongs(&self, connection: &ConnectionId, room: &RoomId, now: Timestamp, text: &str) {
        let mut core = self.shared.lock();
        if room.is_everyone() {
            return;
        }
        if let Some(owner) = room.inbox_owner() {
            let context = core.sockets.get(connection).and_then(|socket| socket.context.as_ref());
            if context.is_none_or(|context| context.identity.user.as_ref() != owner) {
                core.broke(Kind::CrossRoom, format!("{connection} does not belong to {owner}: {text}"));
            }
            return;
        }
        match self.belonged.get(&(connection.clone(), room.clone())).map(|one| one.left) {
            None => core.broke(Kind::CrossRoom, format!("{connection} was never a member of {room}: {text}")),
            Some(Some(left)) if now.since(left) > HEARD_AFTER_LEAVE + core.index_lags().max(PRESENCE_SETTLES) => {
                let ago = now.since(left);
                core.broke(Kind::LateAfterLeave, format!("{connection} left {room} {ago:?} ago: {text}"));
            }
            Some(_) => {}
        }
    }

    fn heard_after_leave(&self) -> Duration {
        HEARD_AFTER_LEAVE + self.shared.lock().index_lags().max(PRESENCE_SETTLES)
    }

    /// A connection that receives something has a token that allows it, or had one shortly before.
    fn check_rights_to_hear(&self, connection: &ConnectionId, room: &RoomId, text: &str) {
        let mut core = self.shared.lock();
        let (now, slack) = (core.now, core.clocks_differ() + core.posts_linger());
        let Some(socket) = core.sockets.get(connection) else { return };
        let expired = now.since(socket.rights.expires_at);
        let user = socket.context.as_ref().map(|context| &context.identity.user);
        let brought = user.is_some_and(|user| self.backend.ordered(user, &What::Join(room.clone())));
        let barred = socket.rights.barred_since(room).filter(|_| !brought).map(|since| now.since(since));
        if expired > slack {
            core.broke(Kind::HeardExpired, format!("the token of {connection} expired {expired:?} ago: {text}"));
        }
        if let Some(barred) = barred.filter(|barred| *barred > slack) {
            core.broke(
                Kind::NotAllowed,
                format!("the token of {connection} does not allow {room} since {barred:?}: {text}"),
            );
        }
    }

    pub(super) fn told(&mut self, at: usize, event: &Event) {
        let name = self.members[at].user;
        self.shared.lock().tell(|| format!("{name}/{at} {}", described(event)));
        let member = &mut self.members[at];
        if let Event::Accepted { room, pid } | Event::Rejected { room, pid, .. } = event {
            member.unanswered.remove(&(room.clone(), pid.clone()));
        }
        match event {
            Event::History { ticket, page } => {
                member.asked.remove(ticket);
                page.iter().for_each(|page| self.check_history(page));
            }
            Event::Who { ticket, page } => {
                member.asked.remove(ticket);
                page.iter().for_each(|page| self.check_who(page));
            }
            _ => {}
        }
        if let Some(Broken { kind, what }) = self.check_said(at, event) {
            self.shared.lock().broke(kind, what);
        }
        match event {
            Event::Message(message) => self.pass_over_own(at, &message.room, &before(&message.at)),
            Event::Resumed { room, at: to, .. } => self.pass_over_own(at, room, to),
            _ => {}
        }
        if self.was_foreseen(at, event) {
            return;
        }
        let member = &mut self.members[at];
        let last = member.lives.len() - 1;
        if let Some(Broken { kind, what }) = member.lives[last].hear(event, &self.restored) {
            self.shared.lock().broke(kind, format!("member {at} ({name}): {what}"));
        }
    }
}

fn before(at: &Position) -> Position {
    Position { epoch: at.epoch.clone(), sequence: Sequence::new(at.sequence.get().saturating_sub(1)) }
}
