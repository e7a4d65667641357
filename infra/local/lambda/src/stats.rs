//! Numbers of one function since the start.

use std::time::Duration;

/// A snapshot of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionStats {
    /// Whose numbers they are.
    pub function: String,
    /// Invocations that were handed to a process, whatever came of them (AWS: `Invocations`).
    pub invocations: u64,
    /// Those that the function answered with an error, died in, or was killed in, and those whose process never
    /// came up (AWS: `Errors`).
    pub errors: u64,
    /// Those refused because of the concurrency limit (AWS: `Throttles`). They are not invocations.
    pub throttles: u64,
    /// Those killed at the timeout; errors too.
    pub timeouts: u64,
    /// Processes that asked for work for the first time.
    pub cold_starts: u64,
    /// Processes that died or reported an error before they asked for work.
    pub start_failures: u64,
    /// Time during which processes had an invocation, summed.
    pub busy: Duration,
    /// Processes there are, starting and stopping ones too.
    pub processes: u32,
    /// Processes that have an invocation now.
    pub processes_busy: u32,
    /// Invocations that wait for a process that is starting.
    pub waiting: u32,
}
