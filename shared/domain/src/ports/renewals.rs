//! Ports of tokens on live connections: renewed, or expired.

use std::future::Future;

use super::{Known, Result};
use crate::connection::{Endpoint, Format};
use crate::identity::Identity;
use crate::name::{ConnectionId, RoomId};
use crate::renewal::Holding;
use crate::timestamp::Timestamp;

/// What a request finds of the connection that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has been buried, or never was.
    Unknown,
    /// It is as it connected: the authorizer's context says who it is.
    AsConnected,
    /// It has renewed its token since, and this is who it is now.
    Renewed(Identity),
}

/// Tokens that were renewed on live connections.
pub trait Renewals: Send + Sync {
    /// Notes that a connection is alive, as [`super::Connections::touch`] does, and says who it is by now: one call.
    fn standing(&self, connection: &ConnectionId, now: Timestamp) -> impl Future<Output = Result<Standing>> + Send;
    /// Stores who a connection is by now, with its new expiry and, if the identity names one, its device. Its place in `*`
    /// expires with it. One that has been buried is not revived.
    fn renew(&self, connection: &ConnectionId, identity: &Identity) -> impl Future<Output = Result<Known>> + Send;
    /// What a connection is a member of right now, `*` left out; in any order.
    fn holdings(&self, connection: &ConnectionId) -> impl Future<Output = Result<Vec<Holding>>> + Send;
    /// Lets memberships of a connection expire when its token does, as long as that one does at `expires_at`: a token that was
    /// replaced extends nothing. Those that are not there are not made. Returns the rooms that were not extended.
    fn extend(
        &self,
        connection: &ConnectionId,
        rooms: &[RoomId],
        expires_at: Option<Timestamp>,
    ) -> impl Future<Output = Result<Vec<RoomId>>> + Send;
}

/// A connection that the index lists as expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// Which.
    pub connection: ConnectionId,
    /// Where it is posted to.
    pub endpoint: Endpoint,
    /// What its frames look like.
    pub format: Format,
    /// Since when its token is no longer good.
    pub expires_at: Timestamp,
}

/// Tokens that have expired.
pub trait Expiries: Send + Sync {
    /// Connections of one liveness shard whose token has expired by `now`, longest ago first, at most `limit`; as the index
    /// knows it (it lags). Those without a token are never among them.
    fn expired(&self, shard: u16, now: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<Lapsed>>> + Send;
}
