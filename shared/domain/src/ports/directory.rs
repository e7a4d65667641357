//! The port of the directory: the connections of each user.

use std::future::Future;

use super::Result;
use crate::name::{ConnectionId, UserId};
use crate::timestamp::Timestamp;

/// The connections of each user, by key. Unlike an index, a read shows every entry that was written
/// before.
pub trait Directory: Send + Sync {
    /// Writes the entry of a connection. This comes before [`super::Connections::open`], so that
    /// each stored connection has an entry. An entry outlives its connection: the caller must read
    /// the connection too.
    fn enlist(
        &self,
        user: &UserId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Reads the connections that were entered for a user within [`crate::limits::CONNECTION_TTL`],
    /// consistently.
    fn connections_of(&self, user: &UserId, now: Timestamp) -> impl Future<Output = Result<Vec<ConnectionId>>> + Send;
}
