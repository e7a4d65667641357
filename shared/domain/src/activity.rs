//! Activity of rooms and connections, reported to backends.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod kind;

pub use kind::Kind;

use crate::change::Change;
use crate::name::{ConnectionId, Device, RoomId, UserId};
use crate::presence::Owed;
use crate::publication::digest;
use crate::timestamp::Timestamp;

/// One event, in the form that the `activity` topic carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Identifies the event: about 32 characters, and the same in each repeat, so consumers drop
    /// repeats by it.
    pub id: String,
    /// The kind of the event.
    pub kind: Kind,
    /// The room. Present in events of rooms and members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// The user that the connection belongs to. Present in events of members and connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The connection. Present in events of members and connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// The device, if it is known. Present in events of connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The number of connections in the room. Present in events of rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// The time of the event, in milliseconds since 1970. Events of members and connections are
    /// exact to the second.
    pub at: Timestamp,
}

impl Activity {
    /// Converts a change of a connection or membership into an event. The event takes the stream's
    /// id of the change. Returns `None` for memberships of rooms without presence (inboxes):
    /// backends learn of those from the event of the connection.
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

    /// The message attributes that subscriptions filter on: `kind`, and `room` and `user` where
    /// present.
    #[must_use]
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        let room = self.room.as_ref().map(|room| ("room", room.to_string()));
        let user = self.user.as_ref().map(|user| ("user", user.to_string()));
        [Some(("kind", self.kind.as_str().to_owned())), room, user].into_iter().flatten().collect()
    }

    /// Converts an announcement into an event, if it means that the room became occupied or
    /// vacated.
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

/// The kinds of activity that a deployment publishes. Each message costs money, so each kind is
/// switched on by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kinds(BTreeSet<Kind>);

/// A setting that names an unknown kind of activity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of activity {name:?}; expected some of {}", Kinds::all())]
pub struct UnknownKind {
    /// The unknown name, copied from the setting.
    pub name: String,
}

impl Kinds {
    /// A set of every kind.
    #[must_use]
    pub fn all() -> Self {
        Self(Kind::ALL.into())
    }

    /// Returns true if the deployment publishes this kind.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.0.contains(&kind)
    }
}

impl FromStr for Kinds {
    type Err = UnknownKind;

    /// Parses kinds separated by commas. Empty text means no kind.
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
