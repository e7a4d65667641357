//! Charges: what each request takes from the allowance of its connection.
//!
//! A connection has one allowance for all of its requests, stored as one point in time (see
//! [`Rate`]). It is counted in units of [`REQUEST_RATE`]. A publication takes as much of it as it
//! takes of [`CONNECTION_RATE`], and is refused when 2 s of the allowance are used up. Other
//! requests are refused when 10 s are: a client that returns may ask for a hundred rooms at once,
//! and a client that publishes as fast as it may can still send keep-alives.
//!
//! The weights follow the reads and writes of a request: by its rooms and its rows. A list of
//! members shows only on its way how many they are, and is charged for them before it reads them.
//!
//! A user has the same allowance once more, over all of its connections. So more connections give
//! no more, and neither does a new one. A small request on a connection that was quiet before is
//! not charged to the user: a user that writes a line now and then costs no further write.

use std::time::Duration;

use crate::limits::{
    AUTH_UNITS, CONNECTION_RATE, HISTORY_UNITS, JOIN_UNITS, LEAVE_UNITS, PING_ROOM_UNITS, PING_UNITS, QUIET,
    REQUEST_RATE, ROWS_PER_UNIT, SMALL_REQUEST_UNITS, SYNC_ROOM_UNITS, SYNC_UNITS, WHO_READS_INCLUDED, WHO_UNITS,
};
use crate::rate::Rate;
use crate::timestamp::Timestamp;

/// What a request takes from the allowance of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    rate: Rate,
    count: u32,
    is_keep_alive: bool,
}

impl Charge {
    const fn units(count: u32) -> Self {
        Self { rate: REQUEST_RATE, count, is_keep_alive: false }
    }

    /// The charge of a request with so many publications.
    #[must_use]
    pub fn publications(count: usize) -> Self {
        Self { rate: CONNECTION_RATE, count: saturated(count), is_keep_alive: false }
    }

    /// The charge of a sync of so many rooms.
    #[must_use]
    pub fn sync(rooms: usize) -> Self {
        Self::units(SYNC_UNITS.saturating_add(SYNC_ROOM_UNITS.saturating_mul(saturated(rooms))))
    }

    /// The charge of a join.
    #[must_use]
    pub const fn join() -> Self {
        Self::units(JOIN_UNITS)
    }

    /// The charge of a leave.
    #[must_use]
    pub const fn leave() -> Self {
        Self::units(LEAVE_UNITS)
    }

    /// The charge of a page of history with at most so many publications.
    #[must_use]
    pub fn history(limit: usize) -> Self {
        Self::units(HISTORY_UNITS.saturating_add(saturated(limit) / ROWS_PER_UNIT))
    }

    /// The charge of a list of users, before its length is known.
    #[must_use]
    pub const fn who() -> Self {
        Self::units(WHO_UNITS)
    }

    /// The further charge of a list of users that reads so many members and shards. `None` where
    /// [`Charge::who`] covers it.
    #[must_use]
    pub fn who_beyond(members: usize, shards: usize) -> Option<Self> {
        let reads = saturated(members).saturating_add(ROWS_PER_UNIT.saturating_mul(saturated(shards)));
        let units = reads.saturating_sub(WHO_READS_INCLUDED) / ROWS_PER_UNIT;
        (units > 0).then_some(Self::units(units))
    }

    /// The charge of a ping with the positions of so many rooms.
    #[must_use]
    pub fn ping(rooms: usize) -> Self {
        let units = PING_UNITS.saturating_add(PING_ROOM_UNITS.saturating_mul(saturated(rooms)));
        Self { is_keep_alive: true, ..Self::units(units) }
    }

    /// The charge of a renewal of the token.
    #[must_use]
    pub const fn auth() -> Self {
        Self::units(AUTH_UNITS)
    }

    /// The duration for which the request uses up the allowance.
    #[must_use]
    pub const fn takes(self) -> Duration {
        self.rate.takes(self.count)
    }

    /// The latest state of the allowance in which the request is accepted at `now`.
    #[must_use]
    pub const fn latest(self, now: Timestamp) -> Timestamp {
        self.rate.latest(self.count, now)
    }

    /// True if the request mostly follows minutes of silence, so that its traffic has to be
    /// recorded too.
    #[must_use]
    pub const fn is_keep_alive(self) -> bool {
        self.is_keep_alive
    }

    /// True if the request is charged to the user of its connection too. `before` is the time until
    /// which earlier requests had used up the allowance of the connection; `None` if there were
    /// none. A connection that has sent nothing yet is not a quiet one: otherwise new connections
    /// would be free.
    #[must_use]
    pub fn concerns_user(self, before: Option<Timestamp>, now: Timestamp) -> bool {
        let was_quiet = before.is_some_and(|before| before.plus(QUIET) <= now);
        let is_small = if self.rate == CONNECTION_RATE {
            self.count <= 1
        } else {
            self.takes() <= REQUEST_RATE.takes(SMALL_REQUEST_UNITS)
        };
        !(was_quiet && is_small)
    }

    /// Accepts the request or refuses it. Returns the new time until which the allowance is used
    /// up.
    ///
    /// # Errors
    /// The pause after which the request would be accepted, if no other is meanwhile; at least
    /// 1 ms.
    pub fn apply(self, busy_until: Timestamp, now: Timestamp) -> Result<Timestamp, Duration> {
        self.rate.charge(busy_until, self.count, now)
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{HISTORY_PUBLICATIONS, KEEP_ALIVE, ROOMS_PER_CONNECTION, WHO_MEMBERS};

    const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

    /// Applies charges at these times, in milliseconds, and returns the refused ones.
    fn refused(charges: impl IntoIterator<Item = (u64, Charge)>) -> Vec<(u64, Charge, Duration)> {
        let (mut busy_until, mut refused) = (Timestamp::default(), Vec::new());
        for (at_ms, charge) in charges {
            match charge.apply(busy_until, NOW.plus(Duration::from_millis(at_ms))) {
                Ok(until) => busy_until = until,
                Err(pause) => refused.push((at_ms, charge, pause)),
            }
        }
        refused
    }

    #[test]
    fn a_client_that_returns_to_a_hundred_rooms_is_not_refused() {
        let rooms = ROOMS_PER_CONNECTION;
        let by_sync = [(0, Charge::sync(rooms)), (2_000, Charge::ping(rooms)), (10_000, Charge::ping(rooms))];
        assert_eq!(refused(by_sync), []);
        let one_by_one = (0..rooms).flat_map(|_| [(0, Charge::join()), (0, Charge::who())]);
        assert_eq!(refused(one_by_one.chain([(2_000, Charge::ping(rooms)), (10_000, Charge::ping(rooms))])), []);
        let at_once = [(0, Charge::sync(rooms)), (0, Charge::publications(10)), (0, Charge::auth())];
        assert_eq!(refused(at_once), []);
    }

    #[test]
    fn a_client_that_pages_through_histories_and_keeps_alive_is_not_refused() {
        // Each page is requested after the answer to the page before, which takes 50 ms or more.
        let pages = (0..200).map(|page| (page * 50, Charge::history(HISTORY_PUBLICATIONS)));
        let ping_ms = u64::try_from(KEEP_ALIVE.as_millis()).unwrap();
        let pings = (1..30).map(|ping| (ping * ping_ms, Charge::ping(ROOMS_PER_CONNECTION)));
        assert_eq!(refused(pages.chain(pings)), []);
    }

    #[test]
    fn a_client_that_publishes_as_fast_as_it_may_can_send_other_requests() {
        let publications = (0..100).map(|n| (n * 50, Charge::publications(1)));
        let burst = (0..39).map(|_| (0, Charge::publications(1)));
        let busy = burst.chain(publications).chain([(5_000, Charge::ping(100)), (5_000, Charge::join())]);
        assert_eq!(refused(busy), []);
    }

    #[test]
    fn each_request_in_a_loop_is_refused_until_the_exact_moment() {
        let all = [
            Charge::sync(1),
            Charge::join(),
            Charge::leave(),
            Charge::history(100),
            Charge::who(),
            Charge::ping(0),
            Charge::auth(),
            Charge::publications(1),
        ];
        for charge in all {
            let mut busy_until = Timestamp::default();
            let pause = loop {
                match charge.apply(busy_until, NOW) {
                    Ok(until) => busy_until = until,
                    Err(pause) => break pause,
                }
            };
            assert!(pause <= charge.takes(), "{charge:?} is refused for {pause:?}");
            assert!(charge.apply(busy_until, NOW.plus(pause)).is_ok());
            assert!(charge.apply(busy_until, NOW.plus(pause).minus(Duration::from_millis(1))).is_err());
        }
    }

    #[test]
    fn a_small_request_after_a_silence_is_not_charged_to_the_user_and_every_other_is() {
        let (quiet, soon) = (Some(NOW.minus(QUIET)), Some(NOW.minus(QUIET - Duration::from_millis(1))));
        let small = [Charge::publications(1), Charge::ping(ROOMS_PER_CONNECTION), Charge::join(), Charge::who()];
        for charge in small {
            assert!(!charge.concerns_user(quiet, NOW), "{charge:?}");
            assert!(charge.concerns_user(soon, NOW) && charge.concerns_user(None, NOW), "{charge:?}");
        }
        for charge in [Charge::publications(2), Charge::sync(ROOMS_PER_CONNECTION)] {
            assert!(charge.concerns_user(quiet, NOW), "{charge:?}");
        }
    }

    #[test]
    fn a_list_of_many_members_is_charged_for_what_it_reads_and_a_short_one_is_not() {
        assert_eq!(Charge::who_beyond(100, 2), None);
        let all = Charge::who_beyond(usize::try_from(WHO_MEMBERS).unwrap(), 2).unwrap();
        assert!((400..600).contains(&all.takes().as_millis()), "{all:?}");
        assert!(Charge::who_beyond(0, 1_024).unwrap().takes() > Duration::from_millis(900));
    }
}
