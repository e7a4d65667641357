/**
 * Times and bounds of the client rules, with the same names and reasons as in
 * `clients/rust/src/rules/times.rs`.
 */

/**
 * Blocks above a gap are held this long before the gap is asked for: the missing one is usually
 * just slower.
 */
export const HOLD_MS = 2_000;
/**
 * Asking for a gap waits up to this much longer, so that the members of a room do not all ask at
 * once.
 */
export const HOLD_JITTER_MS = 1_000;
/**
 * After a join, the position is checked at these times: a member that a stale index read missed
 * finds out.
 */
export const SETTLE_MS = [2_000, 10_000];
/** Two settling pings that are closer together than this are one ping. */
export const SETTLE_APART_MS = 500;
/** A client that is behind waits this long before it asks: the publication may be on its way. */
export const BEHIND_MS = 2_000;
/** Interval of keep-alive pings. */
export const KEEP_ALIVE_MS = 510_000;
export const KEEP_ALIVE_JITTER_MS = 20_000;
/**
 * The connection is pinged if a request has no answer after this time. The request is sent again if
 * the pong comes and the answer does not.
 */
export const REQUEST_TIMEOUT_MS = 10_000;
/**
 * A connection is given up if nothing comes for this time after a ping. If frames come but no pong,
 * the server is only slow, and the next ping is sent.
 */
export const PONG_TIMEOUT_MS = 10_000;
/** After this many pings in a row without a pong the connection is given up, whatever else comes. */
export const UNANSWERED_PINGS = 6;
/** The same after a wake-up: the connection is often dead, and the user waits. */
export const WAKE_TIMEOUT_MS = 3_000;
/**
 * A deadline that was noticed late is extended once by this, so that queued frames are read first.
 */
export const GRACE_MS = 1_000;
/** Longest first pause; it doubles with each failed try (full jitter). */
export const BACKOFF_BASE_MS = 500;
/** No pause is longer. */
export const BACKOFF_CAP_MS = 20_000;
/** Shortest pause after `bye` with `later`. */
export const LATER_MS = 5_000;
/** A connection is replaced at this age: API Gateway closes it at two hours. */
export const ROTATE_MS = 6_600_000;
export const ROTATE_JITTER_MS = 300_000;
/** A failed replacement is tried again after this time. */
export const ROTATE_RETRY_MS = 60_000;
/** A token is renewed this long before it expires, and sooner by up to as much again. */
export const RENEW_BEFORE_MS = 60_000;
/** Two renewals, and two tokens of handshakes that were refused, are at least this far apart. */
export const RENEW_APART_MS = 1_000;
/** A client that can get tokens ends after this many refused tokens in a row. */
export const REFUSED_TOKENS = 3;
/**
 * The replaced connection is read this long after its successor is whole: until the first settling
 * pong.
 */
export const OVERLAP_MS = 3_000;
/** A refused ping or renewal is repeated after a pause as if this many tries had failed. */
export const LATE_TRIES = 4;

/** Publications of one room that are held above a gap. */
export const HELD_MESSAGES = 1_000;
/** Bytes of one room that are held above a gap. */
export const HELD_BYTES = 1_048_576;
/** Size of a held message beside its data. */
export const HELD_OVERHEAD_BYTES = 256;
/** Epochs of one room that are remembered after the room has left them. */
export const EPOCHS_LEFT = 8;
/** Publications that wait to be accepted, all rooms together. */
export const WAITING_PUBLICATIONS = 1_000;
/** Bytes of data that wait to be accepted, all rooms together. */
export const WAITING_BYTES = 4_194_304;
/** Questions (history, who) that wait for an answer. */
export const WAITING_QUESTIONS = 16;
/** A question is given up after this many tries. */
export const QUESTION_TRIES = 5;

/** Limits of the server (PROTOCOL.md, "Limits"). */
export const ROOMS_PER_CONNECTION = 100;
export const ITEMS_PER_PUBLISH = 10;
export const ROOM_NAME_BYTES = 128;
export const FRAME_BYTES = 30_720;
export const DATA_BYTES = 24_576;
export const EPHEMERAL_DATA_BYTES = 4_096;
export const DATA_LEVELS = 127;
export const PAGE = 100;
/** Size of an item in a publish request beside its id and data. */
export const ITEM_BYTES = 32;
