//! The only place where keys are built and parsed. Names contain no `#`, so no name can form
//! another name's key.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Ban, BanScope, ConnectionId, DedupeKey, Epoch, Position, RoomId, Sequence, Shard, Timestamp, UserId};

use crate::attributes::{Item, ItemBuilder, Read, Unreadable, s};

/// Partition key of both tables.
pub(crate) const PK: &str = "pk";
/// Sort key of both tables.
pub(crate) const SK: &str = "sk";
/// Index of members by room and shard.
pub(crate) const BY_ROOM: &str = "by_room";
/// Partition key of `by_room`.
pub(crate) const ROOM_SHARD: &str = "room_shard";
/// Sort key of `by_room`.
pub(crate) const CONNECTION: &str = "connection";
/// Index of connections by the time when they were last seen.
pub(crate) const BY_LIVENESS: &str = "by_liveness";
/// Partition key of `by_liveness`.
pub(crate) const LIVENESS_SHARD: &str = "liveness_shard";
/// Index of connections by the expiry of their token. Connections without a token are not in it.
pub(crate) const BY_EXPIRY: &str = "by_expiry";
/// Sort key of `by_liveness`.
pub(crate) const LAST_SEEN_AT: &str = "last_seen_at";
/// The time after which DynamoDB may remove the item, in seconds since 1970.
pub(crate) const TTL: &str = "ttl";

/// Prefix of the sort keys of memberships.
pub(crate) const ROOM: &str = "ROOM#";

const CONN: &str = "CONN";
const HEAD: &str = "HEAD";
const PRESENCE: &str = "PRESENCE";
const DELIVERED: &str = "DELIVERED";
const DEDUPE: &str = "DEDUPE";
const HELD: &str = "HELD";
const USER: &str = "USER";
const RATE: &str = "RATE";

/// `CONN#<id>`.
pub(crate) fn connection_pk(connection: &ConnectionId) -> String {
    format!("{CONN}#{connection}")
}

/// Parses `CONN#<id>`.
pub(crate) fn parse_connection_pk(item: &Item, name: &'static str) -> Result<ConnectionId, Unreadable> {
    let id = item.text(name)?.strip_prefix("CONN#").ok_or(Unreadable::Missing(name))?;
    ConnectionId::parse(id).map_err(|error| Unreadable::Invalid(name, error.to_string()))
}

/// `ROOM#<room>`: sort key of a membership, partition key of a room's log.
pub(crate) fn room_key(room: &RoomId) -> String {
    format!("ROOM#{room}")
}

/// Parses `ROOM#<room>`.
pub(crate) fn parse_room_key(item: &Item, name: &'static str) -> Result<RoomId, Unreadable> {
    let room = item.text(name)?.strip_prefix("ROOM#").ok_or(Unreadable::Missing(name))?;
    RoomId::parse(room).map_err(|error| Unreadable::Invalid(name, error.to_string()))
}

/// `ROOM#<room>#<shard>`.
pub(crate) fn room_shard(room: &RoomId, shard: Shard) -> String {
    format!("ROOM#{room}#{shard}")
}

/// Parses the shard of `ROOM#<room>#<shard>`.
pub(crate) fn parse_shard(item: &Item, room: &RoomId) -> Result<Shard, Unreadable> {
    let text = item.text(ROOM_SHARD)?;
    let number = text.strip_prefix(&room_key(room)).and_then(|rest| rest.strip_prefix('#')).map(str::parse);
    match number {
        Some(Ok(number)) => Ok(Shard::new(number)),
        _ => Err(Unreadable::Invalid(ROOM_SHARD, format!("{text:?} is no shard of {room}"))),
    }
}

/// `LIVE#<n>`.
pub(crate) fn liveness(shard: u16) -> String {
    format!("LIVE#{shard}")
}

/// Returns the key of a connection or its tombstone.
pub(crate) fn connection(id: &ConnectionId) -> Item {
    key(connection_pk(id), CONN)
}

/// Reports whether a sort key is that of a connection or its tombstone.
pub(crate) fn is_connection(sort: &str) -> bool {
    sort == CONN
}

/// Returns the key of a membership. The membership of `*` is the connection's own item.
pub(crate) fn membership(connection: &ConnectionId, room: &RoomId) -> Item {
    let sort = if room.is_everyone() { CONN.to_owned() } else { room_key(room) };
    key(connection_pk(connection), sort)
}

/// Returns the key of a room's head. It has a partition of its own, because every join, publication
/// and ping reads the head while resumes and history read the log.
pub(crate) fn head(room: &RoomId) -> Item {
    key(format!("{HEAD}#{room}"), HEAD)
}

/// Parses the room of a head's partition key, `HEAD#<room>`.
pub(crate) fn parse_head_pk(item: &Item) -> Result<RoomId, Unreadable> {
    let room = item.text(PK)?.strip_prefix("HEAD#").ok_or(Unreadable::Missing(PK))?;
    RoomId::parse(room).map_err(|error| Unreadable::Invalid(PK, error.to_string()))
}

/// Returns the key of a room's presence. It has a partition of its own, because joins read it while
/// resumes read the log.
pub(crate) fn presence(room: &RoomId) -> Item {
    key(format!("{PRESENCE}#{room}"), PRESENCE)
}

/// Parses the room of a presence's partition key, `PRESENCE#<room>`.
pub(crate) fn parse_presence_pk(item: &Item) -> Result<RoomId, Unreadable> {
    let room = item.text(PK)?.strip_prefix("PRESENCE#").ok_or(Unreadable::Missing(PK))?;
    RoomId::parse(room).map_err(|error| Unreadable::Invalid(PK, error.to_string()))
}

/// Key of a room's hold: a partition of its own, which can be read while that of the head is too
/// busy.
pub(crate) fn hold(room: &RoomId) -> Item {
    key(format!("{HELD}#{room}"), HELD)
}

/// Parses the room of a hold's partition key, `HELD#<room>`.
pub(crate) fn parse_hold_pk(item: &Item) -> Result<RoomId, Unreadable> {
    let room = item.text(PK)?.strip_prefix("HELD#").ok_or(Unreadable::Missing(PK))?;
    RoomId::parse(room).map_err(|error| Unreadable::Invalid(PK, error.to_string()))
}

/// Returns the key of a shard's progress. It has a partition of its own, because every job of every
/// shard writes one.
pub(crate) fn delivered(room: &RoomId, shard: Shard, epoch: &Epoch) -> Item {
    key(room_shard(room, shard), format!("{DELIVERED}#{epoch}"))
}

/// Returns the sort key of a log row: `PUB#<epoch>#<sequence, 20 digits>`, so that the order of the
/// texts is that of the log.
pub(crate) fn log_sk(epoch: &Epoch, sequence: Sequence) -> String {
    format!("PUB#{epoch}#{:020}", sequence.get())
}

/// Returns the key of a log row.
pub(crate) fn log(room: &RoomId, position: &Position) -> Item {
    key(room_key(room), log_sk(&position.epoch, position.sequence))
}

/// Parses the sort key of a log row.
pub(crate) fn parse_log_sk(item: &Item) -> Result<(Epoch, Sequence), Unreadable> {
    let text = item.text(SK)?;
    let parts = text.strip_prefix("PUB#").and_then(|rest| rest.split_once('#'));
    let (epoch, sequence) = parts.ok_or(Unreadable::Missing(SK))?;
    let invalid = |problem: String| Unreadable::Invalid(SK, problem);
    let sequence = sequence.parse().map_err(|_| invalid(format!("{sequence:?} is no sequence")))?;
    Ok((Epoch::parse(epoch).map_err(|error| invalid(error.to_string()))?, Sequence::new(sequence)))
}

/// Returns the key of a dedupe row.
pub(crate) fn dedupe(key_: &DedupeKey) -> Item {
    key(format!("{DEDUPE}#{}#{}#{}", key_.room, key_.publisher, key_.id), DEDUPE)
}

/// `USER#<user>`: the partition of a user's connections in the rooms table.
pub(crate) fn directory_pk(user: &UserId) -> String {
    format!("{USER}#{user}")
}

/// Returns the key of the entry of a user's connection.
pub(crate) fn directory(user: &UserId, connection: &ConnectionId) -> Item {
    key(directory_pk(user), connection_pk(connection))
}

/// Returns the key of a user's rate. It is in the connections table, because the function that
/// charges it for publications may not write to the rooms table.
pub(crate) fn user_rate(user: &UserId) -> Item {
    key(directory_pk(user), RATE)
}

/// Prefix of the sort keys of the entries of a user's connections.
pub(crate) const CONNECTIONS: &str = "CONN#";
/// Prefix of the sort keys of a user's bans.
pub(crate) const BAN: &str = "BAN#";
/// The partition of recent bans.
pub(crate) const BANS: &str = "BANS";

/// Returns the key of a ban, in the partition of its user's connections.
pub(crate) fn ban(ban: &Ban) -> Item {
    key(directory_pk(&ban.user), format!("{BAN}{}", scope_text(&ban.scope)))
}

/// Returns the key of a ban among the recent ones.
pub(crate) fn recent_ban(ban: &Ban, at: Timestamp) -> Item {
    key(BANS, format!("{}#{}#{}", recent_bans_since(at), ban.user, scope_text(&ban.scope)))
}

/// Returns the first sort key of the bans that were stored since a moment: its milliseconds in 15
/// digits, so that the order of the text is that of time.
pub(crate) fn recent_bans_since(since: Timestamp) -> String {
    format!("{:015}", since.as_ms())
}

/// Returns the place of a scope among the bans of a user. No device has a `#` in its name.
fn scope_text(scope: &BanScope) -> String {
    match scope {
        BanScope::User => String::new(),
        BanScope::Device(device) => device.to_string(),
        BanScope::Token(id) => format!("TOKEN#{id}"),
        BanScope::IssuedBefore(_) => "ISSUED#".to_owned(),
    }
}

/// Returns the key from which a query of `by_room` continues after this connection.
pub(crate) fn by_room_start(room: &RoomId, shard: Shard, after: &ConnectionId) -> HashMap<String, AttributeValue> {
    let mut start = membership(after, room);
    start.insert(ROOM_SHARD.to_owned(), s(room_shard(room, shard)));
    start.insert(CONNECTION.to_owned(), s(connection_pk(after)));
    start
}

fn key(partition: impl Into<String>, sort: impl Into<String>) -> Item {
    ItemBuilder::default().set(PK, s(partition)).set(SK, s(sort)).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_order_of_log_keys_is_the_order_of_the_log(a in any::<u64>(), b in any::<u64>()) {
            let epoch = Epoch::parse("k7Qf").unwrap();
            let (one, other) = (log_sk(&epoch, Sequence::new(a)), log_sk(&epoch, Sequence::new(b)));
            prop_assert_eq!(one.cmp(&other), a.cmp(&b));
        }

        #[test]
        fn no_two_rooms_and_shards_share_a_key(a in "[a-z:.0-9]{1,6}", b in "[a-z:.0-9]{1,6}", n in 0_u16..30, m in 0_u16..30) {
            let (x, y) = (RoomId::parse(a).unwrap(), RoomId::parse(b).unwrap());
            let same = x == y && n == m;
            prop_assert_eq!(room_shard(&x, Shard::new(n)) == room_shard(&y, Shard::new(m)), same);
        }
    }
}
