//! The port that knows the connections of a user.

use std::future::Future;

use super::Result;
use crate::name::{ConnectionId, UserId};
use crate::timestamp::Timestamp;

/// The connections of each user, by key: unlike an index, a read shows every entry that was written before.
pub trait Directory: Send + Sync {
    /// Enters a connection of a user. This comes before [`super::Connections::open`], so that each stored connection has an entry. An
    /// entry outlives its connection: whether that is stored is for another read to say.
    fn enlist(
        &self,
        user: &UserId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
    /// The connections that were entered for a user within [`crate::limits::CONNECTION_TTL`], read consistently.
    fn connections_of(&self, user: &UserId, now: Timestamp) -> impl Future<Output = Result<Vec<ConnectionId>>> + Send;
}
