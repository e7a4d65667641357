//! The identity behind a request, and its permissions.

use serde::{Deserialize, Serialize};

use crate::name::{Device, RoomId, TokenId, UserId};
use crate::reject::{Code, Reject};
use crate::timestamp::Timestamp;

/// The user of a connection and its permissions, as the authorizer established them at connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's `sub`, or `guest:…`.
    pub user: UserId,
    /// The device, if the token or the client names one.
    pub device: Option<Device>,
    /// True if no token vouches for the user.
    pub guest: bool,
    /// True if the identity may publish to `*` and to every room.
    pub admin: bool,
    /// The time at which the token expires. `None` for guests.
    pub expires_at: Option<Timestamp>,
    /// The permissions in plain rooms.
    pub permissions: Permissions,
    /// The marks by which the token can be revoked. Guests have none.
    pub stamp: TokenStamp,
}

/// The marks of a token by which a backend can revoke it before it expires.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenStamp {
    /// The id of the token (`jti`), if it has one.
    pub id: Option<TokenId>,
    /// The time at which the token was issued (`iat`), if it names one. Most issuers name whole
    /// seconds.
    pub issued_at: Option<Timestamp>,
}

impl Identity {
    /// Returns true if the identity may join this room. Only its owner may join an inbox; every
    /// identity may join `*`.
    #[must_use]
    pub fn may_join(&self, room: &RoomId) -> bool {
        self.may(room, &self.permissions.join)
    }

    /// Returns true if the identity may read the room's log: as for a join, by the `history`
    /// patterns.
    #[must_use]
    pub fn may_read_history(&self, room: &RoomId) -> bool {
        self.may(room, &self.permissions.history)
    }

    /// Returns true if the identity may list the room's members, by the `presence` patterns.
    /// Membership is not required. Only its owner may list an inbox.
    #[must_use]
    pub fn may_see_members(&self, room: &RoomId) -> bool {
        self.may(room, &self.permissions.presence)
    }

    /// Returns true if presence blocks of the room name its members to this identity. Otherwise
    /// they contain counts only. `*` and inboxes have no presence.
    #[must_use]
    pub fn receives_names(&self, room: &RoomId) -> bool {
        room.has_presence() && self.may_see_members(room)
    }

    /// Returns true if the identity may list the members of every plain room.
    #[must_use]
    pub fn sees_all_members(&self) -> bool {
        self.admin || self.permissions.presence.iter().any(Pattern::is_any)
    }

    /// Returns true if the identity may publish here: to `*` only as an admin, to every inbox, to
    /// plain rooms by pattern.
    #[must_use]
    pub fn may_publish(&self, room: &RoomId) -> bool {
        if room.is_everyone() {
            return self.admin;
        }
        self.admin || room.inbox_owner().is_some() || matches_any(&self.permissions.publish, room)
    }

    /// Checks that the token has not expired.
    ///
    /// # Errors
    /// `token_expired`, with advice.
    pub fn check_expiry(&self, now: Timestamp) -> Result<(), Reject> {
        match self.expires_at {
            Some(at) if at <= now => {
                let message = "the token has expired; renew it with auth, or connect again with a new one";
                Err(Reject::new(Code::TokenExpired, message))
            }
            _ => Ok(()),
        }
    }

    fn may(&self, room: &RoomId, patterns: &[Pattern]) -> bool {
        match room.inbox_owner() {
            Some(owner) => owner == self.user.as_ref(),
            None => self.admin || room.is_everyone() || matches_any(patterns, room),
        }
    }
}

/// Permissions in plain rooms: the token's `rooms` claim. A room that no pattern matches is
/// forbidden.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// Rooms that may be joined.
    pub join: Vec<Pattern>,
    /// Rooms that may be published to.
    pub publish: Vec<Pattern>,
    /// Rooms whose history may be read.
    pub history: Vec<Pattern>,
    /// Rooms whose members may be listed.
    pub presence: Vec<Pattern>,
}

impl Permissions {
    /// Every permission in every plain room: the meaning of a token without a `rooms` claim.
    #[must_use]
    pub fn all() -> Self {
        let any = vec![Pattern("*".to_owned())];
        Self { join: any.clone(), publish: any.clone(), history: any.clone(), presence: any }
    }
}

/// A pattern for names of plain rooms; `*` stands for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Takes text such as `team:*`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// Returns true if the pattern matches the room's name. The time is linear in the name for each
    /// `*`, whatever the pattern.
    #[must_use]
    pub fn matches(&self, room: &RoomId) -> bool {
        self.matches_name(room.as_str())
    }

    /// Returns true if the pattern matches this name, of a room or of a user.
    pub(crate) fn matches_name(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let mut last = None;
        for part in parts {
            if let Some(middle) = last.replace(part) {
                match rest.find(middle) {
                    Some(at) => rest = &rest[at + middle.len()..],
                    None => return false,
                }
            }
        }
        last.map_or(rest.is_empty(), |end| rest.ends_with(end))
    }
}

fn matches_any(patterns: &[Pattern], room: &RoomId) -> bool {
    patterns.iter().any(|pattern| pattern.matches(room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    fn ada(permissions: Permissions) -> Identity {
        let user = UserId::parse("ada").unwrap();
        let stamp = TokenStamp::default();
        Identity { user, device: None, guest: false, admin: false, expires_at: None, permissions, stamp }
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, fits) in [
            ("team:*", "team:7", true),
            ("team:*", "team:", true),
            ("team:*", "steam:7", false),
            ("*:7", "team:7", true),
            ("*:7", "team:77", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b", "ab", true),
            ("ab*ba", "aba", false),
            ("lobby", "lobby", true),
            ("lobby", "lobby2", false),
            ("*", "x", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(&room(name)), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn only_its_owner_hears_an_inbox_and_anybody_may_publish_to_it() {
        let mut ada = ada(Permissions::all());
        assert!(ada.may_join(&room("@ada")) && !ada.may_join(&room("@bob")) && !ada.may_read_history(&room("@bob")));
        assert!(ada.may_publish(&room("@bob")));
        ada.admin = true;
        assert!(!ada.may_join(&room("@bob")), "not even an admin");
    }

    #[test]
    fn everybody_hears_the_room_of_everyone_and_only_an_admin_publishes_to_it() {
        let mut ada = ada(Permissions::all());
        assert!(ada.may_join(&RoomId::everyone()) && !ada.may_publish(&RoomId::everyone()));
        ada.admin = true;
        assert!(ada.may_publish(&RoomId::everyone()));
    }

    #[test]
    fn what_a_token_does_not_list_it_does_not_allow() {
        let ada = ada(Permissions { join: vec![Pattern::new("team:*")], ..Permissions::default() });
        assert!(ada.may_join(&room("team:7")) && !ada.may_join(&room("lobby")));
        assert!(!ada.may_publish(&room("team:7")) && !ada.may_read_history(&room("team:7")));
        assert!(!ada.may_see_members(&room("team:7")));
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_it_was_made_from(parts in prop::collection::vec("[a-c]{0,3}", 1..5), fill in "[a-c]{0,3}") {
            let name = parts.join(&fill);
            if let Ok(room) = RoomId::parse(name) {
                prop_assert!(Pattern::new(parts.join("*")).matches(&room));
            }
        }
    }
}
