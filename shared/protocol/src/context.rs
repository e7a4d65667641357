//! The context that the authorizer gives to every later event of a connection.
//!
//! API Gateway repeats the authorizer's context on `$connect`, every message and `$disconnect`. It
//! turns numbers and booleans into strings. Every value is a string here, so that no code depends
//! on that conversion.
//! Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>

use std::collections::BTreeMap;

use domain::{Device, Format, Identity, Permissions, Reject, RoomId, Timestamp, TokenId, TokenStamp, UserId};

/// The facts about a connection that are known without a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its user and permissions.
    pub identity: Identity,
    /// The format of its frames.
    pub format: Format,
    /// The room that it named at connect.
    pub room: Option<RoomId>,
}

/// A context that cannot be read: the route was reached without our authorizer.
#[derive(Debug, thiserror::Error)]
#[error("the authorizer's context cannot be read: {0}; is the authorizer attached to $connect?")]
pub struct NotOurs(String);

const USER: &str = "user";
const DEVICE: &str = "device";
const GUEST: &str = "guest";
const ADMIN: &str = "admin";
const EXPIRES_AT: &str = "expires_at";
const PERMISSIONS: &str = "permissions";
const TOKEN_ID: &str = "token_id";
const ISSUED_AT: &str = "issued_at";
const FORMAT: &str = "format";
const ROOM: &str = "room";

/// Encodes a renewed identity for storage, as JSON of the identity's part of a context.
#[must_use]
pub fn identity_text(identity: &Identity) -> String {
    serde_json::to_string(&identity_to_map(identity)).unwrap_or_default()
}

/// Parses a stored identity.
///
/// # Errors
/// [`NotOurs`] when a value is missing or invalid.
pub fn parse_identity(text: &str) -> Result<Identity, NotOurs> {
    let map: BTreeMap<String, String> = serde_json::from_str(text).map_err(|error| NotOurs(error.to_string()))?;
    identity_from_lookup(|name| map.get(name).cloned())
}

fn identity_to_map(identity: &Identity) -> BTreeMap<String, String> {
    let flag = |set: bool| set.then(|| "true".to_owned());
    [
        (USER, Some(identity.user.to_string())),
        (DEVICE, identity.device.as_ref().map(Device::to_string)),
        (GUEST, flag(identity.guest)),
        (ADMIN, flag(identity.admin)),
        (EXPIRES_AT, identity.expires_at.map(|at| at.as_ms().to_string())),
        (PERMISSIONS, serde_json::to_string(&identity.permissions).ok()),
        (TOKEN_ID, identity.stamp.id.as_ref().map(TokenId::to_string)),
        (ISSUED_AT, identity.stamp.issued_at.map(|at| at.as_ms().to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

fn identity_from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Identity, NotOurs> {
    let missing = |name: &str| NotOurs(format!("{name} is missing"));
    let parse = |reject: Reject| NotOurs(reject.message);
    let is_set = |name: &str| lookup(name).as_deref() == Some("true");
    let permissions = lookup(PERMISSIONS).ok_or_else(|| missing(PERMISSIONS))?;
    let moment = |name: &str| {
        let moment = lookup(name).map(|text| text.parse().map(Timestamp::from_ms)).transpose();
        moment.map_err(|error| NotOurs(format!("{name}: {error}")))
    };
    Ok(Identity {
        user: UserId::parse(lookup(USER).ok_or_else(|| missing(USER))?).map_err(parse)?,
        device: lookup(DEVICE).map(Device::parse).transpose().map_err(parse)?,
        guest: is_set(GUEST),
        admin: is_set(ADMIN),
        expires_at: moment(EXPIRES_AT)?,
        permissions: serde_json::from_str::<Permissions>(&permissions)
            .map_err(|error| NotOurs(format!("{PERMISSIONS}: {error}")))?,
        stamp: TokenStamp {
            id: lookup(TOKEN_ID).map(TokenId::parse).transpose().map_err(parse)?,
            issued_at: moment(ISSUED_AT)?,
        },
    })
}

impl Context {
    /// Returns the map that the authorizer answers with.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let mut map = identity_to_map(&self.identity);
        map.insert(FORMAT.to_owned(), self.format.as_str().to_owned());
        map.extend(self.room.as_ref().map(|room| (ROOM.to_owned(), room.to_string())));
        map
    }

    /// Returns the size of the authorizer's answer as JSON. The limit is
    /// [`domain::limits::CONTEXT_BYTES`].
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        serde_json::to_string(&self.to_map()).map_or(usize::MAX, |json| json.len())
    }

    /// Reads the context that a later event repeats. `lookup` returns a value by its name.
    ///
    /// # Errors
    /// [`NotOurs`] when a value is missing or invalid.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, NotOurs> {
        let missing = |name: &str| NotOurs(format!("{name} is missing"));
        let parse = |reject: Reject| NotOurs(reject.message);
        let identity = identity_from_lookup(&lookup)?;
        let format = lookup(FORMAT).ok_or_else(|| missing(FORMAT))?;
        Ok(Self {
            identity,
            format: Format::from_name(&format).ok_or_else(|| NotOurs(format!("there is no format {format:?}")))?,
            room: lookup(ROOM).map(RoomId::parse).transpose().map_err(parse)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_survives_the_gateway() {
        let context = Context {
            identity: Identity {
                user: UserId::parse("ada").unwrap(),
                device: Some(Device::parse("phone").unwrap()),
                guest: false,
                admin: true,
                expires_at: Some(Timestamp::from_ms(1_764_000_000_000)),
                permissions: Permissions::all(),
                stamp: TokenStamp {
                    id: Some(TokenId::parse("0b6c5f0e").unwrap()),
                    issued_at: Some(Timestamp::from_ms(1_763_996_400_000)),
                },
            },
            format: Format::RoomsV1,
            room: Some(RoomId::parse("lobby").unwrap()),
        };
        let map = context.to_map();
        assert_eq!(Context::from_lookup(|name| map.get(name).cloned()).unwrap(), context);
    }

    #[test]
    fn an_event_without_our_authorizer_is_refused_with_a_hint() {
        let error = Context::from_lookup(|_| None).unwrap_err().to_string();
        assert!(error.contains("is the authorizer attached to $connect?"), "{error}");
    }
}
