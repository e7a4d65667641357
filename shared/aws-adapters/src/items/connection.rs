//! `CONN#<id>` / `CONN`: a connection. The item is also the connection's membership of `*`.

use domain::ports::Lapsed;
use domain::{
    Connection, Device, Format, Identity, Shard, Suspect, Timestamp, TokenId, TokenStamp, UserId, limits,
    liveness_shard,
};
use protocol::context::parse_identity;

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::items::member;
use crate::keys;

const USER: &str = "user";
/// The device that the last token names.
pub(crate) const DEVICE: &str = "device";
/// The id of the current token.
pub(crate) const TOKEN_ID: &str = "token_id";
/// The time at which the current token was issued, in milliseconds.
pub(crate) const ISSUED_AT: &str = "issued_at";
/// The current identity, if the token was renewed: JSON of the identity's part of an authorizer's
/// context.
pub(crate) const IDENTITY: &str = "identity";
/// The time until which its requests use up its rate, in milliseconds.
const BUSY_UNTIL: &str = "busy_until";
/// The time of the last renewal of its token, in milliseconds.
const RENEWED_AT: &str = "renewed_at";

/// Builds the item. `everyone` is the connection's shard of `*`.
pub(crate) fn to_item(connection: &Connection, everyone: Shard) -> Item {
    let mut item = member::to_item(&connection.member(), &domain::RoomId::everyone(), everyone);
    item.insert(USER.to_owned(), s(connection.user.as_ref()));
    if let Some(device) = &connection.device {
        item.insert(DEVICE.to_owned(), s(device.as_ref()));
    }
    if let Some(id) = &connection.stamp.id {
        item.insert(TOKEN_ID.to_owned(), s(id.as_ref()));
    }
    if let Some(at) = connection.stamp.issued_at {
        item.insert(ISSUED_AT.to_owned(), n(at.as_ms()));
    }
    item.insert(keys::LIVENESS_SHARD.to_owned(), s(keys::liveness(liveness_shard(&connection.id))));
    item.insert(keys::LAST_SEEN_AT.to_owned(), n(connection.last_seen_at.as_ms()));
    item.insert(keys::TTL.to_owned(), n(connection.connected_at.plus(limits::CONNECTION_TTL).as_s()));
    item
}

/// Reads the connection of an item that is not a tombstone.
pub(crate) fn from_item(item: &Item) -> Result<Connection, Unreadable> {
    let member = member::from_item(item)?;
    Ok(Connection {
        id: member.connection,
        user: user(item)?,
        device: device(item)?,
        endpoint: member.endpoint,
        connected_at: member.connected_at,
        last_seen_at: item.moment(keys::LAST_SEEN_AT)?,
        expires_at: member.expires_at,
        format: member.format,
        sees_members: member.sees_members,
        stamp: stamp(item)?,
    })
}

/// Reads the marks of the current token.
fn stamp(item: &Item) -> Result<TokenStamp, Unreadable> {
    let id = item.contains_key(TOKEN_ID).then(|| item.parsed(TOKEN_ID, TokenId::parse)).transpose()?;
    Ok(TokenStamp { id, issued_at: item.maybe_moment(ISSUED_AT)? })
}

/// Reads the user of the connection.
pub(crate) fn user(item: &Item) -> Result<UserId, Unreadable> {
    item.parsed(USER, UserId::parse)
}

/// Reads the device of the connection, if it is known.
pub(crate) fn device(item: &Item) -> Result<Option<Device>, Unreadable> {
    item.maybe_text(DEVICE).map(|_| item.parsed(DEVICE, Device::parse)).transpose()
}

/// Reads the time until which the rate is used up. `None` for a connection that sent no request.
pub(crate) fn used_until(item: &Item) -> Result<Option<Timestamp>, Unreadable> {
    item.maybe_moment(BUSY_UNTIL)
}

/// Reads the time of the last renewal of the token, if there was one.
pub(crate) fn renewed_at(item: &Item) -> Result<Option<Timestamp>, Unreadable> {
    item.maybe_moment(RENEWED_AT)
}

/// Reads the current identity, if the token was renewed.
pub(crate) fn identity(item: &Item) -> Result<Option<Identity>, Unreadable> {
    let identity = item.maybe_text(IDENTITY).map(parse_identity).transpose();
    identity.map_err(|error| Unreadable::Invalid(IDENTITY, error.to_string()))
}

/// Reads the attributes that `by_expiry` projects.
pub(crate) fn lapsed(item: &Item) -> Result<Lapsed, Unreadable> {
    Ok(Lapsed {
        connection: keys::parse_connection_pk(item, keys::PK)?,
        endpoint: domain::Endpoint::new(item.text(member::ENDPOINT)?),
        format: item.parsed(member::FORMAT, |name| Format::from_name(&name).ok_or("no such format"))?,
        expires_at: item.moment(member::EXPIRES_AT)?,
    })
}

/// Reads the attributes that `by_liveness` projects.
pub(crate) fn suspect(item: &Item) -> Result<Suspect, Unreadable> {
    Ok(Suspect {
        connection: keys::parse_connection_pk(item, keys::PK)?,
        endpoint: domain::Endpoint::new(item.text(member::ENDPOINT)?),
        connected_at: item.moment(member::CONNECTED_AT)?,
        last_seen_at: item.moment(keys::LAST_SEEN_AT)?,
        format: item.parsed(member::FORMAT, |name| Format::from_name(&name).ok_or("no such format"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ConnectionId, Endpoint, Pattern, Permissions};
    use proptest::prelude::*;
    use protocol::context::identity_text;

    fn stamp_of_any_token() -> impl Strategy<Value = TokenStamp> {
        let id = prop::option::of("[!-\"$-~]{1,128}").prop_map(|id| id.map(|id| TokenId::parse(id).unwrap()));
        let issued_at = prop::option::of(0_u64..1 << 53).prop_map(|at| at.map(Timestamp::from_ms));
        (id, issued_at).prop_map(|(id, issued_at)| TokenStamp { id, issued_at })
    }

    proptest! {
        #[test]
        fn a_connection_survives_its_item(id in "[A-Za-z0-9+/=_-]{1,16}", at in 0_u64..1 << 53, seen in 0_u64..1 << 53, device in prop::option::of("[a-z]{1,9}"), expires in prop::option::of(0_u64..1 << 53), sees_members in any::<bool>(), stamp in stamp_of_any_token()) {
            let connection = Connection {
                id: ConnectionId::parse(id).unwrap(),
                user: UserId::parse("ada").unwrap(),
                device: device.map(|name| Device::parse(name).unwrap()),
                endpoint: Endpoint::new("https://x/prod"),
                connected_at: Timestamp::from_ms(at),
                last_seen_at: Timestamp::from_ms(seen),
                expires_at: expires.map(Timestamp::from_ms),
                format: Format::RoomsV1,
                sees_members,
                stamp,
            };
            let item = to_item(&connection, Shard::new(3));
            prop_assert_eq!(&from_item(&item).unwrap(), &connection);
            prop_assert_eq!(suspect(&item).unwrap().last_seen_at, connection.last_seen_at);
            prop_assert_eq!(lapsed(&item).ok().map(|lapsed| lapsed.expires_at), connection.expires_at);
        }

        #[test]
        fn a_renewed_identity_survives_its_attribute(pattern in ".{0,9}", admin in any::<bool>(), device in prop::option::of("[a-z]{1,9}"), expires in prop::option::of(0_u64..1 << 53), stamp in stamp_of_any_token()) {
            let join = vec![Pattern::new(pattern)];
            let renewed = Identity {
                user: UserId::parse("ada").unwrap(),
                device: device.map(|name| Device::parse(name).unwrap()),
                guest: false,
                admin,
                expires_at: expires.map(Timestamp::from_ms),
                permissions: Permissions { join, ..Permissions::default() },
                stamp,
            };
            let item = Item::from([(IDENTITY.to_owned(), s(identity_text(&renewed)))]);
            prop_assert_eq!(identity(&item).unwrap(), Some(renewed));
            prop_assert_eq!(identity(&Item::new()).unwrap(), None);
        }
    }
}
