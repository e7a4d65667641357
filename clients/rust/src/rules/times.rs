//! The times and bounds of a client, each with its reason. Times are in milliseconds.

use domain::limits;

/// Hold time of a block above a gap, before the gap is requested. The missing block is usually only
/// slower.
pub const HOLD_MS: u64 = 2_000;
/// Maximum extra time before a gap is requested, so that the members of a room do not all request
/// it at once.
pub const HOLD_JITTER_MS: u64 = 1_000;
/// Times after a join at which the position is checked. They repair a member that a stale index
/// read missed.
pub const SETTLE_MS: [u64; 2] = [2_000, 10_000];
/// Settling pings within this distance are merged.
pub const SETTLE_APART_MS: u64 = 500;
/// Wait after a pong that reports a higher position, before the client sends a request. The
/// publication may be on its way.
pub const BEHIND_MS: u64 = 2_000;
/// Interval of keep-alive pings, with the positions of the rooms.
pub const KEEP_ALIVE_MS: u64 = limits::KEEP_ALIVE.as_millis() as u64;
/// Jitter of that interval, in both directions.
pub const KEEP_ALIVE_JITTER_MS: u64 = 20_000;
/// The connection is pinged if a request has no reply after this time. The request is sent again if
/// the pong arrives and the reply does not.
pub const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// A connection is closed if neither a pong nor another frame arrives for this time after a ping.
/// If another frame arrives, the server is only slow, and the next ping is sent.
pub const PONG_TIMEOUT_MS: u64 = 10_000;
/// Successive pings without a pong after which a connection is closed, whatever else arrives.
pub const UNANSWERED_PINGS: u32 = 6;
/// Maximum of the first pause; it doubles with every try. The pause is drawn between 0 and the
/// maximum (full jitter). Source:
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
pub const BACKOFF_BASE_MS: u64 = 500;
/// Upper bound of that maximum.
pub const BACKOFF_CAP_MS: u64 = 20_000;
/// Minimum pause after a `bye` with `later`.
pub const LATER_MS: u64 = 5_000;
/// Age at which a connection is replaced: API Gateway cuts it at two hours.
pub const ROTATE_MS: u64 = 110 * 60_000;
/// Jitter of that age, in both directions, so that clients that connected together do not reconnect
/// together.
pub const ROTATE_JITTER_MS: u64 = 5 * 60_000;
/// Pause after a failed replacement, before the next one.
pub const ROTATE_RETRY_MS: u64 = 60_000;
/// Time before its expiry at which a token is renewed, or a quarter of its life if that is less.
/// Jitter of the same size is added, so that clients that connected together do not renew together.
pub const RENEW_BEFORE_MS: u64 = 60_000;
/// Minimum distance between renewals, for tokens with a short life. It is also the minimum pause
/// after a handshake whose token was refused: a revocation refuses tokens of its own second, since
/// the claim `iat` counts whole seconds, so only a token that was issued later is accepted.
pub const RENEW_APART_MS: u64 = 1_000;
/// Successive refused tokens after which a client with renewable tokens ends. The first may have
/// expired on its way, and the second may have met keys that were just exchanged.
pub const REFUSED_TOKENS: u32 = 3;
/// Time for which the replaced connection is still read after the new one is whole: until the first
/// settling pong.
pub const OVERLAP_MS: u64 = 3_000;

/// Maximum publications of one room held above a gap. The log delivers more of them sooner.
pub const HELD_MESSAGES: usize = limits::RESUME_PUBLICATIONS as usize;
/// Maximum bytes of one room held above a gap.
pub const HELD_BYTES: usize = 1024 * 1024;
/// Former epochs of one room that are remembered, so that their late blocks are recognised. A room
/// changes its epoch after a restore, or after its log was empty for long. No block is late for
/// more than a few such changes.
pub const EPOCHS_LEFT: usize = 8;
/// Maximum publications of all rooms that wait to be accepted.
pub const WAITING_PUBLICATIONS: usize = 1_000;
/// Maximum bytes of data of all rooms that wait to be accepted.
pub const WAITING_BYTES: usize = 4 * 1024 * 1024;
/// Maximum questions (for history and members) that wait for an answer.
pub const WAITING_QUESTIONS: usize = 16;
/// Tries after which a question is abandoned.
pub const QUESTION_TRIES: u32 = 5;

/// Bytes of a position in a sync or a ping, besides the room's name.
const POSITION_BYTES: usize = 64;

const _: () = assert!(
    KEEP_ALIVE_MS - KEEP_ALIVE_JITTER_MS > limits::TOUCH.as_millis() as u64,
    "every keep-alive must be recorded"
);
const _: () = assert!(2 * (KEEP_ALIVE_MS + KEEP_ALIVE_JITTER_MS) < limits::STALE.as_millis() as u64);
const _: () = assert!(
    ROTATE_MS - ROTATE_JITTER_MS > limits::EXCHANGED_AFTER.as_millis() as u64,
    "the connection that is exchanged must not count as another connection of the user"
);
const _: () = assert!(ROTATE_MS + ROTATE_JITTER_MS < limits::GATEWAY_CONNECTION_LIFE.as_millis() as u64);
const _: () =
    assert!(OVERLAP_MS > SETTLE_MS[0], "the first settling ping must come before the close of the replaced connection");
const _: () = assert!(
    limits::ROOMS_PER_CONNECTION * (limits::ROOM_NAME_BYTES + POSITION_BYTES) < limits::GATEWAY_FRAME_BYTES,
    "all rooms of a connection must fit one sync"
);
const _: () = assert!(WAITING_BYTES > 10 * limits::DATA_BYTES);
