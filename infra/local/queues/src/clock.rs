//! Time as queues see it: a monotonic clock that tests may pause, and what a calendar would have said.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// One instant, on both scales.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// What timers are compared with.
    pub(crate) instant: Instant,
    /// Milliseconds since 1970, what clients are told.
    pub(crate) epoch_ms: u64,
}

/// A calendar carried forward by the monotonic clock, so that neither jumps without the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Moment,
}

impl Clock {
    /// Reads the calendar once.
    pub(crate) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        Self { started: Moment { instant: Instant::now(), epoch_ms } }
    }

    pub(crate) fn now(&self) -> Moment {
        let instant = Instant::now();
        let elapsed = instant.saturating_duration_since(self.started.instant).as_millis();
        let elapsed_ms = u64::try_from(elapsed).unwrap_or(u64::MAX);
        Moment { instant, epoch_ms: self.started.epoch_ms.saturating_add(elapsed_ms) }
    }
}
