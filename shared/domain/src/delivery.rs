//! One frame to one connection: the outcome of the post, and the next step for the member.

use std::time::Duration;

use crate::connection::Member;
use crate::limits;
use crate::timestamp::Timestamp;

/// The outcome of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Delivery {
    /// The gateway accepted the frame. The client may still have vanished.
    Delivered,
    /// 410: the connection no longer exists.
    Gone,
    /// 410 while `$connect` had not finished.
    NotReady,
    /// 429: either the account's rate is used up or this connection's buffer is full. The response
    /// does not distinguish the two.
    Throttled,
    /// 413: the frame is too large, so a retry cannot succeed.
    TooLarge,
    /// No response, or an unexpected one. The frame may have been delivered.
    Failed,
}

impl Delivery {
    /// The outcome's name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Gone => "gone",
            Self::NotReady => "not_ready",
            Self::Throttled => "throttled",
            Self::TooLarge => "too_large",
            Self::Failed => "failed",
        }
    }

    /// Separates a connection that is gone from one that is not ready: turns `Gone` into `NotReady`
    /// for a new member.
    #[must_use]
    pub fn seen_from(self, member: &Member, now: Timestamp) -> Self {
        if self == Self::Gone && member.is_new(now) { Self::NotReady } else { self }
    }
}

/// The result of a probe (`GetConnection`) of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// The gateway knows the connection.
    Alive {
        /// The time of the last message in either direction, by the gateway's clock.
        last_active_at: Timestamp,
    },
    /// 410: the connection no longer exists.
    Gone,
    /// 429: the account's rate is used up.
    Throttled,
}

/// The next step for a member on the main line of its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The member has the frame.
    Done,
    /// Remove the connection and all its memberships.
    Forget,
    /// Post again after a pause.
    Retry {
        /// The pause before the next post.
        after: Duration,
    },
    /// Move the member to the late line, so that other members do not wait for it.
    Late,
    /// Stop: no retry can succeed. The client detects the gap and syncs.
    GiveUp,
}

impl Next {
    /// Decides the step after try number `tries` of at most `time` in total, `spent` after the
    /// first try began. `jitter` in 0..1 spreads the pauses.
    #[must_use]
    pub fn after(delivery: Delivery, tries: u32, spent: Duration, time: Duration, jitter: f64) -> Self {
        match delivery {
            Delivery::Delivered => Self::Done,
            Delivery::Gone => Self::Forget,
            Delivery::TooLarge => Self::GiveUp,
            Delivery::NotReady => Self::Late,
            Delivery::Throttled | Delivery::Failed => Self::retry(tries, spent, time, jitter),
        }
    }

    fn retry(tries: u32, spent: Duration, time: Duration, jitter: f64) -> Self {
        let after = Duration::from_millis(50).mul_f64(1.0 + jitter.clamp(0.0, 1.0));
        // The next try may take as long as the tries before it. So a post that hung is not
        // repeated.
        if tries < limits::TRIES_ON_THE_MAIN_LINE && 2 * spent + after < time {
            Self::Retry { after }
        } else {
            Self::Late
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_member_gets_two_tries_and_500_ms() {
        let retries = |tries, ms| {
            matches!(
                Next::after(Delivery::Failed, tries, Duration::from_millis(ms), limits::TIME_ON_THE_MAIN_LINE, 0.5),
                Next::Retry { .. }
            )
        };
        assert!(retries(1, 0) && retries(1, 200));
        assert!(!retries(2, 0) && !retries(1, 225));
    }

    proptest! {
        #[test]
        fn only_a_410_forgets_a_connection(tries in 0_u32..9, ms in 0_u64..9_999, jitter in 0.0..1.0) {
            for delivery in [Delivery::Delivered, Delivery::NotReady, Delivery::Throttled, Delivery::TooLarge, Delivery::Failed] {
                prop_assert_ne!(Next::after(delivery, tries, Duration::from_millis(ms), limits::TIME_ON_THE_MAIN_LINE, jitter), Next::Forget);
            }
            prop_assert_eq!(Next::after(Delivery::Gone, tries, Duration::from_millis(ms), limits::TIME_ON_THE_MAIN_LINE, jitter), Next::Forget);
        }
    }
}
