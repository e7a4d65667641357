//! Counters of one mapping since its start.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A snapshot of the counters of one mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// ARN of the source, or name of the schedule.
    pub source: String,
    /// Name of the function that the mapping invokes.
    pub function: String,
    /// Records that were read.
    pub records: u64,
    /// Records that matched no filter and were dropped.
    pub filtered: u64,
    /// Invocations that reached the function.
    pub batches: u64,
    /// Invocations that failed, or whose answer named failures.
    pub failures: u64,
    /// Invocations that were throttled.
    pub throttles: u64,
    /// Records that the mapping gave up: records of a stream that were sent to its on-failure queue
    /// or dropped without one, and schedules whose retries ran out. Messages of a queue are not
    /// counted, because the queue moves them itself.
    pub discarded: u64,
    /// Calls to the endpoint that failed.
    pub errors: u64,
    /// Invocations that are running now.
    pub running: u32,
    /// Age of the last record that was delivered to a stream's function, in ms (AWS:
    /// `IteratorAge`).
    pub iterator_age_ms: u64,
}

/// The live counters of one mapping.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) source: String,
    pub(crate) function: String,
    pub(crate) records: Count,
    pub(crate) filtered: Count,
    pub(crate) batches: Count,
    pub(crate) failures: Count,
    pub(crate) throttles: Count,
    pub(crate) discarded: Count,
    pub(crate) errors: Count,
    running: AtomicU32,
    iterator_age_ms: AtomicU64,
}

/// A counter that only increases.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, number: usize) {
        self.0.fetch_add(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn of(source: &str, function: &str) -> Self {
        Self { source: source.to_owned(), function: function.to_owned(), ..Self::default() }
    }

    /// Counts one running invocation until the returned guard is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self)
    }

    pub(crate) fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    pub(crate) fn iterator_age(&self, age_ms: u64) {
        self.iterator_age_ms.store(age_ms, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> SourceStats {
        SourceStats {
            source: self.source.clone(),
            function: self.function.clone(),
            records: self.records.get(),
            filtered: self.filtered.get(),
            batches: self.batches.get(),
            failures: self.failures.get(),
            throttles: self.throttles.get(),
            discarded: self.discarded.get(),
            errors: self.errors.get(),
            running: self.running(),
            iterator_age_ms: self.iterator_age_ms.load(Ordering::Relaxed),
        }
    }
}

/// Guard of one running invocation. See [`Counters::run`].
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a Counters);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
