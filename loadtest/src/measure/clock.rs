//! One clock for a whole run: microseconds since its start, by the monotonic clock.
//!
//! The machine's wall clock is compared with it: a step shows a problem of this machine, such as a
//! suspend.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

use crate::ledger::Micros;

/// The clock of a run.
#[derive(Debug)]
pub struct Clock {
    began: Instant,
    wall: SystemTime,
    /// An error that a test adds to the clock.
    step: AtomicI64,
    wall_step: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        let (step, wall_step) = (AtomicI64::new(0), AtomicI64::new(0));
        Self { began: Instant::now(), wall: SystemTime::now(), step, wall_step }
    }
}

impl Clock {
    /// The time since the run began.
    #[must_use]
    pub fn now(&self) -> Micros {
        micros(self.began.elapsed()) + self.step.load(Ordering::Relaxed)
    }

    /// Converts a time for timers. A time in the past becomes the present.
    #[must_use]
    pub fn instant(&self, at: Micros) -> tokio::time::Instant {
        let ahead = u64::try_from(at - self.now()).unwrap_or(0);
        tokio::time::Instant::now() + std::time::Duration::from_micros(ahead)
    }

    /// The start of the run, in seconds since 1970.
    #[must_use]
    pub fn began_at_s(&self) -> u64 {
        self.wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// The lead of the wall clock over the monotonic one since the run began.
    #[must_use]
    pub fn drift(&self) -> Micros {
        let wall = match SystemTime::now().duration_since(self.wall) {
            Ok(ahead) => micros(ahead),
            Err(behind) => -micros(behind.duration()),
        };
        wall + self.wall_step.load(Ordering::Relaxed) - micros(self.began.elapsed())
    }

    /// Makes the clock wrong, to test that the load test detects it.
    pub fn step(&self, by: Micros) {
        self.step.fetch_add(by, Ordering::Relaxed);
    }

    /// Makes the wall clock wrong, to test that the load test detects it.
    pub fn step_wall(&self, by: Micros) {
        self.wall_step.fetch_add(by, Ordering::Relaxed);
    }
}

fn micros(duration: std::time::Duration) -> Micros {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
