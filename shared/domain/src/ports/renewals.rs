//! Ports of tokens on live connections: renewed and expired ones.

use std::future::Future;
use std::time::Duration;

use super::Result;
use crate::connection::{Endpoint, Format};
use crate::identity::Identity;
use crate::name::{ConnectionId, RoomId};
use crate::renewal::{Extension, Holding};
use crate::timestamp::Timestamp;

/// The state of the connection that a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a value lives for one request, and a box costs an allocation")]
pub enum Standing {
    /// The connection has a tombstone, or was never stored.
    Unknown,
    /// The token was never renewed. The authorizer's context has the identity.
    AsConnected,
    /// The token was renewed. This is the current identity.
    Renewed(Identity),
}

/// The outcome of storing the identity of a new token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchanged {
    /// The new identity is stored.
    Stored,
    /// The last renewal was less than [`crate::limits::RENEWAL_PAUSE`] ago. Nothing was written.
    /// The pause is over after this time.
    TooSoon(Duration),
    /// The connection has a tombstone, or was never stored.
    NotConnected,
}

/// Tokens that were renewed on live connections.
pub trait Renewals: Send + Sync {
    /// Stores the new identity of a connection, with its expiry and, if the identity has one, its
    /// device. The connection's membership of `*` gets the same expiry. A tombstone is not revived.
    fn renew(
        &self,
        connection: &ConnectionId,
        identity: &Identity,
        now: Timestamp,
    ) -> impl Future<Output = Result<Exchanged>> + Send;
    /// Lists the memberships of a connection, except `*`, read consistently, in any order.
    fn holdings(&self, connection: &ConnectionId) -> impl Future<Output = Result<Vec<Holding>>> + Send;
    /// Sets the expiry of memberships of a connection to that of its token, and the right to see
    /// members, if the token still expires at `expires_at`: a replaced token extends nothing.
    /// Creates no membership. Returns the rooms that were not extended.
    fn extend(
        &self,
        connection: &ConnectionId,
        extensions: &[Extension],
        expires_at: Option<Timestamp>,
    ) -> impl Future<Output = Result<Vec<RoomId>>> + Send;
}

/// A connection that the index lists as expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// The expired connection.
    pub connection: ConnectionId,
    /// The management endpoint for posts to it.
    pub endpoint: Endpoint,
    /// The format of its frames.
    pub format: Format,
    /// The time at which its token expired.
    pub expires_at: Timestamp,
}

/// The index of expired tokens.
pub trait Expiries: Send + Sync {
    /// Reads connections of one liveness shard whose token expired by `now`, earliest expiry first,
    /// at most `limit`, from the index, which lags. A connection without a token is never among
    /// them.
    fn expired(&self, shard: u16, now: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<Lapsed>>> + Send;
}
