//! Changes that the stream of the connections table reports, as domain types.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::Change;
use protocol::stream::{Attribute, Image, Record};

use crate::attributes::{Item, Read, Unreadable};
use crate::items::{connection, member, tombstone};
use crate::keys;

/// A record that cannot be read, now or later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record of the connections table cannot be read: {0}")]
pub struct UnreadableRecord(#[from] Unreadable);

/// Returns the change that a record of the connections table's stream reports. `None` if no
/// connection or member came or went: for example a connection was only touched, a tombstone
/// expired, or a membership was renewed.
///
/// # Errors
/// [`UnreadableRecord`] when an item lacks an attribute that all items of its kind have.
pub fn change_of(record: &Record) -> Result<Option<Change>, UnreadableRecord> {
    let key = item(&record.keys);
    let (old, new) = (record.old.as_ref().map(item), record.new.as_ref().map(item));
    let sort = key.text(keys::SK)?;
    if keys::is_connection(sort) {
        return Ok(connection_change(old, new)?);
    }
    if sort.starts_with(keys::ROOM) {
        return Ok(membership_change(&key, old, new)?);
    }
    Ok(None)
}

fn connection_change(old: Option<Item>, new: Option<Item>) -> Result<Option<Change>, Unreadable> {
    let lives = |item: Option<Item>| item.filter(|item| !tombstone::is(item));
    match (lives(old), lives(new)) {
        (None, Some(item)) => {
            let (connection, user, device) = who(&item)?;
            Ok(Some(Change::Opened { connection, user, device }))
        }
        (Some(item), None) => {
            let (connection, user, device) = who(&item)?;
            Ok(Some(Change::Closed { connection, user, device }))
        }
        _ => Ok(None),
    }
}

type Who = (domain::ConnectionId, domain::UserId, Option<domain::Device>);

fn who(item: &Item) -> Result<Who, Unreadable> {
    Ok((keys::parse_connection_pk(item, keys::PK)?, connection::user(item)?, connection::device(item)?))
}

fn membership_change(key: &Item, old: Option<Item>, new: Option<Item>) -> Result<Option<Change>, Unreadable> {
    let room = keys::parse_room_key(key, keys::SK)?;
    let connection = keys::parse_connection_pk(key, keys::PK)?;
    match (old, new) {
        (None, Some(item)) => {
            let (shard, user) = (keys::parse_shard(&item, &room)?, member::user(&item)?);
            Ok(Some(Change::Joined { room, shard, connection, user }))
        }
        (Some(item), None) => {
            let (shard, user) = (keys::parse_shard(&item, &room)?, member::user(&item)?);
            Ok(Some(Change::Left { room, shard, connection, user }))
        }
        _ => Ok(None),
    }
}

/// Keeps strings and numbers: a change needs no attribute of another type.
fn item(image: &Image) -> Item {
    let value = |attribute: &Attribute| match attribute {
        Attribute::S(text) => Some(AttributeValue::S(text.clone())),
        Attribute::N(number) => Some(AttributeValue::N(number.clone())),
        _ => None,
    };
    image.iter().filter_map(|(name, attribute)| Some((name.clone(), value(attribute)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Connection, ConnectionId, Device, Endpoint, Format, Membership, RoomId, Shard, Timestamp, UserId};
    use protocol::stream::Event;

    fn connection() -> Connection {
        Connection {
            id: ConnectionId::parse("L0SM9cOFvHcCIhw=").unwrap(),
            user: UserId::parse("ada").unwrap(),
            device: Some(Device::parse("phone").unwrap()),
            endpoint: Endpoint::new("https://x/prod"),
            connected_at: Timestamp::from_ms(1),
            last_seen_at: Timestamp::from_ms(2),
            expires_at: None,
            format: Format::RoomsV1,
            sees_members: false,
            stamp: domain::TokenStamp::default(),
        }
    }

    fn image(item: &Item) -> Image {
        let value = |value: &AttributeValue| match value {
            AttributeValue::S(text) => Attribute::S(text.clone()),
            AttributeValue::N(number) => Attribute::N(number.clone()),
            other => panic!("{other:?}"),
        };
        item.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect()
    }

    /// Returns the change that is reported when an item changes from one state to another.
    fn told(old: Option<&Item>, new: Option<&Item>) -> Option<Change> {
        let any = old.or(new).unwrap();
        let keys = any.iter().filter(|(name, _)| [keys::PK, keys::SK].contains(&name.as_str()));
        let keys = keys.map(|(name, value)| (name.clone(), value.clone())).collect();
        let event = match (old, new) {
            (None, _) => Event::Insert,
            (_, None) => Event::Remove,
            _ => Event::Modify,
        };
        let record = Record {
            event_id: "e".to_owned(),
            sequence_number: "1".to_owned(),
            event,
            at: Timestamp::from_ms(3),
            keys: image(&keys),
            old: old.map(image),
            new: new.map(image),
            expired: false,
        };
        change_of(&record).unwrap()
    }

    #[test]
    fn a_connection_comes_once_and_goes_once() {
        let connection = connection();
        let live = connection::to_item(&connection, Shard::new(3));
        let touched = connection::to_item(
            &Connection { last_seen_at: Timestamp::from_ms(9), ..connection.clone() },
            Shard::new(3),
        );
        let buried = tombstone::to_item(&connection.id, Timestamp::from_ms(10));
        let again = tombstone::to_item(&connection.id, Timestamp::from_ms(11));
        let Connection { id, user, device, .. } = connection;
        let opened = Change::Opened { connection: id.clone(), user: user.clone(), device: device.clone() };
        let closed = Change::Closed { connection: id, user, device };
        assert_eq!(told(None, Some(&live)), Some(opened));
        assert_eq!(told(Some(&live), Some(&touched)), None);
        assert_eq!(told(Some(&live), Some(&buried)), Some(closed.clone()));
        assert_eq!(told(Some(&live), None), Some(closed), "it outlived its time");
        assert_eq!(told(None, Some(&buried)), None, "it never was");
        assert_eq!(told(Some(&buried), Some(&again)), None);
        assert_eq!(told(Some(&buried), None), None);
    }

    #[test]
    fn a_member_comes_to_its_shard_and_goes_from_it() {
        let connection = connection();
        let room = RoomId::parse("team:7").unwrap();
        let membership = |joined_at| {
            member::membership(&Membership {
                room: room.clone(),
                shard: Shard::new(31),
                member: connection.member(),
                user: connection.user.clone(),
                joined_at: Timestamp::from_ms(joined_at),
                began_at: None,
                granted: false,
            })
        };
        let (item, renewed) = (membership(5), membership(6));
        let (shard, id, user) = (Shard::new(31), connection.id.clone(), connection.user.clone());
        let joined = Change::Joined { room: room.clone(), shard, connection: id.clone(), user: user.clone() };
        assert_eq!(told(None, Some(&item)), Some(joined));
        assert_eq!(told(Some(&item), Some(&renewed)), None);
        assert_eq!(told(Some(&item), None), Some(Change::Left { room: room.clone(), shard, connection: id, user }));
    }

    #[test]
    fn an_item_that_lacks_what_ours_have_says_what() {
        let mut live = image(&connection::to_item(&connection(), Shard::FIRST));
        let keys = [keys::PK, keys::SK].map(|name| (name.to_owned(), live[name].clone())).into();
        live.remove("user");
        let record = Record {
            event_id: String::new(),
            sequence_number: String::new(),
            event: Event::Insert,
            at: Timestamp::default(),
            keys,
            old: None,
            new: Some(live),
            expired: false,
        };
        let error = change_of(&record).unwrap_err().to_string();
        assert_eq!(error, "a record of the connections table cannot be read: item has no readable attribute user");
    }
}
