//! `CONN#<id>` / `CONN`: a connection, which also is its membership of `*`.

use domain::{Connection, Device, Format, Shard, Suspect, UserId, limits, liveness_shard};

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::items::member;
use crate::keys;

const USER: &str = "user";
const DEVICE: &str = "device";

/// The item. `everyone` is its shard of `*`.
pub(crate) fn to_item(connection: &Connection, everyone: Shard) -> Item {
    let mut item = member::to_item(&connection.member(), &domain::RoomId::everyone(), everyone);
    item.insert(USER.to_owned(), s(connection.user.as_ref()));
    if let Some(device) = &connection.device {
        item.insert(DEVICE.to_owned(), s(device.as_ref()));
    }
    item.insert(keys::LIVENESS_SHARD.to_owned(), s(keys::liveness(liveness_shard(&connection.id))));
    item.insert(keys::LAST_SEEN_AT.to_owned(), n(connection.last_seen_at.as_ms()));
    item.insert(keys::TTL.to_owned(), n(connection.connected_at.plus(limits::CONNECTION_TTL).as_s()));
    item
}

/// The connection of an item that is not a tombstone.
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
    })
}

/// Whose it is.
pub(crate) fn user(item: &Item) -> Result<UserId, Unreadable> {
    item.parsed(USER, UserId::parse)
}

/// On which device, if that is known.
pub(crate) fn device(item: &Item) -> Result<Option<Device>, Unreadable> {
    item.maybe_text(DEVICE).map(|_| item.parsed(DEVICE, Device::parse)).transpose()
}

/// What `by_liveness` projects.
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
    use domain::{ConnectionId, Endpoint, Timestamp};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_connection_survives_its_item(id in "[A-Za-z0-9+/=_-]{1,16}", at in 0_u64..1 << 53, seen in 0_u64..1 << 53, device in prop::option::of("[a-z]{1,9}"), expires in prop::option::of(0_u64..1 << 53)) {
            let connection = Connection {
                id: ConnectionId::parse(id).unwrap(),
                user: UserId::parse("ada").unwrap(),
                device: device.map(|name| Device::parse(name).unwrap()),
                endpoint: Endpoint::new("https://x/prod"),
                connected_at: Timestamp::from_ms(at),
                last_seen_at: Timestamp::from_ms(seen),
                expires_at: expires.map(Timestamp::from_ms),
                format: Format::RoomsV1,
            };
            let item = to_item(&connection, Shard::new(3));
            prop_assert_eq!(&from_item(&item).unwrap(), &connection);
            prop_assert_eq!(suspect(&item).unwrap().last_seen_at, connection.last_seen_at);
        }
    }
}
