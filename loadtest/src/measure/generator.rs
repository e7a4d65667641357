//! Monitors the load test itself. A load test that cannot keep up measures its own delays, so its
//! run is invalid.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::times::Times;
use crate::ledger::Micros;

/// Interval of the checks of the event loop.
const TICK: Duration = Duration::from_millis(10);
/// A p99 lag above this means that the load test is saturated.
pub const LAG_P99_MS: f64 = 20.0;
/// A larger jump of the wall clock against the monotonic one is a clock step.
pub const CLOCK_STEP_MS: f64 = 100.0;

/// Monitors the load test itself.
#[derive(Debug)]
pub struct Generator {
    lag: Mutex<Times>,
    step: Mutex<Micros>,
    /// Processor time that this process had used before the run.
    cpu_before: Option<Micros>,
}

/// The health of the load test.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Delays of a task that should wake every 10 ms.
    pub lag: Times,
    /// The largest step of the wall clock against the monotonic one, in milliseconds.
    pub clock_step_ms: f64,
    /// Processor time used, in seconds; `None` if the system does not report it.
    pub cpu_s: Option<f64>,
    /// The same as a share of one processor.
    pub cpu_share: Option<f64>,
    /// The peak memory, in bytes.
    pub memory_bytes: Option<u64>,
}

impl Default for Generator {
    fn default() -> Self {
        Self { lag: Mutex::default(), step: Mutex::default(), cpu_before: cpu() }
    }
}

impl Generator {
    /// Checks the event loop until the future is dropped.
    pub async fn watch(&self, clock: &Clock) {
        let mut drift = clock.drift();
        loop {
            let due = clock.now() + i64::try_from(TICK.as_micros()).unwrap_or(0);
            tokio::time::sleep(TICK).await;
            // Timers have a resolution of a millisecond, and never fire early.
            lock(&self.lag).record((clock.now() - due).max(1));
            let now = clock.drift();
            let mut step = lock(&self.step);
            *step = (*step).max((now - drift).abs());
            drift = now;
        }
    }

    /// The health over a run of this length.
    #[must_use]
    pub fn health(&self, over: Micros) -> Health {
        let cpu_us = cpu().zip(self.cpu_before).map(|(now, before)| now - before);
        Health {
            lag: lock(&self.lag).clone(),
            clock_step_ms: *lock(&self.step) as f64 / 1_000.0,
            cpu_s: cpu_us.map(|cpu| cpu as f64 / 1e6),
            cpu_share: cpu_us.map(|cpu| cpu as f64 / over.max(1) as f64),
            memory_bytes: most_memory(),
        }
    }
}

impl Health {
    /// Adds the health of another generator: the worse value of the two counts.
    pub fn add(&mut self, other: &Self) {
        let more = |ours: Option<f64>, theirs: Option<f64>| ours.into_iter().chain(theirs).reduce(f64::max);
        self.lag.add(&other.lag);
        self.clock_step_ms = self.clock_step_ms.max(other.clock_step_ms);
        self.cpu_s = Some(self.cpu_s.unwrap_or(0.0) + other.cpu_s.unwrap_or(0.0));
        self.cpu_share = more(self.cpu_share, other.cpu_share);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
    }
}

/// Processor time that this process has used.
fn cpu() -> Option<Micros> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    Some(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

/// The peak resident memory of this process. `getrusage` would include the program that this
/// process was before `exec`.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
