//! How many posts may be in flight, given how the account takes them.

use std::time::Duration;

use crate::delivery::Delivery;
use crate::timestamp::Timestamp;

/// Additive increase, multiplicative decrease over the posts of one invocation.
///
/// One 429 may be one slow member. Several in a row, from whomever, are the account: then everybody waits a little and
/// fewer posts fly. Sources: RFC 5681 for the shape; the account's bucket refills 10,000 a second.
#[derive(Debug)]
pub struct Pacer {
    most: usize,
    allowed: f64,
    throttled_in_a_row: u32,
    paused_until: Timestamp,
}

/// 429s without a success in between from which on the account is taken for throttled.
const ACCOUNT: u32 = 3;

impl Pacer {
    /// Starts with as many as are allowed at the most.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, allowed: most as f64, throttled_in_a_row: 0, paused_until: Timestamp::default() }
    }

    /// How many posts may be in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        (self.allowed as usize).clamp(1, self.most)
    }

    /// How long to wait before the next post, if at all.
    #[must_use]
    pub fn pause(&self, now: Timestamp) -> Option<Duration> {
        Some(self.paused_until.since(now)).filter(|pause| !pause.is_zero())
    }

    /// Learns from an answer. `jitter` in 0..1 spreads the pauses of many workers.
    pub fn learn(&mut self, delivery: Delivery, now: Timestamp, jitter: f64) {
        match delivery {
            Delivery::Throttled => self.throttled(now, jitter),
            Delivery::Delivered => {
                self.throttled_in_a_row = 0;
                self.allowed = (self.allowed + 1.0 / self.allowed.max(1.0)).min(self.most as f64);
            }
            _ => {}
        }
    }

    fn throttled(&mut self, now: Timestamp, jitter: f64) {
        self.throttled_in_a_row += 1;
        if self.throttled_in_a_row < ACCOUNT || self.paused_until > now {
            return;
        }
        self.allowed = (self.allowed / 2.0).max(1.0);
        let doubled = 25 << (self.throttled_in_a_row - ACCOUNT).min(3);
        self.paused_until = now.plus(Duration::from_millis(doubled).mul_f64(1.0 + jitter.clamp(0.0, 1.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_member_does_not_slow_the_others() {
        let mut pacer = Pacer::new(30);
        for ms in 0..100 {
            let delivery = if ms % 3 == 0 { Delivery::Throttled } else { Delivery::Delivered };
            pacer.learn(delivery, Timestamp::from_ms(ms), 0.0);
        }
        assert_eq!((pacer.in_flight(), pacer.pause(Timestamp::from_ms(100))), (30, None));
    }

    #[test]
    fn a_throttled_account_paces_everybody_and_recovers() {
        let mut pacer = Pacer::new(30);
        for _ in 0..3 {
            pacer.learn(Delivery::Throttled, Timestamp::from_ms(1), 0.0);
        }
        assert_eq!((pacer.in_flight(), pacer.pause(Timestamp::from_ms(1))), (15, Some(Duration::from_millis(25))));
        for _ in 0..1_000 {
            pacer.learn(Delivery::Delivered, Timestamp::from_ms(99), 0.0);
        }
        assert_eq!((pacer.in_flight(), pacer.pause(Timestamp::from_ms(99))), (30, None));
    }

    #[test]
    fn at_least_one_post_flies() {
        let mut pacer = Pacer::new(30);
        for ms in 0..1_000 {
            pacer.learn(Delivery::Throttled, Timestamp::from_ms(ms * 1_000), 1.0);
        }
        assert_eq!(pacer.in_flight(), 1);
    }
}
