//! What backends are told of rooms and connections.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::name::{ConnectionId, Device, RoomId, UserId};
use crate::presence::Owed;
use crate::publication::digest;
use crate::timestamp::Timestamp;

/// One thing that happened, as the `activity` topic carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// The same each time the same thing is told: consumers recognise repeats by it. 32 characters or so.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// In which room; of rooms and members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// Whose connection; of members and connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Which connection; of members and connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// On which device, if that is known; of connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// How many connections are in the room; of rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// When, milliseconds since the epoch; of members and connections to the second.
    pub at: Timestamp,
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A room that was empty has members.
    RoomOccupied,
    /// A room that had members is empty.
    RoomVacated,
    /// A connection joined a room.
    MemberJoined,
    /// A connection is a member of a room no more, whatever the cause.
    MemberLeft,
    /// Somebody connected.
    ConnectionUp,
    /// A connection is gone, whatever the cause.
    ConnectionDown,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::RoomOccupied,
        Self::RoomVacated,
        Self::MemberJoined,
        Self::MemberLeft,
        Self::ConnectionUp,
        Self::ConnectionDown,
    ];

    /// The kind as it stands in messages and settings.
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

impl Activity {
    /// What a change of the connections means to backends, under the stream's id of it. Rooms without presence (inboxes)
    /// are told of as connections.
    #[must_use]
    pub fn of_change(change: &Change, event_id: &str, at: Timestamp) -> Option<Self> {
        let (kind, room, connection, user, device) = match change {
            Change::Opened { connection, user, device } => (Kind::ConnectionUp, None, connection, user, device.clone()),
            Change::Closed { connection, user, device } => {
                (Kind::ConnectionDown, None, connection, user, device.clone())
            }
            Change::Joined { room, connection, user, .. } => {
                (Kind::MemberJoined, Some(room.clone()), connection, user, None)
            }
            Change::Left { room, connection, user, .. } => {
                (Kind::MemberLeft, Some(room.clone()), connection, user, None)
            }
        };
        if room.as_ref().is_some_and(|room| !room.has_presence()) {
            return None;
        }
        let (user, connection) = (Some(user.clone()), Some(connection.clone()));
        Some(Self { id: event_id.to_owned(), kind, room, user, connection, device, members: None, at })
    }

    /// What subscriptions filter on: `kind`, and `room` and `user` where there is one.
    #[must_use]
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        let room = self.room.as_ref().map(|room| ("room", room.to_string()));
        let user = self.user.as_ref().map(|user| ("user", user.to_string()));
        [Some(("kind", self.kind.as_str().to_owned())), room, user].into_iter().flatten().collect()
    }

    /// What an announcement means to backends: that a room is occupied, or vacated.
    #[must_use]
    pub fn of_room(room: &RoomId, owed: &Owed) -> Option<Self> {
        let kind = owed.occupancy()?;
        Some(Self {
            id: digest(&[room.as_str(), &owed.version.to_string(), &owed.at.as_ms().to_string()]),
            kind,
            room: Some(room.clone()),
            user: None,
            connection: None,
            device: None,
            members: Some(owed.told.members),
            at: owed.at,
        })
    }
}

/// The kinds that a deployment pays for: each message costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kinds(BTreeSet<Kind>);

/// A setting that names a kind which there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind {name:?}; there are {}", Kinds::all())]
pub struct UnknownKind {
    /// As it stands in the setting.
    pub name: String,
}

impl Kinds {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(Kind::ALL.into())
    }

    /// Whether it is wanted.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.0.contains(&kind)
    }
}

impl FromStr for Kinds {
    type Err = UnknownKind;

    /// Kinds separated by commas; empty for none.
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let kind = |name: &str| {
            let known = Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
            known.ok_or_else(|| UnknownKind { name: name.to_owned() })
        };
        names.map(kind).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|kind| kind.as_str()).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shard;

    #[test]
    fn kinds_are_switched_on_by_name() {
        let kinds: Kinds = " room_occupied,member_left ,".parse().unwrap();
        assert!(kinds.has(Kind::RoomOccupied) && kinds.has(Kind::MemberLeft) && !kinds.has(Kind::RoomVacated));
        assert_eq!("".parse(), Ok(Kinds::default()));
        assert_eq!(Kinds::all().to_string().parse(), Ok(Kinds::all()));
    }

    #[test]
    fn a_kind_that_there_is_not_is_refused_with_those_that_there_are() {
        let problem = "room_ocupied".parse::<Kinds>().unwrap_err().to_string();
        assert!(problem.contains("\"room_ocupied\"") && problem.contains("room_occupied, room_vacated"), "{problem}");
    }

    #[test]
    fn who_joins_her_own_inbox_has_only_connected() {
        let joined = |room: &str| Change::Joined {
            room: RoomId::parse(room).unwrap(),
            shard: Shard::FIRST,
            connection: ConnectionId::parse("c1").unwrap(),
            user: UserId::parse("ada").unwrap(),
        };
        assert_eq!(Activity::of_change(&joined("@ada"), "e1", Timestamp::default()), None);
        let activity = Activity::of_change(&joined("lobby"), "e1", Timestamp::default()).unwrap();
        assert_eq!((activity.kind, activity.id.as_str()), (Kind::MemberJoined, "e1"));
    }
}
