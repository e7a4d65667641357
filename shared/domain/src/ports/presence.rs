//! Ports of presence: the members of rooms, the announced state, and the topic of backends.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use super::Result;
use crate::activity::Activity;
use crate::check::Check;
use crate::name::{ConnectionId, Device, RoomId, UserId};
use crate::presence::Presence;
use crate::timestamp::Timestamp;

/// A member of a room, with its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// The member's connection.
    pub connection: ConnectionId,
    /// The user that the connection belongs to.
    pub user: UserId,
    /// The time of the join.
    pub joined_at: Timestamp,
}

/// The users and devices behind members.
pub trait Rosters: Send + Sync {
    /// Returns the members of the room among `connections`, read consistently, in any order.
    /// Returns none for `*`.
    fn occupants(
        &self,
        room: &RoomId,
        connections: &[ConnectionId],
    ) -> impl Future<Output = Result<Vec<Occupant>>> + Send;
    /// Reads the devices of those of `connections` that are stored and have a device.
    fn devices(
        &self,
        connections: &[ConnectionId],
    ) -> impl Future<Output = Result<HashMap<ConnectionId, Device>>> + Send;
}

/// The outcome of writing a presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The presence was written.
    Stored,
    /// Another writer changed it since it was read: read again.
    Stale,
}

/// The stored presence of rooms.
pub trait Presences: Send + Sync {
    /// Reads the presence consistently. A room without a stored one has the default: no members.
    fn presence(&self, room: &RoomId) -> impl Future<Output = Result<Presence>> + Send;
    /// Writes the presence as the next version. `presence.version` must be the stored version. The
    /// item of an empty room may expire after [`crate::limits::RETENTION`].
    fn write_presence(&self, room: &RoomId, presence: &Presence) -> impl Future<Output = Result<Written>> + Send;
    /// Reads the number of members at the last count of each room. Leaves out rooms that were never
    /// counted. May lag.
    fn members_counted(&self, rooms: &[RoomId]) -> impl Future<Output = Result<HashMap<RoomId, u64>>> + Send;
}

/// The queue of later checks.
pub trait Checks: Send + Sync {
    /// Queues a check durably, delivered after `delay` (rounded up to whole seconds, at most 15
    /// min).
    fn check_after(&self, check: &Check, delay: Duration) -> impl Future<Output = Result<()>> + Send;
}

/// The topic `activity` of the backends.
pub trait Activities: Send + Sync {
    /// Publishes all of these events, in any order. After an error, some may not be published.
    fn tell(&self, activities: &[Activity]) -> impl Future<Output = Result<()>> + Send;
}
