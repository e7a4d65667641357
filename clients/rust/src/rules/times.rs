//! Every time and bound a client keeps to, in milliseconds where it is a time, each with its reason.

use domain::limits;

/// What arrives above a gap is held this long before the gap is asked for: the missing one is usually just slower.
pub const HOLD_MS: u64 = 2_000;
/// Asking for a gap waits up to this much longer, so that the members of a room do not all ask at once.
pub const HOLD_JITTER_MS: u64 = 1_000;
/// After joining, the position is checked at these times: a member that a stale index read missed finds out.
pub const SETTLE_MS: [u64; 2] = [2_000, 10_000];
/// Settling pings that would be closer together than this are one.
pub const SETTLE_APART_MS: u64 = 500;
/// A client that a pong said to be behind asks only if it still is after this: the publication may be on its way.
pub const BEHIND_MS: u64 = 2_000;
/// How often a client says that it is alive, and where it stands.
pub const KEEP_ALIVE_MS: u64 = limits::KEEP_ALIVE.as_millis() as u64;
/// Give or take.
pub const KEEP_ALIVE_JITTER_MS: u64 = 20_000;
/// A request that has no answer after this is sent again, and the connection is asked whether it is alive.
pub const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// A connection that owes a pong for this long is given up.
pub const PONG_TIMEOUT_MS: u64 = 10_000;
/// The longest first pause; it doubles with every try. The pause itself is anything from nothing to that (full jitter).
/// Source: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
pub const BACKOFF_BASE_MS: u64 = 500;
/// No pause is longer.
pub const BACKOFF_CAP_MS: u64 = 20_000;
/// The shortest pause of a client that was told to come back later.
pub const LATER_MS: u64 = 5_000;
/// A connection is replaced at this age: API Gateway would cut it at two hours.
pub const ROTATE_MS: u64 = 110 * 60_000;
/// Give or take, so that clients which came together do not all return together.
pub const ROTATE_JITTER_MS: u64 = 5 * 60_000;
/// A replacement that failed is tried again after this.
pub const ROTATE_RETRY_MS: u64 = 60_000;
/// A token is renewed this long before it expires, or a quarter of its time if that is less; and sooner by up to as much
/// again, so that clients which came together do not all renew together.
pub const RENEW_BEFORE_MS: u64 = 60_000;
/// Renewals are so far apart at least, if the tokens that are got do not last.
pub const RENEW_APART_MS: u64 = 1_000;
/// So many tokens in a row are refused before a client that can get another one stops: the first may have expired on its
/// way, and the second found keys that had just been exchanged.
pub const REFUSED_TOKENS: u32 = 3;
/// The replaced connection is heard this long after its successor is whole: until the first settling pong.
pub const OVERLAP_MS: u64 = 3_000;

/// Publications of one room that are held above a gap; more of them come sooner from the log.
pub const HELD_MESSAGES: usize = limits::RESUME_PUBLICATIONS as usize;
/// Bytes of one room that are held above a gap.
pub const HELD_BYTES: usize = 1024 * 1024;
/// Epochs of one room that are remembered after the room has left them: a block of one of them is late. A room changes its
/// epoch when it is restored or its log has been empty for long, and no block is late for longer than a few of those.
pub const EPOCHS_LEFT: usize = 8;
/// Publications that wait to be accepted, all rooms together.
pub const WAITING_PUBLICATIONS: usize = 1_000;
/// Bytes of data that wait to be accepted, all rooms together.
pub const WAITING_BYTES: usize = 4 * 1024 * 1024;
/// Questions (for history, and who is there) that wait for an answer.
pub const WAITING_QUESTIONS: usize = 16;
/// Tries after which a question is given up.
pub const QUESTION_TRIES: u32 = 5;

/// What a position takes in a sync or a ping beside its room's name.
const POSITION_BYTES: usize = 64;

const _: () = assert!(KEEP_ALIVE_MS - KEEP_ALIVE_JITTER_MS > limits::TOUCH.as_millis() as u64, "each counts");
const _: () = assert!(2 * (KEEP_ALIVE_MS + KEEP_ALIVE_JITTER_MS) < limits::STALE.as_millis() as u64);
const _: () = assert!(ROTATE_MS + ROTATE_JITTER_MS < limits::GATEWAY_CONNECTION_LIFE.as_millis() as u64);
const _: () = assert!(OVERLAP_MS > SETTLE_MS[0], "the successor has been checked once");
const _: () = assert!(
    limits::ROOMS_PER_CONNECTION * (limits::ROOM_NAME_BYTES + POSITION_BYTES) < limits::GATEWAY_FRAME_BYTES,
    "all rooms fit one sync"
);
const _: () = assert!(WAITING_BYTES > 10 * limits::DATA_BYTES);
