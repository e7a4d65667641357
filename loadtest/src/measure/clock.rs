//! One clock for a whole run: microseconds since it began, by the monotonic clock.
//!
//! The machine's wall clock is watched beside it: a step says that something was wrong with this machine, a suspend for one.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

use crate::ledger::Micros;

/// The clock of a run.
#[derive(Debug)]
pub struct Clock {
    began: Instant,
    wall: SystemTime,
    /// What a test makes it wrong by.
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
    /// Microseconds since the run began.
    #[must_use]
    pub fn now(&self) -> Micros {
        micros(self.began.elapsed()) + self.step.load(Ordering::Relaxed)
    }

    /// The instant of a time, for timers. A time that has passed is now.
    #[must_use]
    pub fn instant(&self, at: Micros) -> tokio::time::Instant {
        let ahead = u64::try_from(at - self.now()).unwrap_or(0);
        tokio::time::Instant::now() + std::time::Duration::from_micros(ahead)
    }

    /// When the run began, in seconds since 1970.
    #[must_use]
    pub fn began_at_s(&self) -> u64 {
        self.wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// How far the wall clock is ahead of the monotonic one, since the run began.
    #[must_use]
    pub fn drift(&self) -> Micros {
        let wall = match SystemTime::now().duration_since(self.wall) {
            Ok(ahead) => micros(ahead),
            Err(behind) => -micros(behind.duration()),
        };
        wall + self.wall_step.load(Ordering::Relaxed) - micros(self.began.elapsed())
    }

    /// Makes the clock wrong, as a fault does: the load test must notice.
    pub fn step(&self, by: Micros) {
        self.step.fetch_add(by, Ordering::Relaxed);
    }

    /// Makes the wall clock wrong.
    pub fn step_wall(&self, by: Micros) {
        self.wall_step.fetch_add(by, Ordering::Relaxed);
    }
}

fn micros(duration: std::time::Duration) -> Micros {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
