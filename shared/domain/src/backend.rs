//! A backend that calls over HTTP: its name, and what it may do.

use serde::{Deserialize, Serialize};

use crate::identity::Pattern;
use crate::name::{RoomId, UserId};

/// A backend whose credential was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The name of the backend. It owns the publication ids of the backend.
    pub name: UserId,
    /// The rooms and users that the backend may act on.
    pub scope: Scope,
}

/// The scope of a backend, by action. An action without a pattern is forbidden.
///
/// A pattern is compared with the whole name: `*` matches every room, inboxes and the room `*`
/// among them, and `@*` matches every inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Rooms that may be published to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Pattern>,
    /// Rooms whose position, number of members and history may be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<Pattern>,
    /// Users whose connections may be closed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub close: Vec<Pattern>,
}

impl Scope {
    /// The scope of a backend that may do everything.
    #[must_use]
    pub fn all() -> Self {
        let any = vec![Pattern::new("*")];
        Self { publish: any.clone(), read: any.clone(), close: any }
    }

    /// Returns true if the backend may publish to this room.
    #[must_use]
    pub fn may_publish(&self, room: &RoomId) -> bool {
        matches_any(&self.publish, room.as_str())
    }

    /// Returns true if the backend may read the position, the number of members and the history of
    /// this room.
    #[must_use]
    pub fn may_read(&self, room: &RoomId) -> bool {
        matches_any(&self.read, room.as_str())
    }

    /// Returns true if the backend may close the connections of this user.
    #[must_use]
    pub fn may_close(&self, user: &UserId) -> bool {
        matches_any(&self.close, user.as_ref())
    }
}

fn matches_any(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    #[test]
    fn an_action_that_a_scope_does_not_list_is_forbidden() {
        let scope = Scope { publish: vec![Pattern::new("team:*")], ..Scope::default() };
        assert!(scope.may_publish(&room("team:7")) && !scope.may_publish(&room("lobby")));
        assert!(!scope.may_read(&room("team:7")) && !scope.may_close(&UserId::parse("ada").unwrap()));
    }

    #[test]
    fn inboxes_and_the_room_of_everyone_are_matched_by_their_whole_name() {
        let inboxes = Scope { publish: vec![Pattern::new("@*")], ..Scope::default() };
        assert!(inboxes.may_publish(&room("@ada")) && !inboxes.may_publish(&RoomId::everyone()));
        let teams = Scope { publish: vec![Pattern::new("team:*")], ..Scope::default() };
        assert!(!teams.may_publish(&room("@ada")) && !teams.may_publish(&RoomId::everyone()));
        let all = Scope::all();
        assert!(all.may_publish(&room("@ada")) && all.may_publish(&RoomId::everyone()));
    }
}
