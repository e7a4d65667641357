//! The kinds of activity.

use serde::{Deserialize, Serialize};

/// The kinds of activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A room that was empty has members.
    RoomOccupied,
    /// A room that had members is empty.
    RoomVacated,
    /// A connection joined a room.
    MemberJoined,
    /// A connection stopped being a member of a room, whatever the cause.
    MemberLeft,
    /// A connection was stored.
    ConnectionUp,
    /// A connection was closed or expired, whatever the cause.
    ConnectionDown,
}

impl Kind {
    /// Every kind, in the order of the declaration.
    pub const ALL: [Self; 6] = [
        Self::RoomOccupied,
        Self::RoomVacated,
        Self::MemberJoined,
        Self::MemberLeft,
        Self::ConnectionUp,
        Self::ConnectionDown,
    ];

    /// The name of the kind in messages and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoomOccupied => "room_occupied",
            Self::RoomVacated => "room_vacated",
            Self::MemberJoined => "member_joined",
            Self::MemberLeft => "member_left",
            Self::ConnectionUp => "connection_up",
            Self::ConnectionDown => "connection_down",
        }
    }
}
