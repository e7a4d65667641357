//! The port of the topic `commands`.

use std::future::Future;

use super::Result;
use crate::name::UserId;

/// Commands that are carried out later, by the function that works off the queue of commands.
pub trait Commands: Send + Sync {
    /// Orders durably that every connection of the user is closed. A repeat closes the connections
    /// that the user has by then.
    fn close_user(&self, user: &UserId) -> impl Future<Output = Result<()>> + Send;
}
