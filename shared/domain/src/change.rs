//! Changes of connections and memberships. The stream of the connections table reports each change
//! at least once, with a delay.

use crate::name::{ConnectionId, Device, RoomId, UserId};
use crate::shard::Shard;

/// One change of a connection or a membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A connection was stored.
    Opened {
        /// The new connection.
        connection: ConnectionId,
        /// The user that the connection belongs to.
        user: UserId,
        /// The device, if it is known.
        device: Option<Device>,
    },
    /// A connection became a tombstone, or its item expired. It is no longer a member of any room.
    Closed {
        /// The closed connection.
        connection: ConnectionId,
        /// The user that the connection belonged to.
        user: UserId,
        /// The device, if it was known.
        device: Option<Device>,
    },
    /// A connection joined a room. Never reported for `*`, where the connection itself is the
    /// membership.
    Joined {
        /// The room that gained a member.
        room: RoomId,
        /// The member's shard of the room.
        shard: Shard,
        /// The member's connection.
        connection: ConnectionId,
        /// The user that the connection belongs to.
        user: UserId,
    },
    /// A connection stopped being a member of a room, whatever the cause.
    Left {
        /// The room that lost a member.
        room: RoomId,
        /// The member's shard of the room.
        shard: Shard,
        /// The member's connection.
        connection: ConnectionId,
        /// The user that the connection belongs to.
        user: UserId,
    },
}

impl Change {
    /// The room and shard whose members must be counted again. `None` for rooms without presence.
    #[must_use]
    pub fn counts(&self) -> Option<(&RoomId, Shard)> {
        match self {
            Self::Joined { room, shard, .. } | Self::Left { room, shard, .. } => {
                room.has_presence().then_some((room, *shard))
            }
            Self::Opened { .. } | Self::Closed { .. } => None,
        }
    }
}
