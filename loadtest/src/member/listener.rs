//! What one member makes of what it hears: the client rules of PROTOCOL.md as far as a listener needs them, without I/O.
//!
//! It applies what continues its position, drops what is at or below, holds what is beyond a gap and asks the log for it. So a
//! delivery that is lost on the way and kept in the log shows as *recovered*, and only what the log has lost is *missing*.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::{Micros, Room, Sequence};
use crate::wire::request;

/// How long a member waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Before the log is asked for a gap.
    pub hold: Micros,
    /// Before a question is asked again.
    pub answer: Micros,
    /// After the answer to a leave: what comes later is late (GUARANTEES.md, 6).
    pub leave: Micros,
    /// Between two questions, while everything drains, of whether there is more.
    pub settle: Duration,
    /// For the server's count of members to be right.
    pub census: Duration,
    /// For a publication, before a member counts as stalled.
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

/// What is being asked of the log.
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
    /// Where it stands; nothing before its first join is answered.
    pub(super) stands: Option<(Box<str>, Sequence)>,
    /// What came beyond a gap, or before the answer: which publication of this room, if it is one.
    pub(super) held: BTreeMap<Sequence, Option<usize>>,
    pub(super) asked: Option<(Asked, Micros)>,
    pub(super) ask_at: Option<Micros>,
    pub(super) left: Option<Micros>,
    /// How long it stays away after a leave.
    away: Micros,
    /// Whether it was in the room before.
    pub has_come: bool,
    /// Times from intention to this member, of the last text; in microseconds.
    pub latencies: Vec<Micros>,
    /// Publications that the last text brought to the application.
    pub applied: u64,
    /// What is to be said.
    pub say: Vec<String>,
    /// Ephemeral publications that it has heard.
    pub ephemeral: u64,
}

impl Listener {
    /// A member of a room, both by number; `timed` unless it is slow on purpose.
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

    /// A connection is open: joins, or resumes.
    pub fn open(&mut self, room: &Room, now: Micros) {
        let is_away = self.left.is_some() || matches!(self.asked, Some((Asked::Leave, _)));
        if is_away {
            return self.come_back(room, now);
        }
        let why = if self.stands.is_some() { Asked::Resume } else { Asked::First };
        self.ask(why, room, now);
    }

    /// Leaves the room, and joins anew after so long.
    pub fn leave(&mut self, room: &mut Room, now: Micros, away: Micros) {
        let heard = self.stands.as_ref().map_or(0, |(_, position)| *position);
        self.away = away;
        room.ask_to_leave(self.member, heard, now);
        self.ask(Asked::Leave, room, now);
    }

    /// Comes back after a leave, and wants nothing of what it missed.
    fn come_back(&mut self, room: &Room, now: Micros) {
        self.stands = None;
        self.left = None;
        self.held.clear();
        self.ask(Asked::First, room, now);
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Micros> {
        let again = self.asked.map(|(_, at)| at + self.patience.answer);
        let back = self.left.map(|at| at + self.away);
        [self.ask_at, again, back].into_iter().flatten().min()
    }

    /// Whether it is in the room and asks nothing.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.stands.is_some() && self.asked.is_none() && self.left.is_none()
    }

    /// Time has passed.
    pub fn wake(&mut self, room: &Room, now: Micros) {
        if self.left.is_some_and(|at| now >= at + self.away) {
            self.come_back(room, now);
        } else if let Some((asked, _)) = self.asked.filter(|(_, at)| now >= at + self.patience.answer) {
            self.ask(asked, room, now);
        } else if self.ask_at.is_some_and(|at| now >= at) {
            self.ask(Asked::Gap, room, now);
        }
    }

    /// Says where it stands, to be told whether there is more.
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
