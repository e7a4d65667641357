//! The client rules of PROTOCOL.md for one member, as far as a listener needs them, without I/O.
//!
//! The listener applies the publication after its position, drops those at or below it, and holds
//! those beyond a gap while it requests the gap from the log. So a delivery that is lost on the way
//! and kept in the log counts as *recovered*, and only a publication that the log has lost is
//! *missing*.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::{Micros, Room, Sequence};
use crate::wire::request;

/// Timeouts of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Wait before the log is asked for a gap.
    pub hold: Micros,
    /// Wait before a request is sent again.
    pub answer: Micros,
    /// Time after the reply to a leave; a later delivery is late (GUARANTEES.md, 6).
    pub leave: Micros,
    /// Pause between two pings in the drain stage.
    pub settle: Duration,
    /// Time within which the server's count of members must become correct.
    pub census: Duration,
    /// Wait for a publication after which a member counts as stalled.
    pub stall: Micros,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            hold: 2_000_000,
            answer: 10_000_000,
            leave: 2_000_000,
            settle: Duration::from_secs(3),
            census: Duration::from_secs(15),
            stall: crate::ledger::STALL,
        }
    }
}

/// The purpose of the request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    First,
    Gap,
    Resume,
    Leave,
}

/// One member of one room.
#[derive(Debug)]
pub struct Listener {
    pub(super) room: usize,
    pub(super) member: usize,
    pub(super) timed: bool,
    pub(super) patience: Patience,
    /// The epoch and position of the member; `None` before the reply to its first join.
    pub(super) stands: Option<(Box<str>, Sequence)>,
    /// Publications beyond a gap or before the first reply, each with its number if it is one of
    /// this room.
    pub(super) held: BTreeMap<Sequence, Option<usize>>,
    pub(super) asked: Option<(Asked, Micros)>,
    pub(super) ask_at: Option<Micros>,
    pub(super) left: Option<Micros>,
    /// The length of the absence after a leave.
    away: Micros,
    /// True if the member was in the room before.
    pub has_come: bool,
    /// Times from intention to this member, for the last text message, in microseconds.
    pub latencies: Vec<Micros>,
    /// Publications that the last text message delivered to the application.
    pub applied: u64,
    /// Requests to send.
    pub say: Vec<String>,
    /// Ephemeral publications that the member has received.
    pub ephemeral: u64,
}

impl Listener {
    /// A member of a room, both by number. `timed` is false for members that are slow on purpose.
    #[must_use]
    pub fn new(room: usize, member: usize, timed: bool, patience: Patience) -> Self {
        Self {
            room,
            member,
            timed,
            patience,
            stands: None,
            held: BTreeMap::new(),
            asked: None,
            ask_at: None,
            left: None,
            away: 0,
            has_come: false,
            latencies: Vec::new(),
            applied: 0,
            say: Vec::new(),
            ephemeral: 0,
        }
    }

    /// Handles the opening of a connection: joins or resumes.
    pub fn open(&mut self, room: &Room, now: Micros) {
        let is_away = self.left.is_some() || matches!(self.asked, Some((Asked::Leave, _)));
        if is_away {
            return self.come_back(room, now);
        }
        let why = if self.stands.is_some() { Asked::Resume } else { Asked::First };
        self.ask(why, room, now);
    }

    /// Leaves the room, and joins again after `away`.
    pub fn leave(&mut self, room: &mut Room, now: Micros, away: Micros) {
        let heard = self.stands.as_ref().map_or(0, |(_, position)| *position);
        self.away = away;
        room.ask_to_leave(self.member, heard, now);
        self.ask(Asked::Leave, room, now);
    }

    /// Joins again after a leave, without the publications missed meanwhile.
    fn come_back(&mut self, room: &Room, now: Micros) {
        self.stands = None;
        self.left = None;
        self.held.clear();
        self.ask(Asked::First, room, now);
    }

    /// The time of the next [`Listener::wake`].
    #[must_use]
    pub fn wakes_at(&self) -> Option<Micros> {
        let again = self.asked.map(|(_, at)| at + self.patience.answer);
        let back = self.left.map(|at| at + self.away);
        [self.ask_at, again, back].into_iter().flatten().min()
    }

    /// Returns true if the member is in the room and no request is in flight.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.stands.is_some() && self.asked.is_none() && self.left.is_none()
    }

    /// Sends the requests that are due.
    pub fn wake(&mut self, room: &Room, now: Micros) {
        if self.left.is_some_and(|at| now >= at + self.away) {
            self.come_back(room, now);
        } else if let Some((asked, _)) = self.asked.filter(|(_, at)| now >= at + self.patience.answer) {
            self.ask(asked, room, now);
        } else if self.ask_at.is_some_and(|at| now >= at) {
            self.ask(Asked::Gap, room, now);
        }
    }

    /// Sends a ping with the member's position, to learn whether publications are missing.
    pub fn ping(&mut self, room: &Room) {
        if let Some((epoch, position)) = self.stands.as_ref().filter(|_| self.left.is_none()) {
            self.say.push(request::ping(room.name(), epoch, *position));
        }
    }

    pub(super) fn ask(&mut self, why: Asked, room: &Room, now: Micros) {
        self.ask_at = None;
        self.asked = Some((why, now));
        let since = self.stands.as_ref().filter(|_| why != Asked::First);
        self.say.push(match why {
            Asked::Leave => request::leave(why.id(), room.name()),
            _ => request::join(why.id(), room.name(), since.map(|(epoch, position)| (&**epoch, *position))),
        });
    }
}

impl Asked {
    pub(super) fn id(self) -> u64 {
        match self {
            Self::First => 1,
            Self::Gap => 2,
            Self::Resume => 3,
            Self::Leave => 4,
        }
    }
}
