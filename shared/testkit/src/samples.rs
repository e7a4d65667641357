//! Values of the domain with little text. An invalid name panics, because the test is wrong.
#![allow(clippy::unwrap_used, reason = "a sample that cannot be built is a mistake in the test")]

use std::time::Duration;

use domain::{
    Append, Connection, ConnectionId, Data, DedupeKey, Endpoint, Epoch, Format, Head, Identity, Item, Membership,
    Permissions, Position, Publication, PublicationId, Publisher, Range, RoomId, Sequence, Shard, Shards, Submission,
    Timestamp, TokenId, TokenStamp, UserId,
};

/// The usual time of tests: 2025-11-24T16:00:00Z.
pub const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);
/// The management endpoint of every sample.
pub const ENDPOINT: &str = "http://127.0.0.1:3001/local";

/// Parses the name of a room.
#[must_use]
pub fn room(name: &str) -> RoomId {
    RoomId::parse(name).unwrap()
}

/// Parses the id of a user.
#[must_use]
pub fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// Parses the id of a connection.
#[must_use]
pub fn connection_id(id: &str) -> ConnectionId {
    ConnectionId::parse(id).unwrap()
}

/// Parses the id of a publication.
#[must_use]
pub fn publication_id(id: &str) -> PublicationId {
    PublicationId::parse(id).unwrap()
}

/// Parses the text of an epoch.
#[must_use]
pub fn epoch(text: &str) -> Epoch {
    Epoch::parse(text).unwrap()
}

/// Parses data from JSON text.
#[must_use]
pub fn data(json: &str) -> Data {
    Data::parse(json).unwrap()
}

/// The range after `after`, up to and including `through`.
#[must_use]
pub fn range(epoch: &Epoch, after: u64, through: u64) -> Range {
    Range { epoch: epoch.clone(), after: Sequence::new(after), through: Sequence::new(through) }
}

/// A connection that opened just now, with the format `rooms.v1`.
#[must_use]
pub fn connection(id: &str, user: &str, now: Timestamp) -> Connection {
    Connection {
        id: connection_id(id),
        user: self::user(user),
        device: None,
        endpoint: Endpoint::new(ENDPOINT),
        connected_at: now,
        last_seen_at: now,
        expires_at: None,
        format: Format::RoomsV1,
        sees_members: false,
        stamp: TokenStamp::default(),
    }
}

/// The marks of a token with this id that was issued at this time.
#[must_use]
pub fn stamp(id: &str, issued_at: Timestamp) -> TokenStamp {
    TokenStamp { id: Some(TokenId::parse(id).unwrap()), issued_at: Some(issued_at) }
}

/// The identity of a connection's user, with every permission in plain rooms.
#[must_use]
pub fn identity(connection: &Connection) -> Identity {
    Identity {
        user: connection.user.clone(),
        device: connection.device.clone(),
        guest: false,
        admin: false,
        expires_at: connection.expires_at,
        permissions: Permissions::all(),
        stamp: connection.stamp.clone(),
    }
}

/// The membership of a connection in a room, joined when the connection was last seen.
#[must_use]
pub fn membership(connection: &Connection, room: &RoomId, shard: Shard) -> Membership {
    Membership {
        room: room.clone(),
        shard,
        member: connection.member(),
        user: connection.user.clone(),
        joined_at: connection.last_seen_at,
        began_at: None,
        granted: false,
    }
}

/// The membership of a connection in `*`.
#[must_use]
pub fn everyone(connection: &Connection) -> Membership {
    let room = RoomId::everyone();
    membership(connection, &room, Shards::initial(&room).place(&connection.id))
}

/// The membership of a connection in the inbox of its user.
#[must_use]
pub fn inbox(connection: &Connection) -> Membership {
    membership(connection, &RoomId::inbox(&connection.user), Shard::FIRST)
}

/// A submission of a user: one item for each id, with the id as its data.
#[must_use]
pub fn submission(room: &str, user: &str, ids: &[&str]) -> Submission {
    let user = self::user(user);
    let item = |id: &&str| Item { id: publication_id(id), data: Data::text(id).unwrap() };
    Submission {
        room: self::room(room),
        publisher: Publisher::user(&user),
        by: user,
        sender: None,
        echo: true,
        ephemeral: None,
        held: None,
        reminder: None,
        accepted_at: NOW,
        items: ids.iter().map(item).collect(),
    }
}

/// The transaction that appends data to a log; the id of each publication contains its sequence:
/// `p<sequence>`.
#[must_use]
pub fn append(room: &RoomId, head: &Head, data: &[Data], now: Timestamp) -> Append {
    let by = user("ada");
    let place = |(n, data): (u64, &Data)| {
        let sequence = head.sequence.plus(n);
        let id = publication_id(&format!("p{sequence}"));
        let publication = Publication {
            position: Position { epoch: head.epoch.clone(), sequence },
            id: id.clone(),
            by: by.clone(),
            sender: None,
            echo: true,
            accepted_at: now.minus(Duration::from_millis(20)),
            sequenced_at: now,
            data: data.clone(),
        };
        let key = DedupeKey { room: room.clone(), publisher: Publisher::user(&by), id };
        (publication, key)
    };
    Append { room: room.clone(), head: head.clone(), publications: (1..).zip(data).map(place).collect() }
}
