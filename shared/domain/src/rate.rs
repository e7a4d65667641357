//! Rates: a number of events a second, and a burst above it, stored as one point in time.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A) in its "virtual scheduling" form. The
//! stored time is the one until which the accepted events use up the rate. An event is accepted
//! while that time lies less than a burst ahead. A refusal returns the exact pause after which the
//! same event would be accepted, and changes nothing.

use std::time::Duration;

use crate::timestamp::Timestamp;

/// A number of events a second, and a number at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    every_ms: u64,
    burst: u32,
}

impl Rate {
    /// A rate of `count` a second and a burst of `burst` at once. `count` must divide 1,000, so
    /// that times in milliseconds are exact.
    #[must_use]
    pub const fn per_second(count: u32, burst: u32) -> Self {
        assert!(count > 0 && 1_000 % count == 0 && burst > 0);
        Self { every_ms: 1_000 / count as u64, burst }
    }

    /// The number of events a second.
    #[must_use]
    pub const fn count_per_second(self) -> u64 {
        1_000 / self.every_ms
    }

    /// The number of events that are accepted at once after a pause.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// The duration for which `count` events use up the rate.
    #[must_use]
    pub const fn takes(self, count: u32) -> Duration {
        Duration::from_millis(self.every_ms * count as u64)
    }

    /// The latest value of `busy_until` at which `count` more events are accepted at `now`.
    #[must_use]
    pub const fn latest(self, count: u32, now: Timestamp) -> Timestamp {
        now.plus(self.takes(self.burst)).minus(self.takes(count))
    }

    /// Accepts `count` events at once, or refuses all. Returns the new time until which the rate is
    /// used up.
    ///
    /// # Errors
    /// The pause after which they would be accepted, if no others are meanwhile; at least 1 ms.
    pub fn charge(self, busy_until: Timestamp, count: u32, now: Timestamp) -> Result<Timestamp, Duration> {
        let latest = self.latest(count, now);
        if busy_until > latest {
            Err(busy_until.since(latest))
        } else {
            Ok(busy_until.max(now).plus(self.takes(count)))
        }
    }

    /// Records `count` events that were accepted regardless of the rate. Whatever the count, other
    /// events wait for them no longer than two bursts take.
    #[must_use]
    pub fn note(self, busy_until: Timestamp, count: u32, now: Timestamp) -> Timestamp {
        let most = now.plus(2 * self.takes(self.burst));
        busy_until.max(now).plus(self.takes(count)).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate::per_second(20, 40);
    const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_is_let_in_at_once_and_what_is_beyond_it_is_told_exactly_when() {
        let mut busy_until = Timestamp::default();
        for _ in 0..40 {
            busy_until = RATE.charge(busy_until, 1, NOW).unwrap();
        }
        assert_eq!(RATE.charge(busy_until, 1, NOW), Err(ms(50)));
        assert_eq!(RATE.charge(busy_until, 10, NOW), Err(ms(500)));
        assert!(
            RATE.charge(busy_until, 1, NOW.plus(ms(49))).is_err()
                && RATE.charge(busy_until, 1, NOW.plus(ms(50))).is_ok()
        );
    }

    #[test]
    fn what_is_let_in_whatever_the_rate_says_keeps_others_out_for_two_bursts_at_the_most() {
        let busy_until = RATE.note(Timestamp::default(), 1_000_000, NOW);
        assert_eq!(RATE.charge(busy_until, 1, NOW), Err(ms(2_050)));
        assert_eq!(RATE.note(Timestamp::default(), 3, NOW), NOW.plus(ms(150)));
    }

    proptest! {
        #[test]
        fn no_second_lets_in_more_than_the_rate_and_a_burst(asks in prop::collection::vec((0_u64..200, 1_u32..=10), 0..300)) {
            let (mut now, mut busy_until, mut let_in) = (NOW, Timestamp::default(), Vec::new());
            for (pause, count) in asks {
                now = now.plus(ms(pause));
                if let Ok(next) = RATE.charge(busy_until, count, now) {
                    prop_assert!(next > busy_until);
                    busy_until = next;
                    let_in.push((now, count));
                }
            }
            for (from, _) in &let_in {
                let within = let_in.iter().filter(|(at, _)| (*from..from.plus(ms(1_000))).contains(at));
                prop_assert!(within.map(|(_, count)| count).sum::<u32>() <= 20 + 40);
            }
        }

        #[test]
        fn a_refusal_says_the_first_moment_at_which_the_same_is_let_in(busy in 0_u64..5_000, count in 1_u32..=10) {
            let busy_until = NOW.plus(ms(busy));
            if let Err(after) = RATE.charge(busy_until, count, NOW) {
                prop_assert!(after >= ms(1));
                prop_assert!(RATE.charge(busy_until, count, NOW.plus(after)).is_ok());
                prop_assert!(RATE.charge(busy_until, count, NOW.plus(after - ms(1))).is_err());
            }
        }

        #[test]
        fn whoever_keeps_the_rate_is_never_refused(jitter in prop::collection::vec(0_u64..30, 1..200)) {
            let (mut now, mut busy_until) = (NOW, Timestamp::default());
            for more in jitter {
                busy_until = RATE.charge(busy_until, 1, now).unwrap();
                now = now.plus(ms(50 + more));
            }
        }

        #[test]
        fn the_latest_moment_is_where_charging_begins_to_fail(count in 1_u32..=40, beyond in 1_u64..1_000) {
            let latest = RATE.latest(count, NOW);
            prop_assert!(RATE.charge(latest, count, NOW).is_ok());
            prop_assert_eq!(RATE.charge(latest.plus(ms(beyond)), count, NOW), Err(ms(beyond)));
        }
    }
}
