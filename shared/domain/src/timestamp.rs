//! Points in time, in milliseconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, as milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Takes milliseconds since 1970.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// The number of milliseconds since 1970.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970, the unit of a DynamoDB TTL.
    #[must_use]
    pub const fn as_s(self) -> u64 {
        self.0 / 1_000
    }

    /// The time that is `duration` later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_millis() as u64))
    }

    /// The time that is `duration` earlier; at the earliest, the start of 1970.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_millis() as u64))
    }

    /// The duration from `earlier` to this time; zero if `earlier` is later (clocks differ and run
    /// backwards).
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
