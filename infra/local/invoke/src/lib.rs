//! The port between whoever triggers a function and whatever runs it.
//!
//! The gateway and the event sources invoke; the Lambda emulator answers. Neither knows the other.

use std::future::Future;

use bytes::Bytes;

/// Runs a function synchronously (`InvocationType: RequestResponse`).
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
pub trait Invoke: Send + Sync + 'static {
    /// Invokes `function` with a JSON `payload` and waits for what it answers.
    ///
    /// # Errors
    /// See [`Error`]. An answer of the function itself, whatever it says, is `Ok`.
    fn invoke(&self, function: &str, payload: Bytes) -> impl Future<Output = Result<Bytes, Error>> + Send;
}

impl<T: Invoke> Invoke for std::sync::Arc<T> {
    fn invoke(&self, function: &str, payload: Bytes) -> impl Future<Output = Result<Bytes, Error>> + Send {
        T::invoke(self, function, payload)
    }
}

/// Why there is no answer from the function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such function in the topology (`ResourceNotFoundException`, 404).
    #[error("there is no function {0}")]
    NotFound(String),
    /// Every allowed process is busy (`TooManyRequestsException`, 429): nothing ran, try again.
    #[error("function {0} is at its concurrency limit")]
    Throttled(String),
    /// The function ran and failed: it answered with an error, died, or was killed at its timeout
    /// (`X-Amz-Function-Error: Unhandled`).
    #[error("function {function} failed with {error_type}: {message}")]
    Failed {
        /// The function's name.
        function: String,
        /// As in the error body: `Runtime.ExitError`, `Sandbox.Timedout`, or the function's own.
        error_type: String,
        /// As in the error body: `Task timed out after 5.00 seconds`.
        message: String,
    },
    /// The request body exceeds 6 MB (`RequestTooLargeException`, 413).
    #[error("the payload for function {0} exceeds 6291556 bytes")]
    TooLarge(String),
    /// The runner is stopping and takes no new work.
    #[error("the runner is stopping")]
    Stopping,
}
