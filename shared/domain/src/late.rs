//! Members that left the main line of their shard.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delivery::{Delivery, Probe};
use crate::limits;
use crate::name::ConnectionId;

/// A member that did not receive a range in time on the main line of its shard (see the glossary).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateMember {
    /// The member's connection.
    #[serde(rename = "id")]
    pub connection: ConnectionId,
    /// The number of tries that found the member's buffer full.
    #[serde(default)]
    pub strikes: u8,
    /// The number of tries that failed in another way.
    #[serde(default)]
    pub tries: u8,
}

/// The next step for a late member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strike {
    /// Finished: the member has the range, or no retry can succeed.
    Done,
    /// Remove the connection and all its memberships.
    Forget,
    /// Post again in another late job.
    Again(LateMember),
    /// Close the connection. The client reconnects and syncs.
    Close,
}

impl LateMember {
    /// A member that has just left the main line. No try counts against it yet.
    #[must_use]
    pub fn new(connection: ConnectionId) -> Self {
        Self { connection, strikes: 0, tries: 0 }
    }

    /// Decides after a late try. `probe` is the result of the probe after a 429, or after a post
    /// without a response. If the gateway answers the probe, the cause is the member: its buffer is
    /// full (three strikes close the connection) or it does not respond (five tries do). If the
    /// gateway does not answer, the account is throttled or the gateway is slow, and the try counts
    /// against no member.
    #[must_use]
    pub fn after(mut self, delivery: Delivery, probe: Option<Probe>) -> Strike {
        match (delivery, probe) {
            (Delivery::Delivered | Delivery::TooLarge, _) => return Strike::Done,
            (Delivery::Gone, _) | (_, Some(Probe::Gone)) => return Strike::Forget,
            (Delivery::Throttled, Some(Probe::Alive { .. })) => self.strikes += 1,
            (Delivery::NotReady, _) | (Delivery::Failed, Some(Probe::Alive { .. })) => self.tries += 1,
            (Delivery::Throttled | Delivery::Failed, _) => {}
        }
        if self.strikes >= limits::STRIKES || self.tries >= limits::LATE_TRIES {
            Strike::Close
        } else {
            Strike::Again(self)
        }
    }
}

/// The pause before late job number `attempt`: 1, 2, 4, then 8 s. `jitter` in 0..1 shortens it by
/// up to half.
#[must_use]
pub fn late_pause(attempt: u32, jitter: f64) -> Duration {
    let full = Duration::from_secs(1 << attempt.saturating_sub(1).min(3));
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> LateMember {
        LateMember::new(ConnectionId::parse("c").unwrap())
    }

    fn times(count: u32, delivery: Delivery, probe: Option<Probe>) -> Strike {
        let mut member = member();
        for _ in 1..count {
            match member.after(delivery, probe) {
                Strike::Again(again) => member = again,
                other => return other,
            }
        }
        member.after(delivery, probe)
    }

    #[test]
    fn three_full_buffers_close_a_connection() {
        let alive = Some(Probe::Alive { last_active_at: crate::Timestamp::default() });
        assert!(matches!(times(2, Delivery::Throttled, alive), Strike::Again(_)));
        assert_eq!(times(3, Delivery::Throttled, alive), Strike::Close);
    }

    #[test]
    fn a_throttled_account_counts_against_nobody() {
        assert_eq!(times(50, Delivery::Throttled, Some(Probe::Throttled)), Strike::Again(member()));
        assert_eq!(times(50, Delivery::Throttled, None), Strike::Again(member()));
    }

    #[test]
    fn a_gateway_that_does_not_answer_counts_against_no_member() {
        assert_eq!(times(50, Delivery::Failed, None), Strike::Again(member()));
        assert_eq!(times(50, Delivery::Failed, Some(Probe::Throttled)), Strike::Again(member()));
    }

    #[test]
    fn five_failed_late_tries_close_a_connection() {
        let alive = Some(Probe::Alive { last_active_at: crate::Timestamp::default() });
        assert!(matches!(times(4, Delivery::Failed, alive), Strike::Again(_)));
        assert_eq!(times(5, Delivery::Failed, alive), Strike::Close);
        assert_eq!(times(5, Delivery::NotReady, None), Strike::Close);
    }

    #[test]
    fn late_jobs_wait_longer_and_longer_up_to_8_s() {
        assert_eq!(late_pause(1, 0.0), Duration::from_secs(1));
        assert_eq!(late_pause(3, 1.0), Duration::from_secs(2));
        assert_eq!(late_pause(u32::MAX, 0.0), Duration::from_secs(8));
    }
}
