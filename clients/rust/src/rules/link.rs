//! One connection: what was asked on it, when it is asked whether it lives, and when it is too old.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Position, RoomId};
use protocol::request::RequestId;

use super::chance::Chance;
use super::event::{LinkId, Ticket};
use super::times::{
    KEEP_ALIVE_JITTER_MS, KEEP_ALIVE_MS, PONG_TIMEOUT_MS, REQUEST_TIMEOUT_MS, ROTATE_JITTER_MS, ROTATE_MS,
    SETTLE_APART_MS, SETTLE_MS,
};

/// An open connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    /// When to open its successor.
    pub(super) rotate_at_ms: u64,
    /// When to get another token, if this one can be renewed.
    pub(super) renew_at_ms: Option<u64>,
    /// Whether a renewal came to nothing that we know of: rooms may have been left without a word.
    pub(super) renewal_in_doubt: bool,
    /// Rooms of the hello that are not whole yet.
    pub(super) unsettled: BTreeSet<RoomId>,
    pending: BTreeMap<RequestId, Pending>,
    ping: Option<Ping>,
    keep_alive_at_ms: u64,
    settle_at_ms: BTreeSet<u64>,
}

/// What a request asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    /// To join, or to catch up with, these rooms.
    Rooms {
        /// Each from where.
        rooms: Vec<(RoomId, Option<Position>)>,
        /// Whether it was a sync.
        sync: bool,
    },
    /// To leave a room.
    Leave(RoomId),
    /// To accept the first batch of a room.
    Publish(RoomId),
    /// For history.
    History(Ticket),
    /// Who is there.
    Who(Ticket),
    /// To go on with another token.
    Auth {
        /// How much longer it lasts, if that can be told.
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
}

/// What is due on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// It is silent.
    GiveUp,
    /// It is to be pinged.
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
            keep_alive_at_ms: now_ms + chance.around(KEEP_ALIVE_MS, KEEP_ALIVE_JITTER_MS),
            settle_at_ms: BTreeSet::new(),
        }
    }

    /// Nothing is asked on it any more.
    pub(super) fn retired(self) -> Self {
        Self { pending: BTreeMap::new(), ping: None, settle_at_ms: BTreeSet::new(), ..self }
    }

    /// Takes over again from a successor that was lost, which is tried anew later.
    pub(super) fn restored(self, rotate_at_ms: u64) -> Self {
        Self { rotate_at_ms, ..self }
    }

    /// A request is being sent.
    pub(super) fn ask(&mut self, request: RequestId, asked: Asked, now_ms: u64) {
        self.pending.insert(request, Pending { asked, deadline_ms: now_ms + REQUEST_TIMEOUT_MS });
    }

    /// What the answered request asked for; `None` if it was given up, or is none of ours.
    pub(super) fn answered(&mut self, request: RequestId) -> Option<Asked> {
        self.pending.remove(&request).map(|pending| pending.asked)
    }

    /// Requests that have waited long enough for their answer.
    pub(super) fn give_up(&mut self, now_ms: u64) -> Vec<Asked> {
        self.pending
            .extract_if(.., |_, pending| pending.deadline_ms <= now_ms)
            .map(|(_, given_up)| given_up.asked)
            .collect()
    }

    /// Checks the position twice from now on.
    pub(super) fn settle(&mut self, now_ms: u64) {
        for after_ms in SETTLE_MS {
            let at = now_ms + after_ms;
            let nearest = self.settle_at_ms.range(at.saturating_sub(SETTLE_APART_MS)..=at).next_back();
            if nearest.is_none() {
                self.settle_at_ms.insert(at);
            }
        }
    }

    /// A ping is being sent.
    pub(super) fn pinged(&mut self, request: RequestId, now_ms: u64, chance: &mut Chance) {
        self.ping = Some(Ping { request, deadline_ms: now_ms + PONG_TIMEOUT_MS });
        self.keep_alive_at_ms = now_ms + chance.around(KEEP_ALIVE_MS, KEEP_ALIVE_JITTER_MS);
        self.settle_at_ms.retain(|at| *at > now_ms);
    }

    /// The pong is here.
    pub(super) fn ponged(&mut self) {
        self.ping = None;
    }

    /// Whether this was the ping; it was refused, and another one is sent then.
    pub(super) fn ping_refused(&mut self, request: RequestId, again_at_ms: u64) -> bool {
        let refused = self.ping.as_ref().is_some_and(|ping| ping.request == request);
        if refused {
            self.ping = None;
            self.keep_alive_at_ms = self.keep_alive_at_ms.min(again_at_ms);
        }
        refused
    }

    /// Whether a pong is awaited.
    pub(super) fn is_pinged(&self) -> bool {
        self.ping.is_some()
    }

    pub(super) fn due(&self, now_ms: u64) -> Due {
        match (&self.ping, self.ping_at_ms()) {
            (Some(ping), _) if ping.deadline_ms <= now_ms => Due::GiveUp,
            (None, at) if at <= now_ms => Due::Ping,
            _ => Due::Nothing,
        }
    }

    /// When it is to be looked at again, its rotation left out.
    pub(super) fn wake_at_ms(&self) -> u64 {
        let ping = self.ping.as_ref().map_or_else(|| self.ping_at_ms(), |ping| ping.deadline_ms);
        let ping = self.renew_at_ms.map_or(ping, |renew| ping.min(renew));
        self.pending.values().map(|pending| pending.deadline_ms).fold(ping, u64::min)
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
