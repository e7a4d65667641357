//! Counters of one function since its start.

use std::time::Duration;

/// A snapshot of the counters of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionStats {
    /// Name of the function.
    pub function: String,
    /// Invocations that a process received, whatever their result (AWS: `Invocations`).
    pub invocations: u64,
    /// Invocations that the function answered with an error, whose process died or was killed, or
    /// whose process did not start (AWS: `Errors`).
    pub errors: u64,
    /// Invocations that were refused because of the concurrency limit (AWS: `Throttles`). They do
    /// not count as `invocations`.
    pub throttles: u64,
    /// Invocations that were killed at the timeout. They also count as `errors`.
    pub timeouts: u64,
    /// Processes that requested work for the first time.
    pub cold_starts: u64,
    /// Processes that died or reported an error before they requested work.
    pub start_failures: u64,
    /// Total time during which processes had an invocation.
    pub busy: Duration,
    /// Existing processes, including starting and stopping ones.
    pub processes: u32,
    /// Processes that have an invocation now.
    pub processes_busy: u32,
    /// Invocations that wait for a process that is starting.
    pub waiting: u32,
}
