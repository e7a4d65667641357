//! The port between the components that trigger a function and the component that runs it.
//!
//! The gateway and the event sources invoke; the Lambda emulator answers. Neither depends on the
//! other.

use std::future::Future;

use bytes::Bytes;

/// Runs a function synchronously (`InvocationType: RequestResponse`).
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
pub trait Invoke: Send + Sync + 'static {
    /// Invokes `function` with a JSON `payload` and waits for its answer.
    ///
    /// # Errors
    /// See [`Error`]. Any answer of the function itself is `Ok`, whatever its content.
    fn invoke(&self, function: &str, payload: Bytes) -> impl Future<Output = Result<Bytes, Error>> + Send;
}

impl<T: Invoke> Invoke for std::sync::Arc<T> {
    fn invoke(&self, function: &str, payload: Bytes) -> impl Future<Output = Result<Bytes, Error>> + Send {
        T::invoke(self, function, payload)
    }
}

/// The reason why the function gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The function is not in the topology (`ResourceNotFoundException`, 404).
    #[error("there is no function {0}")]
    NotFound(String),
    /// Every allowed process is busy (`TooManyRequestsException`, 429). The function did not run;
    /// the caller may retry.
    #[error("function {0} is at its concurrency limit")]
    Throttled(String),
    /// The function ran and failed: it answered with an error, died, or was killed at its timeout
    /// (`X-Amz-Function-Error: Unhandled`).
    #[error("function {function} failed with {error_type}: {message}")]
    Failed {
        /// Name of the function.
        function: String,
        /// `errorType` of the error body: `Runtime.ExitError`, `Sandbox.Timedout`, or the
        /// function's own type.
        error_type: String,
        /// `errorMessage` of the error body, such as `Task timed out after 5.00 seconds`.
        message: String,
    },
    /// The request body exceeds 6 MB (`RequestTooLargeException`, 413).
    #[error("the payload for function {0} exceeds 6291556 bytes")]
    TooLarge(String),
    /// The runner is stopping and accepts no new invocations.
    #[error("the runner is stopping")]
    Stopping,
}
