//! The token bucket of the account, of new connections, and of routes.
//!
//! The state is the "theoretical arrival time" of the generic cell rate algorithm (ITU-T I.371). It
//! needs one number and no lock, and decides like a bucket that is refilled continuously.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::limits::Rate;

/// One bucket, shared by all its users.
#[derive(Debug)]
pub(crate) struct Throttle {
    start: Instant,
    interval_ns: u64,
    tolerance_ns: u64,
    /// Time at which the bucket is full again, in nanoseconds since `start`.
    full_at_ns: AtomicU64,
}

impl Throttle {
    /// Creates a full bucket.
    pub(crate) fn new(rate: Rate) -> Self {
        let interval_ns = 1_000_000_000 / u64::from(rate.per_second.max(1));
        Self {
            start: Instant::now(),
            interval_ns,
            tolerance_ns: interval_ns * u64::from(rate.burst.max(1)),
            full_at_ns: AtomicU64::new(0),
        }
    }

    /// Takes one token. Returns `false` if there is none.
    pub(crate) fn take(&self) -> bool {
        let now_ns = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.take_at(now_ns)
    }

    fn take_at(&self, now_ns: u64) -> bool {
        let drawn = |full_at_ns: u64| {
            let next_ns = full_at_ns.max(now_ns).saturating_add(self.interval_ns);
            (next_ns - now_ns <= self.tolerance_ns).then_some(next_ns)
        };
        self.full_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, drawn).is_ok()
    }
}

/// Takes a token from an optional bucket. Without a bucket there is no limit.
pub(crate) fn admits(throttle: Option<&Throttle>) -> bool {
    throttle.is_none_or(Throttle::take)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn throttle(per_second: u32, burst: u32) -> Throttle {
        // tokio's `Instant::now` works without a runtime, and the tests call only `take_at`.
        Throttle::new(Rate { per_second, burst })
    }

    #[test]
    fn a_full_bucket_gives_exactly_its_burst_at_once() {
        let bucket = throttle(10_000, 5_000);
        assert_eq!((0..20_000).filter(|_| bucket.take_at(0)).count(), 5_000);
    }

    #[test]
    fn ten_thousand_posts_take_half_a_second_as_the_quota_says() {
        let bucket = throttle(10_000, 5_000);
        let mut now_ns = 0;
        for _ in 0..10_000 {
            while !bucket.take_at(now_ns) {
                now_ns += 100_000;
            }
        }
        assert_eq!(now_ns, 500_000_000);
    }

    proptest! {
        #[test]
        fn it_admits_what_a_continuously_refilled_bucket_admits(
            burst in 1u32..50,
            gaps_us in prop::collection::vec(0u64..3_000, 1..300),
        ) {
            let bucket = throttle(1_000, burst);
            let (mut tokens_us, mut now_us) = (u64::from(burst) * 1_000, 0u64);
            for gap_us in gaps_us {
                now_us += gap_us;
                tokens_us = (tokens_us + gap_us).min(u64::from(burst) * 1_000);
                let expected = tokens_us >= 1_000;
                if expected {
                    tokens_us -= 1_000;
                }
                prop_assert_eq!(bucket.take_at(now_us * 1_000), expected);
            }
        }
    }
}
