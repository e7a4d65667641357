//! The port of the secret store.

use std::future::Future;

use super::Result;

/// Values that never stand in environment variables, such as keys.
pub trait Secrets: Send + Sync {
    /// Reads the current value of a secret, by its name in the store.
    fn read(&self, name: &str) -> impl Future<Output = Result<String>> + Send;
}
