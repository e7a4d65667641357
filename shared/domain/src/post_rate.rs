//! The rate of posts of one process.

use std::time::Duration;

/// A rate of posts a second of one process, and a burst after a pause.
///
/// Unlike [`Rate`](crate::Rate) it is never stored, so one post may take a fraction of a
/// millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostRate {
    per_second: u32,
    burst: u32,
}

impl PostRate {
    /// `per_second` posts a second, and `burst` at once.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        assert!(per_second > 0 && burst > 0);
        Self { per_second, burst }
    }

    /// The posts a second.
    #[must_use]
    pub const fn count_per_second(self) -> u64 {
        self.per_second as u64
    }

    /// The posts that may begin at once after a pause.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// Returns the time that this many posts use up.
    pub(crate) fn takes(self, count: u32) -> Duration {
        Duration::from_secs(count.into()) / self.per_second
    }
}
