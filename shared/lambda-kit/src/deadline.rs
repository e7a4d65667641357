//! How long an invocation has left.

use std::time::Duration;

use domain::Timestamp;

/// When Lambda kills the invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Timestamp);

impl Deadline {
    /// At this moment.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self(moment)
    }

    /// What is left of it, keeping `reserve` for the end of the work.
    #[must_use]
    pub fn left(self, now: Timestamp, reserve: Duration) -> Duration {
        self.0.minus(reserve).since(now)
    }
}
