//! The way to the secret store.

use std::future::Future;

use super::Result;

/// Values that are never in an environment: keys and their like.
pub trait Secrets: Send + Sync {
    /// The current value of a secret, by its name in the store.
    fn read(&self, name: &str) -> impl Future<Output = Result<String>> + Send;
}
