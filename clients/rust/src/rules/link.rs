//! One connection: its requests in flight, its pings, and its age.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Position, RoomId};
use protocol::request::RequestId;

use super::chance::Chance;
use super::event::{LinkId, Ticket};
use super::times::{
    KEEP_ALIVE_JITTER_MS, KEEP_ALIVE_MS, PONG_TIMEOUT_MS, REQUEST_TIMEOUT_MS, ROTATE_JITTER_MS, ROTATE_MS,
    SETTLE_APART_MS, SETTLE_MS, UNANSWERED_PINGS,
};

/// An open connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    /// The time to open its replacement.
    pub(super) rotate_at_ms: u64,
    /// The time to get another token, if the token can be renewed.
    pub(super) renew_at_ms: Option<u64>,
    /// True if a renewal may have been carried out without a reply. The server may then have left
    /// rooms that no reply named.
    pub(super) renewal_in_doubt: bool,
    /// Rooms of the first sync that are not whole yet.
    pub(super) unsettled: BTreeSet<RoomId>,
    pending: BTreeMap<RequestId, Pending>,
    ping: Option<Ping>,
    /// Successive pings without a pong.
    unanswered: u32,
    keep_alive_at_ms: u64,
    settle_at_ms: BTreeSet<u64>,
}

/// The purpose of a request in flight.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    /// To join or resume these rooms.
    Rooms {
        /// Each room with the position of the request.
        rooms: Vec<(RoomId, Option<Position>)>,
        /// True for a sync, false for a join.
        sync: bool,
    },
    /// To leave a room.
    Leave(RoomId),
    /// To publish the first batch of a room.
    Publish(RoomId),
    /// To read history.
    History(Ticket),
    /// To list members.
    Who(Ticket),
    /// To renew the token.
    Auth {
        /// The remaining life of the new token, if it is known.
        lasts_ms: Option<u64>,
    },
}

#[derive(Debug)]
struct Pending {
    asked: Asked,
    deadline_ms: u64,
}

#[derive(Debug)]
struct Ping {
    request: RequestId,
    deadline_ms: u64,
    /// True if any frame arrived since the ping was sent.
    heard: bool,
}

/// The work that is due on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// No work is due.
    Nothing,
    /// The connection does not respond, so it must be closed.
    GiveUp,
    /// A ping must be sent.
    Ping,
}

impl Link {
    pub(super) fn new(id: LinkId, now_ms: u64, chance: &mut Chance) -> Self {
        Self {
            id,
            rotate_at_ms: now_ms + chance.around(ROTATE_MS, ROTATE_JITTER_MS),
            renew_at_ms: None,
            renewal_in_doubt: false,
            unsettled: BTreeSet::new(),
            pending: BTreeMap::new(),
            ping: None,
            unanswered: 0,
            keep_alive_at_ms: now_ms + chance.around(KEEP_ALIVE_MS, KEEP_ALIVE_JITTER_MS),
            settle_at_ms: BTreeSet::new(),
        }
    }

    /// Retires the connection: it carries no more requests.
    pub(super) fn retired(self) -> Self {
        Self { pending: BTreeMap::new(), ping: None, unanswered: 0, settle_at_ms: BTreeSet::new(), ..self }
    }

    /// Restores a retired connection after the loss of its replacement. The next replacement is
    /// opened at `rotate_at_ms`.
    pub(super) fn restored(self, rotate_at_ms: u64) -> Self {
        Self { rotate_at_ms, ..self }
    }

    /// Records a request that is being sent.
    pub(super) fn ask(&mut self, request: RequestId, asked: Asked, now_ms: u64) {
        self.pending.insert(request, Pending { asked, deadline_ms: now_ms + REQUEST_TIMEOUT_MS });
    }

    /// Removes a request that has a reply. Returns its purpose, or `None` if it was given up before
    /// or is unknown.
    pub(super) fn answered(&mut self, request: RequestId) -> Option<Asked> {
        self.pending.remove(&request).map(|pending| pending.asked)
    }

    /// Removes the requests whose reply is overdue. Returns their purposes.
    ///
    /// Called when a ping is answered: until then, the server may only be slow, and a repeated
    /// request would make it slower.
    pub(super) fn give_up(&mut self, now_ms: u64) -> Vec<Asked> {
        self.pending
            .extract_if(.., |_, pending| pending.deadline_ms <= now_ms)
            .map(|(_, given_up)| given_up.asked)
            .collect()
    }

    /// Schedules the two pings that check the positions after a join.
    pub(super) fn settle(&mut self, now_ms: u64) {
        for after_ms in SETTLE_MS {
            let at = now_ms + after_ms;
            let nearest = self.settle_at_ms.range(at.saturating_sub(SETTLE_APART_MS)..=at).next_back();
            if nearest.is_none() {
                self.settle_at_ms.insert(at);
            }
        }
    }

    /// Records a ping that is being sent.
    pub(super) fn pinged(&mut self, request: RequestId, now_ms: u64, chance: &mut Chance) {
        self.ping = Some(Ping { request, deadline_ms: now_ms + PONG_TIMEOUT_MS, heard: false });
        self.unanswered += 1;
        self.keep_alive_at_ms = now_ms + chance.around(KEEP_ALIVE_MS, KEEP_ALIVE_JITTER_MS);
        self.settle_at_ms.retain(|at| *at > now_ms);
    }

    /// Records a pong.
    pub(super) fn ponged(&mut self) {
        self.ping = None;
        self.unanswered = 0;
    }

    /// Records that a frame arrived: the connection is alive.
    pub(super) fn heard(&mut self) {
        if let Some(ping) = &mut self.ping {
            ping.heard = true;
        }
    }

    /// Handles the refusal of a request. Returns true if it was the ping; the next one is then sent
    /// by `again_at_ms`.
    pub(super) fn ping_refused(&mut self, request: RequestId, again_at_ms: u64) -> bool {
        let refused = self.ping.as_ref().is_some_and(|ping| ping.request == request);
        if refused {
            self.ponged();
            self.keep_alive_at_ms = self.keep_alive_at_ms.min(again_at_ms);
        }
        refused
    }

    pub(super) fn due(&self, now_ms: u64) -> Due {
        if self.check_at_ms() > now_ms {
            return Due::Nothing;
        }
        match &self.ping {
            Some(ping) if !ping.heard || self.unanswered >= UNANSWERED_PINGS => Due::GiveUp,
            _ => Due::Ping,
        }
    }

    /// The time of the next work on this connection, except for its replacement.
    pub(super) fn wake_at_ms(&self) -> u64 {
        self.renew_at_ms.map_or(self.check_at_ms(), |renew| renew.min(self.check_at_ms()))
    }

    /// The time of the next ping, or the deadline of the ping in flight.
    fn check_at_ms(&self) -> u64 {
        match &self.ping {
            Some(ping) => ping.deadline_ms,
            None => self.pending.values().map(|pending| pending.deadline_ms).fold(self.ping_at_ms(), u64::min),
        }
    }

    fn ping_at_ms(&self) -> u64 {
        self.settle_at_ms.first().map_or(self.keep_alive_at_ms, |at| self.keep_alive_at_ms.min(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::Seeded;
    use super::*;

    #[test]
    fn a_hundred_joins_at_once_are_settled_by_two_pings() {
        let mut link = Link::new(LinkId(1), 0, &mut Chance::new(Seeded::new(1)));
        for at in 0..100 {
            link.settle(at);
        }
        assert_eq!(link.settle_at_ms, BTreeSet::from([2_000, 10_000]));
        link.settle(501);
        assert_eq!(link.settle_at_ms.len(), 4);
    }
}
