//! Holds: publications of backends that exceed the rate of their room wait in a separate queue.
//!
//! Members are refused beyond the rate of a room, but backends are not. SQS searches only the first
//! messages of a FIFO queue for groups that can be received, so a backlog of one room in
//! `publications` would delay every room. Therefore a room that exceeds its rate is held: later
//! publications of backends to this room go into `publications-held`, and the sequencer takes them
//! from there at the rate of the room. A room holds a limited number of publications, so a few
//! rooms cannot delay the held publications of other rooms.
//!
//! Order: publications that were submitted before the hold may still wait in `publications`. A
//! gate, a message of the same group, is sent behind them. Held publications wait until the
//! sequencer has received the gate.

use std::time::Duration;

use crate::limits;
use crate::retry::retry_pause;
use crate::timestamp::Timestamp;

/// The hold of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The time at which it began.
    pub began: Timestamp,
    /// The time at which it ends. Each held publication moves it.
    pub until: Timestamp,
    /// True if its gate was reached.
    pub is_passed: bool,
    /// The number of the last held publication.
    pub numbered: u64,
    /// The number of the last held publication that has left the queue.
    pub released: u64,
}

/// The state that decides into which queue a backend's publications to a room go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intake {
    /// The time until which earlier publications use up the room's rate
    /// ([`crate::Head::busy_until`]). `None` if the head could not be read.
    pub busy_until: Option<Timestamp>,
    /// The hold of the room, over or not.
    pub hold: Option<Hold>,
}

/// The queue for the publications of backends to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Into the queue of publications.
    Open,
    /// Into the queue of held publications.
    Held {
        /// The number of publications that the room may still hold.
        space: u64,
    },
}

/// The next step for the held publications of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Sequence them now.
    Now,
    /// Return them to the queue for this pause.
    After(Duration),
    /// Send the gate of the hold that began at this time, and return them for this pause.
    Gate(Timestamp, Duration),
}

impl Hold {
    /// The number of held publications that wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.numbered.saturating_sub(self.released)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now
    }
}

impl Intake {
    /// Returns the queue for publications of backends. They are held if the room's rate is used up,
    /// and from then on until the hold ends, so that none overtakes an earlier one.
    #[must_use]
    pub fn door(&self, now: Timestamp) -> Door {
        match self.hold.filter(|hold| !hold.is_over(now)) {
            Some(hold) => Door::Held { space: limits::HELD_PER_ROOM.saturating_sub(hold.waiting()) },
            None if self.is_within_rate(now) => Door::Open,
            None => Door::Held { space: limits::HELD_PER_ROOM },
        }
    }

    /// A head that cannot be read counts as busy: publications to a room that fails would wait in
    /// the queue of publications.
    fn is_within_rate(&self, now: Timestamp) -> bool {
        self.busy_until.is_some_and(|busy_until| limits::ROOM_RATE.charge(busy_until, 1, now).is_ok())
    }

    /// Returns the next step for held publications. `receives` is the number of receives of their
    /// first message, from 1. After the gate they wait for one pause at most, however busy the
    /// members keep the room.
    #[must_use]
    pub fn turn(&self, receives: u32, now: Timestamp) -> Turn {
        if let Some(hold) = self.hold.filter(|hold| !hold.is_passed && !hold.is_over(now)) {
            return if receives < limits::RECEIVES_BEFORE_GATE {
                Turn::After(limits::GATE_PAUSE)
            } else {
                Turn::Gate(hold.began, retry_pause(receives))
            };
        }
        let share = now.plus(limits::ROOM_RATE.takes(limits::ROOM_RATE.burst() - limits::HELD_AT_ONCE));
        let pause = self.busy_until.unwrap_or_default().since(share);
        if pause.is_zero() || receives > 1 { Turn::Now } else { Turn::After(pause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

    fn at(ms: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(ms))
    }

    fn busy(ms: u64) -> Intake {
        Intake { busy_until: Some(at(ms)), hold: None }
    }

    fn held(hold: Hold) -> Intake {
        Intake { busy_until: Some(NOW), hold: Some(hold) }
    }

    const HOLD: Hold =
        Hold { began: NOW, until: NOW.plus(limits::HOLD_LIFE), is_passed: true, numbered: 100, released: 40 };

    #[test]
    fn a_backend_is_held_where_a_member_is_refused() {
        assert_eq!(busy(1_980).door(NOW), Door::Open);
        assert_eq!(busy(1_981).door(NOW), Door::Held { space: limits::HELD_PER_ROOM });
        assert_eq!(Intake { busy_until: Some(Timestamp::default()), hold: None }.door(NOW), Door::Open);
    }

    #[test]
    fn what_follows_a_held_publication_is_held_until_the_hold_is_over() {
        let space = limits::HELD_PER_ROOM - 60;
        assert_eq!(held(HOLD).door(NOW), Door::Held { space });
        assert_eq!(held(HOLD).door(NOW.plus(limits::HOLD_LIFE - Duration::from_millis(1))), Door::Held { space });
        assert_eq!(held(HOLD).door(NOW.plus(limits::HOLD_LIFE)), Door::Open);
    }

    #[test]
    fn a_room_holds_no_more_than_its_limit() {
        let full = Hold { numbered: 40 + limits::HELD_PER_ROOM, ..HOLD };
        assert_eq!(held(full).door(NOW), Door::Held { space: 0 });
        assert_eq!(Hold { numbered: 3, ..HOLD }.waiting(), 0, "released by an older hold");
    }

    #[test]
    fn a_room_whose_head_cannot_be_read_is_held() {
        let unknown = Intake { busy_until: None, hold: None };
        assert!(matches!(unknown.door(NOW), Door::Held { .. }));
        assert_eq!(unknown.turn(1, NOW), Turn::Now, "sequencing itself fails then");
    }

    #[test]
    fn the_gate_is_sent_when_functions_that_read_the_room_before_are_over() {
        let unpassed = held(Hold { is_passed: false, ..HOLD });
        assert_eq!([1, 2].map(|receives| unpassed.turn(receives, NOW)), [Turn::After(limits::GATE_PAUSE); 2]);
        assert_eq!(unpassed.turn(3, NOW), Turn::Gate(NOW, Duration::from_secs(2)));
        assert_eq!(unpassed.turn(30, NOW), Turn::Gate(NOW, limits::LONGEST_RETRY_PAUSE));
        assert_eq!(unpassed.turn(1, NOW.plus(limits::HOLD_LIFE)), Turn::Now);
    }

    #[test]
    fn held_publications_leave_half_of_the_burst_to_members_and_have_every_second_turn() {
        let busy = |ms| Intake { hold: Some(HOLD), ..busy(ms) };
        assert_eq!(busy(1_000).turn(1, NOW), Turn::Now);
        assert_eq!(busy(1_500).turn(1, NOW), Turn::After(Duration::from_millis(500)));
        assert_eq!(busy(1_500).turn(2, NOW), Turn::Now);
        assert!(limits::ROOM_RATE.charge(at(1_000), limits::HELD_AT_ONCE, NOW).is_ok());
    }
}
