//! What happened to connections and memberships, as the stream of their table tells: at least once, and some time after.

use crate::name::{ConnectionId, Device, RoomId, UserId};
use crate::shard::Shard;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A connection was stored.
    Opened {
        /// Which.
        connection: ConnectionId,
        /// Whose.
        user: UserId,
        /// On which device, if that is known.
        device: Option<Device>,
    },
    /// A connection was buried, or outlived its time: whatever it was a member of, it is no more.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Whose it was.
        user: UserId,
        /// On which device, if that was known.
        device: Option<Device>,
    },
    /// A connection joined a room. Not told of `*`, whose members are the connections.
    Joined {
        /// Which room.
        room: RoomId,
        /// Which slice of it.
        shard: Shard,
        /// Which connection.
        connection: ConnectionId,
        /// Whose.
        user: UserId,
    },
    /// A connection is a member of a room no more, whatever the cause.
    Left {
        /// Which room.
        room: RoomId,
        /// Which slice of it.
        shard: Shard,
        /// Which connection.
        connection: ConnectionId,
        /// Whose.
        user: UserId,
    },
}

impl Change {
    /// The room and shard whose members are to be counted; rooms that have no presence are left out.
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
