//! Names from outside. Each is parsed once, and trusted afterwards.
//!
//! All of these names are parts of keys, group ids and log lines. So the alphabet is small: it has
//! no `#` (the separator of keys), no control characters, no quotes, and no two characters that
//! look alike.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::reject::{Code, Reject};

/// The address of publications and members.
///
/// A room is a plain room (`lobby`, `team:7`), a user's inbox (`@ada`, with every device of the
/// user), or `*` (every connection). The name has 1 to 128 bytes of `A-Z a-z 0-9 - _ . : / @ | + =
/// ~`. A name that starts with `@` is an inbox; `*` stands alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomId(String);

impl RoomId {
    /// The room `*` of every connection.
    #[must_use]
    pub fn everyone() -> Self {
        Self("*".to_owned())
    }

    /// The inbox of a user. Every device of the user is a member from its connect on.
    #[must_use]
    pub fn inbox(user: &UserId) -> Self {
        Self(format!("@{user}"))
    }

    /// Parses the name of a room.
    ///
    /// # Errors
    /// `invalid_room`, with the mistake and the rule.
    pub fn parse(name: impl Into<String>) -> Result<Self, Reject> {
        let name = name.into();
        if name == "*" {
            return Ok(Self(name));
        }
        let body = name.strip_prefix('@').unwrap_or(&name);
        check("room", body, limits::ROOM_NAME_BYTES - (name.len() - body.len()))
            .map_err(|message| Reject::new(Code::InvalidRoom, message))?;
        Ok(Self(name))
    }

    /// Returns true for `*`, the room of every connection.
    #[must_use]
    pub fn is_everyone(&self) -> bool {
        self.0 == "*"
    }

    /// The owner's name, if the room is an inbox.
    #[must_use]
    pub fn inbox_owner(&self) -> Option<&str> {
        self.0.strip_prefix('@')
    }

    /// Returns true if members are announced. Inboxes have no presence, because all their members
    /// are one user; `*` has none, because every connection is a member.
    #[must_use]
    pub fn has_presence(&self) -> bool {
        !self.is_everyone() && self.inbox_owner().is_none()
    }

    /// The room's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a user, from the token's `sub`: 1 to 127 bytes of the alphabet of room names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

impl UserId {
    /// Parses the name of a user.
    ///
    /// # Errors
    /// `invalid_field`, with the mistake and the rule.
    pub fn parse(name: impl Into<String>) -> Result<Self, Reject> {
        parse_name("user", name.into(), limits::ROOM_NAME_BYTES - 1).map(Self)
    }

    /// Returns true for names that no token may carry: those of guests, the author of backends, and
    /// names that look like an inbox.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(GUEST) || self.0.starts_with('@') || self.0 == BACKEND
    }

    /// The author of a publication of a backend that names none.
    #[must_use]
    pub fn backend() -> Self {
        Self(BACKEND.to_owned())
    }

    /// The author of gates, which no member sees.
    pub(crate) fn of_gates() -> Self {
        Self("gate".to_owned())
    }
}

/// Names of guests start with this.
pub const GUEST: &str = "guest:";
/// The author of a publication of a backend that names none.
const BACKEND: &str = "backend";

/// The name of one device of a user: 1 to 64 bytes of the alphabet of room names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Device(String);

impl Device {
    /// Parses the name of a device.
    ///
    /// # Errors
    /// `invalid_field`, with the mistake and the rule.
    pub fn parse(name: impl Into<String>) -> Result<Self, Reject> {
        parse_name("device", name.into(), limits::DEVICE_NAME_BYTES).map(Self)
    }
}

/// The publisher's name for a publication, by which repeats are recognised: 1 to 64 visible ASCII
/// characters except `#`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicationId(String);

impl PublicationId {
    /// Parses a publication id.
    ///
    /// # Errors
    /// `invalid_field`, with the mistake and the rule.
    pub fn parse(id: impl Into<String>) -> Result<Self, Reject> {
        visible("pid", id.into(), limits::PUBLICATION_ID_BYTES).map(Self)
    }
}

/// The subject of an ephemeral publication, such as `typing`: 1 to 64 visible ASCII characters
/// except `#`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// Parses the key of an ephemeral publication.
    ///
    /// # Errors
    /// `invalid_field`, with the mistake and the rule.
    pub fn parse(key: impl Into<String>) -> Result<Self, Reject> {
        visible("key", key.into(), limits::PUBLICATION_ID_BYTES).map(Self)
    }
}

/// The id of a token, from its claim `jti`: opaque, 1 to 128 visible ASCII characters except `#`.
/// UUIDs fit, and the ids that identity providers give.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

impl TokenId {
    /// Parses the id of a token.
    ///
    /// # Errors
    /// `invalid_field`, with the mistake and the rule.
    pub fn parse(id: impl Into<String>) -> Result<Self, Reject> {
        visible("token_id", id.into(), limits::TOKEN_ID_BYTES).map(Self)
    }
}

/// API Gateway's `connectionId`: opaque, never reused, 1 to 128 visible ASCII characters except
/// `#`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionId(String);

impl ConnectionId {
    /// Parses a connection id.
    ///
    /// # Errors
    /// `invalid_field`, with the mistake and the rule.
    pub fn parse(id: impl Into<String>) -> Result<Self, Reject> {
        visible("connection", id.into(), limits::CONNECTION_ID_BYTES).map(Self)
    }
}

fn parse_name(field: &'static str, name: String, most_bytes: usize) -> Result<String, Reject> {
    check(field, &name, most_bytes).map_err(|message| Reject::field(field, message))?;
    Ok(name)
}

fn check(field: &str, name: &str, most_bytes: usize) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("{field} is empty; it takes 1 to {most_bytes} bytes"));
    }
    if name.len() > most_bytes {
        return Err(format!("{field} is {} bytes long; at most {most_bytes} are allowed", name.len()));
    }
    match name.chars().enumerate().find(|(_, c)| !is_name_char(*c)) {
        None => Ok(()),
        Some((at, c)) => {
            Err(format!("{field} has {:?} at character {}; allowed are A-Z a-z 0-9 - _ . : / @ | + = ~", c, at + 1))
        }
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.:/@|+=~".contains(c)
}

fn visible(field: &'static str, id: String, most_bytes: usize) -> Result<String, Reject> {
    let bad = id.chars().find(|c| !c.is_ascii_graphic() || *c == '#');
    if id.is_empty() || id.len() > most_bytes || bad.is_some() {
        return Err(Reject::field(
            field,
            format!("{field} must be 1 to {most_bytes} visible ASCII characters without #"),
        ));
    }
    Ok(id)
}

macro_rules! text {
    ($($name:ident),+) => {$(
        impl $name {
            /// The name as owned text.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = Reject;
            fn try_from(text: String) -> Result<Self, Reject> {
                Self::parse(text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )+};
}
text!(RoomId, UserId, Device, PublicationId, TokenId, ConnectionId, Key);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_room_is_1_to_128_bytes_of_the_alphabet() {
        for good in ["lobby", "team:7", "a/b.c~d", "@ada", "@auth0|5f7", "*", &"r".repeat(128)] {
            assert_eq!(RoomId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "@", "a#b", "a b", "**", "*a", "lobby\n", "lоbby", "\u{202e}x", "👩‍👧", &"r".repeat(129)]
        {
            assert_eq!(RoomId::parse(bad).unwrap_err().code, Code::InvalidRoom, "{bad:?}");
        }
    }

    #[test]
    fn a_refused_name_says_what_was_wrong_and_what_would_be_right() {
        let reject = RoomId::parse("a#b").unwrap_err();
        assert_eq!(reject.message, "room has '#' at character 2; allowed are A-Z a-z 0-9 - _ . : / @ | + = ~");
    }

    #[test]
    fn names_of_guests_of_backends_and_of_inboxes_are_reserved() {
        let is_reserved = |name: &str| UserId::parse(name).unwrap().is_reserved();
        assert!(["guest:", "guest:5f0c2b7a91de", "backend", "@", "@ada", "@@"].into_iter().all(is_reserved));
        assert!(!["ada", "guest", "Guest:1", "backend2", "my:guest:1", "ada@example.com"].into_iter().any(is_reserved));
    }

    #[test]
    fn an_inbox_of_any_user_is_a_room() {
        let user = UserId::parse("u".repeat(127)).unwrap();
        let inbox = RoomId::inbox(&user);
        assert_eq!(RoomId::parse(inbox.as_str()).unwrap(), inbox);
        assert_eq!(inbox.inbox_owner(), Some(user.as_ref()));
    }

    proptest! {
        #[test]
        fn no_accepted_name_can_spell_a_key_separator(name in ".{0,140}") {
            if let Ok(room) = RoomId::parse(name.clone()) {
                prop_assert!(!room.as_str().contains('#') && room.as_str().len() <= 128);
                prop_assert_eq!(room.into_string(), name);
            }
        }
    }
}
