//! Ports of presence: who is in rooms, what their members were told, and the backends that want to know.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use super::Result;
use crate::activity::Activity;
use crate::name::{ConnectionId, Device, RoomId, UserId};
use crate::presence::{Check, Presence};
use crate::timestamp::Timestamp;

/// A member of a room, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// Which connection.
    pub connection: ConnectionId,
    /// Whose.
    pub user: UserId,
    /// Since when.
    pub joined_at: Timestamp,
}

/// Who the members of rooms are.
pub trait Rosters: Send + Sync {
    /// Those of `connections` that are members of the room right now, read consistently; in any order. Of `*` nobody.
    fn occupants(
        &self,
        room: &RoomId,
        connections: &[ConnectionId],
    ) -> impl Future<Output = Result<Vec<Occupant>>> + Send;
    /// The devices of those of `connections` that are there and have one.
    fn devices(
        &self,
        connections: &[ConnectionId],
    ) -> impl Future<Output = Result<HashMap<ConnectionId, Device>>> + Send;
}

/// Whether a presence was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was.
    Stored,
    /// Somebody else wrote since it was read: read again.
    Stale,
}

/// What is known of who is in rooms.
pub trait Presences: Send + Sync {
    /// What is known, read consistently; of a room that nothing is known of, that nobody was ever there.
    fn presence(&self, room: &RoomId) -> impl Future<Output = Result<Presence>> + Send;
    /// Writes it as the version after `presence.version`, which must be what stands there. That of an empty room
    /// may be forgotten after [`crate::limits::RETENTION`].
    fn write_presence(&self, room: &RoomId, presence: &Presence) -> impl Future<Output = Result<Written>> + Send;
    /// How many members rooms had when they were last counted; rooms that never were are left out. May lag.
    fn members_counted(&self, rooms: &[RoomId]) -> impl Future<Output = Result<HashMap<RoomId, u64>>> + Send;
}

/// The way to a later look.
pub trait Checks: Send + Sync {
    /// Queues a check durably that comes after `delay` (in whole seconds, rounded up; 15 min at the most).
    fn check_after(&self, check: &Check, delay: Duration) -> impl Future<Output = Result<()>> + Send;
}

/// The way to the backends.
pub trait Activities: Send + Sync {
    /// Tells all of these, in any order; an error means that some may not have been told.
    fn tell(&self, activities: &[Activity]) -> impl Future<Output = Result<()>> + Send;
}
