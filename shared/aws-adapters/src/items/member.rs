//! `CONN#<id>` / `ROOM#<room>`: a membership. In `by_room` it is listed under its shard.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::Joined;
use domain::{
    Endpoint, Epoch, Format, Holding, Member, Membership, Position, RoomId, Sequence, Shard, Timestamp, UserId, limits,
};

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::keys;

/// The endpoint at which the connection is posted to.
pub(crate) const ENDPOINT: &str = "endpoint";
/// The time when the connection opened, in milliseconds.
pub(crate) const CONNECTED_AT: &str = "connected_at";
/// The time when the connection's token expires, in milliseconds.
pub(crate) const EXPIRES_AT: &str = "expires_at";
/// The format of the connection's frames.
pub(crate) const FORMAT: &str = "format";
const USER: &str = "user";
const JOINED_AT: &str = "joined_at";
/// Set if a backend granted the membership.
const GRANTED: &str = "granted";
/// Set if the member may see the names of the room's members.
pub(crate) const SEES_MEMBERS: &str = "sees_members";
/// The epoch and the sequence of the room's head when the membership began.
const BEGAN_AT_EPOCH: &str = "began_at_epoch";
const BEGAN_AT_SEQ: &str = "began_at_seq";

/// The attributes of [`holding`].
pub(crate) const HELD: &str = "sk, granted, expires_at, sees_members, began_at_epoch, began_at_seq";

/// Builds the part that `by_room` projects: the keys, and all attributes that a delivery needs.
pub(crate) fn to_item(member: &Member, room: &RoomId, shard: Shard) -> Item {
    let mut item = keys::membership(&member.connection, room);
    let mut set = |name: &str, value| item.insert(name.to_owned(), value);
    set(keys::ROOM_SHARD, s(keys::room_shard(room, shard)));
    set(keys::CONNECTION, s(keys::connection_pk(&member.connection)));
    set(ENDPOINT, s(member.endpoint.as_str()));
    set(CONNECTED_AT, n(member.connected_at.as_ms()));
    if let Some(at) = member.expires_at {
        set(EXPIRES_AT, n(at.as_ms()));
    }
    set(FORMAT, s(member.format.as_str()));
    if member.sees_members {
        set(SEES_MEMBERS, AttributeValue::Bool(true));
    }
    item
}

/// Builds the item of a membership.
pub(crate) fn membership(membership: &Membership) -> Item {
    let mut item = to_item(&membership.member, &membership.room, membership.shard);
    item.insert(USER.to_owned(), s(membership.user.as_ref()));
    item.insert(JOINED_AT.to_owned(), n(membership.joined_at.as_ms()));
    if membership.granted {
        item.insert(GRANTED.to_owned(), AttributeValue::Bool(true));
    }
    if let Some(Position { epoch, sequence }) = &membership.began_at {
        item.insert(BEGAN_AT_EPOCH.to_owned(), s(epoch.as_str()));
        item.insert(BEGAN_AT_SEQ.to_owned(), n(sequence.get()));
    }
    let ttl = membership.member.connected_at.plus(limits::CONNECTION_TTL).as_s();
    item.insert(keys::TTL.to_owned(), n(ttl));
    item
}

/// Reads the user of a membership's item.
pub(crate) fn user(item: &Item) -> Result<UserId, Unreadable> {
    item.parsed(USER, UserId::parse)
}

/// Reads the time since which a membership exists.
pub(crate) fn joined_at(item: &Item) -> Result<Timestamp, Unreadable> {
    item.moment(JOINED_AT)
}

/// Reads the attributes that a renewal needs.
pub(crate) fn holding(item: &Item) -> Result<Holding, Unreadable> {
    Ok(Holding {
        room: keys::parse_room_key(item, keys::SK)?,
        granted: item.contains_key(GRANTED),
        expires_at: item.maybe_moment(EXPIRES_AT)?,
        began_at: began_at(item)?,
        sees_members: item.contains_key(SEES_MEMBERS),
    })
}

/// Reads the result of a join from the membership that stood before.
pub(crate) fn joined_before(item: &Item) -> Result<Joined, Unreadable> {
    let (expires_at, began_at) = (item.maybe_moment(EXPIRES_AT)?, began_at(item)?);
    Ok(Joined::Already { expires_at, began_at, sees_members: item.contains_key(SEES_MEMBERS) })
}

fn began_at(item: &Item) -> Result<Option<Position>, Unreadable> {
    if !item.contains_key(BEGAN_AT_EPOCH) {
        return Ok(None);
    }
    let sequence = Sequence::new(item.number(BEGAN_AT_SEQ)?);
    Ok(Some(Position { epoch: item.parsed(BEGAN_AT_EPOCH, Epoch::parse)?, sequence }))
}

/// Reads the member of a membership's item, of a connection's item, or of the attributes that
/// `by_room` projects.
pub(crate) fn from_item(item: &Item) -> Result<Member, Unreadable> {
    Ok(Member {
        connection: keys::parse_connection_pk(item, keys::PK)?,
        endpoint: Endpoint::new(item.text(ENDPOINT)?),
        connected_at: item.moment(CONNECTED_AT)?,
        expires_at: item.maybe_moment(EXPIRES_AT)?,
        format: item.parsed(FORMAT, |name| Format::from_name(&name).ok_or("no such format"))?,
        sees_members: item.contains_key(SEES_MEMBERS),
    })
}
