//! Fields of log lines, by entity, as `entity.property`.

/// A field of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(pub &'static str);

macro_rules! fields {
    ($($(#[$doc:meta])+ $name:ident = $text:literal;)+) => {
        $($(#[$doc])+ pub const $name: Field = Field($text);)+
        /// All fields, in this order.
        pub const ALL: &[Field] = &[$($name),+];
    };
}

fields! {
    /// The function that wrote the line.
    FUNCTION = "function";
    /// Lambda's request id.
    REQUEST_ID = "request.id";
    /// The route or trigger.
    ROUTE = "request.route";
    /// `ok`, a reject code, or `failed`.
    OUTCOME = "outcome";
    /// The duration of the invocation, in milliseconds.
    DURATION_MS = "duration_ms";
    /// The connection that the line is about.
    CONNECTION_ID = "connection.id";
    /// The room that the line is about.
    ROOM_ID = "room.id";
    /// The shard of that room.
    ROOM_SHARD = "room.shard";
    /// The epoch of that room.
    ROOM_EPOCH = "room.epoch";
    /// Publications that an invocation handled: the first ten.
    PUBLICATION_ID = "publication.id";
    /// Ranges that an invocation sequenced or delivered: `room epoch.first-last`, the first ten.
    PUBLICATION_RANGE = "publication.range";
    /// Posts of an invocation by shard, the first ten shards: `room shard posts deliveries bytes
    /// late slowest_ms`.
    ROOM_TALLY = "room.tally";
    /// The status of the answer to the gateway.
    STATUS = "response.status";
    /// The field that a request was refused for.
    REJECT_FIELD = "reject.field";
    /// The error, as text.
    ERROR = "error";
    /// The id of the queue message that the line is about.
    MESSAGE_ID = "message.id";
    /// The number of receives of that message.
    MESSAGE_RECEIVES = "message.receives";
    /// The key of an outbox row.
    OUTBOX_KEY = "outbox.key";
}
