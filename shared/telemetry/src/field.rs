//! What a log line may say: by entity, as `entity.property`.

/// A field of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(pub &'static str);

macro_rules! fields {
    ($($(#[$doc:meta])+ $name:ident = $text:literal;)+) => {
        $($(#[$doc])+ pub const $name: Field = Field($text);)+
        /// All of them.
        pub const ALL: &[Field] = &[$($name),+];
    };
}

fields! {
    /// Which function.
    FUNCTION = "function";
    /// Lambda's request id.
    REQUEST_ID = "request.id";
    /// The route or trigger.
    ROUTE = "request.route";
    /// `ok`, a reject code, or `failed`.
    OUTCOME = "outcome";
    /// How long the invocation took.
    DURATION_MS = "duration_ms";
    /// Which connection.
    CONNECTION_ID = "connection.id";
    /// Which room; only on lines about one.
    ROOM_ID = "room.id";
    /// Which shard of it.
    ROOM_SHARD = "room.shard";
    /// Which life of the room.
    ROOM_EPOCH = "room.epoch";
    /// Publications that an invocation had in hand: the first ten.
    PUBLICATION_ID = "publication.id";
    /// What an invocation gave positions, or delivered: `room epoch.first-last`, the first ten.
    PUBLICATION_RANGE = "publication.range";
    /// Where a room stands, or what a line is about.
    PUBLICATION_SEQUENCE = "publication.sequence";
    /// What the status of a handshake was.
    STATUS = "response.status";
    /// The field a request was refused for.
    REJECT_FIELD = "reject.field";
    /// What went wrong.
    ERROR = "error";
    /// Which queue message.
    MESSAGE_ID = "message.id";
    /// How often it was received.
    MESSAGE_RECEIVES = "message.receives";
    /// The key of an outbox row.
    OUTBOX_KEY = "outbox.key";
}
