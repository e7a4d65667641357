//! What members hear: it is checked, and handed to their clients.

use domain::{Code, ConnectionId, RoomId};
use protocol::block::AnyBlock;
use protocol::server::ServerFrame;
use roomcast_client::rules::{Event, Loss};

use crate::check::{Broken, Kind};
use crate::mistake::Mistake;
use crate::run::Run;

/// So long after it was left a room may still be heard on the wire: its index lags 5 s, a job that has read it runs for 5 s,
/// and a slow post takes 5 s.
const HEARD_AFTER_LEAVE_MS: u64 = 16_000;

impl Run {
    pub(crate) fn hears(&mut self, connection: &ConnectionId, text: &str) {
        self.check_the_wire(connection, text);
        let Some((at, link)) = self.holder(connection) else { return };
        if self.mistake == Some(Mistake::HoldDropped) && self.is_above_a_gap(at, text) {
            return;
        }
        let now_ms = self.now_ms();
        self.shared.lock().tell(|| format!("{connection} < {text}"));
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

    /// Whether it is what the token of a member, or the lack of one, had to lead to.
    fn was_foreseen(&mut self, at: usize, event: &Event) -> bool {
        let member = &mut self.members[at];
        match event {
            Event::Ended { because: Loss::Refused { status: 401 | 403 } } if member.stranger.is_some() => {
                member.turned_away = true;
                member.client = None;
                true
            }
            Event::Online if member.stranger.is_some() => {
                self.shared.lock().broke(Kind::Admitted, format!("member {at} was let in: {:?}", member.stranger));
                true
            }
            Event::Refused { room, failure } if failure.code == Code::Forbidden => member.gives_up(room),
            Event::Removed { room, code } if code == "forbidden" => member.gives_up(room),
            _ => false,
        }
    }

    /// What is posted of a room goes to who is in it, or was a moment ago.
    pub(super) fn check_the_wire(&self, connection: &ConnectionId, text: &str) {
        let Ok(ServerFrame::Blocks(blocks)) = ServerFrame::parse(text) else { return };
        let now = self.now();
        for block in blocks {
            let room = match block {
                AnyBlock::Run(block) => block.room,
                AnyBlock::Ephemeral(block) => block.room,
                AnyBlock::Presence(block) => block.room,
            };
            self.check_rights_to_hear(connection, &room, text);
            if room.inbox_owner().is_some() || room.is_everyone() {
                continue;
            }
            match self.belonged.get(&(connection.clone(), room.clone())) {
                None => self.shared.lock().broke(Kind::CrossRoom, format!("{connection} never was in {room}: {text}")),
                Some(Some(left)) if now.since(*left).as_millis() > u128::from(HEARD_AFTER_LEAVE_MS) => {
                    let ago = now.since(*left);
                    let what = format!("{connection} left {room} {ago:?} ago: {text}");
                    self.shared.lock().broke(Kind::LateAfterLeave, what);
                }
                Some(_) => {}
            }
        }
    }

    /// Who hears has a token for it, or had one a moment ago.
    fn check_rights_to_hear(&self, connection: &ConnectionId, room: &RoomId, text: &str) {
        let mut core = self.shared.lock();
        let (now, slack) = (core.now, core.clocks_differ() + core.posts_linger());
        let Some(socket) = core.sockets.get(connection) else { return };
        let expired = now.since(socket.rights.expires_at);
        let barred = socket.rights.barred_since(room).map(|since| now.since(since));
        if expired > slack {
            core.broke(Kind::HeardExpired, format!("the token of {connection} expired {expired:?} ago: {text}"));
        }
        if let Some(barred) = barred.filter(|barred| *barred > slack) {
            core.broke(Kind::NotAllowed, format!("{connection} may not hear {room} since {barred:?}: {text}"));
        }
    }

    pub(super) fn told(&mut self, at: usize, event: &Event) {
        let name = self.members[at].user;
        self.shared.lock().tell(|| format!("member {at} ({name}) is told {}", short(event)));
        let member = &mut self.members[at];
        if let Event::Accepted { room, pid } | Event::Rejected { room, pid, .. } = event {
            member.unanswered.remove(&(room.clone(), pid.clone()));
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

fn short(event: &Event) -> String {
    match event {
        Event::Message(message) => {
            let (epoch, sequence) = (&message.at.epoch, message.at.sequence.get());
            format!("{} by {} at {epoch}/{sequence} in {}", message.pid, message.by, message.room)
        }
        other => format!("{other:?}"),
    }
}
