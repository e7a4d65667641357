//! The port of the directory: the connections of each user.

use std::future::Future;

use super::Result;
use crate::name::{ConnectionId, UserId};
use crate::surplus::Enlisted;
use crate::timestamp::Timestamp;

/// The connections of each user, by key. Unlike an index, a read shows every entry that was written
/// before.
pub trait Directory: Send + Sync {
    /// Writes the entry of a connection. This comes before [`super::Connections::open`], so that
    /// each stored connection has an entry. An entry outlives its connection by some seconds: the
    /// caller must read the connection too.
    fn enlist(&self, user: &UserId, entry: &Enlisted) -> impl Future<Output = Result<()>> + Send;
    /// Removes the entry of a connection. An absent entry is not an error.
    fn delist(&self, user: &UserId, connection: &ConnectionId) -> impl Future<Output = Result<()>> + Send;
    /// Reads the entries of a user that were written within [`crate::limits::CONNECTION_TTL`],
    /// consistently, in any order.
    fn entries_of(&self, user: &UserId, now: Timestamp) -> impl Future<Output = Result<Vec<Enlisted>>> + Send;
    /// Reads the connections of these entries.
    fn connections_of(&self, user: &UserId, now: Timestamp) -> impl Future<Output = Result<Vec<ConnectionId>>> + Send {
        async move {
            let entries = self.entries_of(user, now).await?;
            Ok(entries.into_iter().map(|entry| entry.connection).collect())
        }
    }
}
