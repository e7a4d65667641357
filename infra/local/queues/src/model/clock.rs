//! The time of queues: a monotonic clock that tests may pause, and the wall-clock time that follows
//! it.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// One point in time on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Monotonic time, for timers.
    pub(crate) instant: Instant,
    /// Wall-clock time in milliseconds since 1970, for clients.
    pub(crate) epoch_ms: u64,
}

/// A wall clock that is advanced by the monotonic clock, so that both always agree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Moment,
}

impl Clock {
    /// Starts the clock. This is its only read of the system's wall clock.
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
