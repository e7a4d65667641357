//! What members hear: it is checked, and handed to their clients.

use domain::ConnectionId;
use protocol::block::AnyBlock;
use protocol::server::ServerFrame;
use roomcast_client::rules::Event;

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

    /// What is posted of a room goes to who is in it, or was a moment ago.
    pub(super) fn check_the_wire(&self, connection: &ConnectionId, text: &str) {
        let Ok(ServerFrame::Blocks(blocks)) = ServerFrame::parse(text) else { return };
        let now = self.now();
        for block in blocks {
            let AnyBlock::Run(block) = block else { continue };
            let room = block.room;
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

    pub(super) fn told(&mut self, at: usize, event: &Event) {
        let name = self.members[at].user;
        self.shared.lock().tell(|| format!("member {at} ({name}) is told {}", short(event)));
        let member = &mut self.members[at];
        if let Event::Accepted { room, pid } | Event::Rejected { room, pid, .. } = event {
            member.unanswered.remove(&(room.clone(), pid.clone()));
        }
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
