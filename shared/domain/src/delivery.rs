//! One frame, one connection: what became of it and what is next.

use std::time::Duration;

use crate::connection::Member;
use crate::limits;
use crate::timestamp::Timestamp;

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Delivery {
    /// The gateway took it (the peer may still have vanished).
    Delivered,
    /// 410: the connection is no more.
    Gone,
    /// 410 while `$connect` had not finished.
    NotReady,
    /// 429: the account's rate, or this connection's buffer is full; the answer does not say which.
    Throttled,
    /// 413: no retry would help.
    TooLarge,
    /// No answer, or one that means nothing: it may have been delivered.
    Failed,
}

impl Delivery {
    /// The outcome as it stands in logs and metrics.
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

    /// Tells a connection that is gone from one that is not there yet.
    #[must_use]
    pub fn seen_from(self, member: &Member, now: Timestamp) -> Self {
        if self == Self::Gone && member.is_new(now) { Self::NotReady } else { self }
    }
}

/// What a look at a connection says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// The gateway knows it; when data last passed either way.
    Alive {
        /// As the gateway says.
        last_active_at: Timestamp,
    },
    /// 410.
    Gone,
    /// 429: the account's rate.
    Throttled,
}

/// What is next for a member on the main line of its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It has it.
    Done,
    /// Forget the connection everywhere.
    Forget,
    /// Try again after a pause.
    Retry {
        /// The pause.
        after: Duration,
    },
    /// Leave the main line: the others do not wait.
    Late,
    /// No try will help: the client sees the gap and syncs.
    GiveUp,
}

impl Next {
    /// Decides after the `tries`-th try, `spent` after the first began, with `time` for all of them. `jitter` in 0..1 spreads
    /// the pauses.
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
        // The next try may take as long as those before it. A post that hangs is not tried again.
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
