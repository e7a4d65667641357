//! A connection's place in a room.

use crate::connection::Member;
use crate::name::{RoomId, UserId};
use crate::shard::Shard;
use crate::timestamp::Timestamp;

/// A connection's place in a room, as stored at join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Which room.
    pub room: RoomId,
    /// Which slice of it; kept as long as the membership lasts.
    pub shard: Shard,
    /// The member.
    pub member: Member,
    /// Whose connection it is.
    pub user: UserId,
    /// Since when.
    pub joined_at: Timestamp,
}
