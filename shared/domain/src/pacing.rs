//! The number of posts in flight, adapted to the account's responses.

use std::str::FromStr;
use std::time::Duration;

use crate::delivery::Delivery;
use crate::limits;
use crate::post_rate::PostRate;
use crate::timestamp::Timestamp;

/// The text is no rate of posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a whole number of at least {}", limits::POSTS_PER_SECOND_AT_LEAST)]
pub struct NotAPostRate;

impl FromStr for PostRate {
    type Err = NotAPostRate;

    /// Reads the posts a second. The burst is in the proportion of [`limits::POST_RATE`].
    fn from_str(text: &str) -> Result<Self, NotAPostRate> {
        let per_second: u32 = text.parse().map_err(|_| NotAPostRate)?;
        if per_second < limits::POSTS_PER_SECOND_AT_LEAST {
            return Err(NotAPostRate);
        }
        let usual = limits::POST_RATE;
        let burst = u64::from(per_second) * u64::from(usual.burst()) / usual.count_per_second();
        Ok(Self::new(per_second, u32::try_from(burst).unwrap_or(u32::MAX)))
    }
}

/// Limits the posts of one process: slow start, then additive increase and multiplicative decrease,
/// under a fixed rate.
///
/// The rate is the process's share of the account's posts, so the pacer need not guess the latency
/// of posts. One 429 may come from one slow member. Several 429s in a row, from any members, mean
/// that the account is throttled: then all posts wait a little and fewer are in flight. Sources:
/// RFC 5681 for the shape; the account's bucket refills 10,000 a second.
#[derive(Debug)]
pub struct Pacer {
    most: usize,
    rate: PostRate,
    /// Since the epoch.
    busy_until: Duration,
    allowed: f64,
    /// Below this number, each success adds one. From it on, one round of successes adds one.
    threshold: f64,
    throttled_in_a_row: u32,
    paused_until: Timestamp,
}

/// The number of 429s without a success in between from which on the account counts as throttled.
const ACCOUNT: u32 = 3;
/// The shortest pause for a throttled account, before jitter.
const SHORTEST_PAUSE: Duration = Duration::from_millis(25);
/// The number of times that the pause doubles.
const DOUBLINGS: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_millis(25 << DOUBLINGS);

impl Pacer {
    /// Starts with [`limits::POSTS_IN_FLIGHT_AT_FIRST`] and a full burst of the rate.
    #[must_use]
    pub fn new(most: usize, rate: PostRate) -> Self {
        let (busy_until, paused_until) = (Duration::ZERO, Timestamp::default());
        let allowed = most.min(limits::POSTS_IN_FLIGHT_AT_FIRST) as f64;
        Self { most, rate, busy_until, allowed, threshold: most as f64, throttled_in_a_row: 0, paused_until }
    }

    /// The number of posts that may be in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        (self.allowed as usize).clamp(1, self.most)
    }

    /// Takes the turn of the next post. Returns the time that the post must wait, if any.
    pub fn turn(&mut self, now: Timestamp) -> Option<Duration> {
        let wait = self.wait(now);
        self.busy_until = self.busy_until(now).max(since_epoch(now)) + self.rate.takes(1);
        Some(wait).filter(|wait| !wait.is_zero())
    }

    /// The time that the next post must wait, in whole milliseconds. Does not take its turn.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Duration {
        let latest = since_epoch(now) + self.rate.takes(self.rate.burst() - 1);
        let for_rate = self.busy_until(now).saturating_sub(latest);
        let whole = Duration::from_millis(for_rate.as_nanos().div_ceil(1_000_000) as u64);
        whole.max(self.pause(now))
    }

    /// The time until which the rate is used up. It is bounded, so that a clock that was set back
    /// does not stop all posts.
    fn busy_until(&self, now: Timestamp) -> Duration {
        self.busy_until.min(since_epoch(now) + self.rate.takes(self.rate.burst().saturating_add(self.most as u32)))
    }

    fn pause(&self, now: Timestamp) -> Duration {
        self.paused_until.since(now).min(2 * LONGEST_PAUSE)
    }

    /// Adapts to a response. `jitter` in 0..1 spreads the pauses of many workers.
    pub fn learn(&mut self, delivery: Delivery, now: Timestamp, jitter: f64) {
        match delivery {
            Delivery::Throttled => self.throttled(now, jitter),
            Delivery::Delivered => {
                self.throttled_in_a_row = 0;
                let more = if self.allowed < self.threshold { 1.0 } else { 1.0 / self.allowed.max(1.0) };
                self.allowed = (self.allowed + more).min(self.most as f64);
            }
            _ => {}
        }
    }

    fn throttled(&mut self, now: Timestamp, jitter: f64) {
        self.throttled_in_a_row = self.throttled_in_a_row.saturating_add(1);
        if self.throttled_in_a_row < ACCOUNT || !self.pause(now).is_zero() {
            return;
        }
        self.allowed = (self.allowed / 2.0).max(1.0);
        self.threshold = self.allowed;
        let doubled = SHORTEST_PAUSE * (1 << (self.throttled_in_a_row - ACCOUNT).min(DOUBLINGS));
        self.paused_until = now.plus(doubled.mul_f64(1.0 + jitter.clamp(0.0, 1.0)));
    }
}

fn since_epoch(at: Timestamp) -> Duration {
    Duration::from_millis(at.as_ms())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: PostRate = PostRate::new(1_000, 800);
    const MOST: u32 = 60;

    fn pacer() -> Pacer {
        Pacer::new(MOST as usize, RATE)
    }

    #[test]
    fn one_slow_member_does_not_slow_the_others() {
        let mut pacer = pacer();
        for ms in 0..100 {
            let delivery = if ms % 3 == 0 { Delivery::Throttled } else { Delivery::Delivered };
            pacer.learn(delivery, Timestamp::from_ms(ms), 0.0);
        }
        assert_eq!((pacer.in_flight(), pacer.turn(Timestamp::from_ms(100))), (60, None));
    }

    #[test]
    fn a_throttled_account_paces_everybody_and_recovers() {
        let mut pacer = pacer();
        for _ in 0..3 {
            pacer.learn(Delivery::Throttled, Timestamp::from_ms(1), 0.0);
        }
        assert_eq!((pacer.in_flight(), pacer.turn(Timestamp::from_ms(1))), (30, Some(Duration::from_millis(25))));
        for _ in 0..3_000 {
            pacer.learn(Delivery::Delivered, Timestamp::from_ms(99), 0.0);
        }
        assert_eq!((pacer.in_flight(), pacer.turn(Timestamp::from_ms(99))), (60, None));
    }

    #[test]
    fn at_least_one_post_flies() {
        let mut pacer = pacer();
        for ms in 0..1_000 {
            pacer.learn(Delivery::Throttled, Timestamp::from_ms(ms * 1_000), 1.0);
        }
        assert_eq!(pacer.in_flight(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nobody() {
        let mut pacer = pacer();
        let (now, before) = (Timestamp::from_ms(9_000_000), Timestamp::from_ms(1_000));
        (0..3).for_each(|_| pacer.learn(Delivery::Throttled, now, 1.0));
        for _ in 0..2_000 {
            let _ = pacer.turn(now);
        }
        let pause = pacer.turn(before).unwrap_or_default();
        assert!(pause <= 2 * LONGEST_PAUSE, "{pause:?}");
    }

    #[test]
    fn a_rate_that_is_no_divisor_of_a_second_is_kept_to_the_post() {
        for per_second in [100, 999, 1_250, 8_750] {
            let rate = PostRate::new(per_second, 10);
            let mut pacer = Pacer::new(MOST as usize, rate);
            let mut now = 1_000;
            for _ in 0..10 + 3 * per_second {
                now += pacer.turn(Timestamp::from_ms(now)).unwrap_or_default().as_millis() as u64;
            }
            assert!((3_999..=4_001).contains(&now), "{per_second} a second for 3 s took until {now}");
        }
    }

    #[test]
    fn a_burst_is_in_proportion_to_the_rate_and_a_rate_that_is_too_slow_is_refused() {
        let usual = limits::POST_RATE;
        assert_eq!("1000".parse(), Ok(usual));
        assert_eq!("500".parse().map(PostRate::burst), Ok(usual.burst() / 2));
        for text in ["", "-1", "1e3", "99", "4294967296"] {
            assert_eq!(text.parse::<PostRate>(), Err(NotAPostRate), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_posts_take_no_second_has_more_of_them_than_the_rate_and_a_burst(latency_ms in 0_u64..100) {
            let (mut pacer, mut posted) = (pacer(), Vec::new());
            // Each place in flight is free again when its post has a response.
            let mut free = vec![1_u64; MOST as usize];
            for _ in 0..4_000 {
                let next = free.iter_mut().min().unwrap();
                let at = *next + pacer.turn(Timestamp::from_ms(*next)).unwrap_or_default().as_millis() as u64;
                posted.push(at);
                *next = at + latency_ms;
            }
            posted.sort_unstable();
            for (n, from) in posted.iter().enumerate() {
                let within = posted[n..].iter().take_while(|at| **at < from + 1_000).count();
                prop_assert!(within <= 1_000 + 800 + 1, "{within} in a second");
            }
        }
    }
}
