//! Triggers of functions other than the gateway: records of the stream in a form of the
//! simulation's own, and messages of queues.

use std::collections::{BTreeMap, HashMap};

use domain::ports::Receipt;
use domain::{Change, ConnectionId, Endpoint, RoomId, Shard, Timestamp, UserId};
use lambda_kit::batch;
use lambda_kit::websocket::Call;
use protocol::context::Context;
use protocol::stream::{Attribute, Event, Image, Record};
use testkit::memory::Message;

/// The text of a body that cannot be parsed.
pub(crate) const POISON: &str = "\u{1}this is no message";

/// The endpoint of every post.
pub(crate) const ENDPOINT: &str = "https://gateway.invalid/simulation";

/// A queue message as Lambda passes it to a function.
pub(crate) fn message<T>(taken: &Message<T>, body: String) -> batch::Message {
    batch::Message {
        id: taken.id.clone(),
        receipt: taken.receipt.clone(),
        group: taken.group.clone(),
        receives: taken.receive_count,
        first_received_at: taken.first_taken_at.unwrap_or(taken.sent_at),
        attributes: BTreeMap::new(),
        body,
    }
}

/// A message of a standard queue.
#[must_use]
pub(crate) fn loose(
    id: String,
    queue: &str,
    body: String,
    receives: u32,
    first_received_at: Timestamp,
) -> batch::Message {
    let receipt = Receipt { queue: queue.to_owned(), handle: id.clone() };
    batch::Message { receipt, group: String::new(), receives, first_received_at, attributes: BTreeMap::new(), body, id }
}

/// A stream record that describes a change in a form of the simulation's own: only the adapter
/// knows the attributes of the real records.
#[must_use]
pub(crate) fn record(change: &Change, number: u64, at: Timestamp) -> Record {
    let mut keys: Image = BTreeMap::new();
    let mut set = |name: &str, value: &str| keys.insert(name.to_owned(), Attribute::S(value.to_owned()));
    let (what, connection, user) = match change {
        Change::Opened { connection, user, .. } => ("opened", connection, user),
        Change::Closed { connection, user, .. } => ("closed", connection, user),
        Change::Joined { connection, user, .. } => ("joined", connection, user),
        Change::Left { connection, user, .. } => ("left", connection, user),
    };
    set("what", what);
    set("connection", connection.as_ref());
    set("user", user.as_ref());
    if let Change::Joined { room, shard, .. } | Change::Left { room, shard, .. } = change {
        set("room", room.as_str());
        set("shard", &shard.to_string());
    }
    with_keys(keys, number, at)
}

/// The stream record of an outbox row; a row without a room can never be published.
#[must_use]
pub(crate) fn row(id: &str, room: Option<&RoomId>, number: u64) -> Record {
    let text = |text: &str| Attribute::S(text.to_owned());
    let keys = Image::from([("id".to_owned(), text(id))]);
    let mut row = keys.clone();
    row.insert("data".to_owned(), Attribute::N(number.to_string()));
    row.extend(room.map(|room| ("room".to_owned(), text(room.as_str()))));
    Record { new: Some(row), ..with_keys(keys, number, Timestamp::default()) }
}

/// A record that cannot be parsed.
#[must_use]
pub(crate) fn poison_record(number: u64, at: Timestamp) -> Record {
    with_keys(Image::from([("what".to_owned(), Attribute::S("joined".to_owned()))]), number, at)
}

fn with_keys(keys: Image, number: u64, at: Timestamp) -> Record {
    Record {
        event_id: format!("event-{number}"),
        sequence_number: number.to_string(),
        event: Event::Insert,
        at,
        keys,
        old: None,
        new: None,
        expired: false,
    }
}

/// Reads a record that [`record`] has written.
///
/// # Errors
/// The name of the missing or wrong attribute.
pub(crate) fn read(record: &Record) -> Result<Option<Change>, String> {
    let text = |name: &str| record.keys.get(name).and_then(Attribute::as_text).ok_or(format!("no {name}"));
    let connection = ConnectionId::parse(text("connection")?).map_err(|error| error.to_string())?;
    let user = UserId::parse(text("user")?).map_err(|error| error.to_string())?;
    let room = || RoomId::parse(text("room")?).map_err(|error| error.to_string());
    let shard = || text("shard")?.parse().map(Shard::new).map_err(|_| "no shard".to_owned());
    Ok(Some(match text("what")? {
        "opened" => Change::Opened { connection, user, device: None },
        "closed" => Change::Closed { connection, user, device: None },
        "joined" => Change::Joined { connection, user, room: room()?, shard: shard()? },
        _ => Change::Left { connection, user, room: room()?, shard: shard()? },
    }))
}

/// The event of a route, as the gateway makes it.
#[must_use]
pub(crate) fn event(
    connection: &ConnectionId,
    context: Context,
    connected_at: Timestamp,
    route: &str,
    body: String,
    n: u64,
) -> Call {
    Call {
        connection: connection.clone(),
        connected_at,
        route: route.to_owned(),
        request_id: format!("r{n}"),
        context: Ok(context),
        derived_endpoint: Endpoint::new(ENDPOINT),
        body,
        subprotocols: vec![protocol::SUBPROTOCOL.to_owned()],
        query: HashMap::new(),
    }
}

/// The description of a change in the story.
#[must_use]
pub(crate) fn describe(change: &Change) -> String {
    match change {
        Change::Opened { connection, .. } => format!("{connection} is stored"),
        Change::Closed { connection, .. } => format!("{connection} is removed"),
        Change::Joined { room, connection, .. } => format!("{connection} is a member of {room}"),
        Change::Left { room, connection, .. } => format!("{connection} is no member of {room} any more"),
    }
}
