//! Every limit: its name, its reason, and a neighbour it is checked against.

use std::time::Duration;

use crate::rate::Rate;

const KIB: usize = 1024;

/// API Gateway closes a connection that sends a larger message (1009).
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub const GATEWAY_MESSAGE_BYTES: usize = 128 * KIB;
/// API Gateway closes a connection that sends a larger frame, and meters what we post in units of this.
pub const GATEWAY_FRAME_BYTES: usize = 32 * KIB;
/// API Gateway cuts every connection after this.
pub const GATEWAY_CONNECTION_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// A room's name; a partition key (2,048 bytes) holds it with prefix and user.
pub const ROOM_NAME_BYTES: usize = 128;
/// A device's name.
pub const DEVICE_NAME_BYTES: usize = 64;
/// A publication id: room for a UUID, a ULID, or API Gateway's request id.
pub const PUBLICATION_ID_BYTES: usize = 64;
/// A connection id: API Gateway's have 16.
pub const CONNECTION_ID_BYTES: usize = 128;
/// A publication's `data`, as JSON text: one publication always fits one metered unit.
pub const DATA_BYTES: usize = 24 * KIB;
/// An ephemeral publication's `data`, as JSON text: it is carried by its jobs, several to a frame.
pub const EPHEMERAL_DATA_BYTES: usize = 4 * KIB;
/// Publications in one publish request: with their keys they fit one transaction twice over.
pub const ITEMS_PER_PUBLISH: usize = 10;
/// Publications of one connection: what somebody who types fast, or a cursor, needs, and a burst of four full requests.
pub const CONNECTION_RATE: Rate = Rate::per_second(20, 40);
/// Publications to one room: half of what its line carries (one FIFO group, one partition), so that what came in at once
/// is worked off. Backends are not refused, but counted.
pub const ROOM_RATE: Rate = Rate::per_second(50, 100);
/// Rooms that one event or outbox row may name: ten `SendMessageBatch` calls.
pub const ROOMS_PER_EVENT: usize = 100;
/// Rooms that one connection may be in, besides `*` and its inbox, and may name in a sync or a ping: one `BatchGetItem`.
pub const ROOMS_PER_CONNECTION: usize = 100;
/// A frame of several publications: one metered unit with its envelope.
pub const FRAME_BYTES: usize = 30 * KIB;
/// The replay that one reply carries.
pub const REPLAY_BYTES: usize = 30 * KIB;
/// Publications that one resume may ask for; beyond it the client is told that it missed some.
pub const RESUME_PUBLICATIONS: u64 = 1_000;
/// Publications in one history reply.
pub const HISTORY_PUBLICATIONS: usize = 100;
/// Members a shard should have: one query page, one invocation's posts.
pub const MEMBERS_PER_SHARD: u64 = 500;
/// Shards a room may have: about 500,000 members.
pub const SHARDS_PER_ROOM: u16 = 1_024;
/// Shards of `*` from the start: it never is a small room.
pub const SHARDS_OF_EVERYONE: u16 = 16;
/// A room of more shards is delivered through the wide queue.
pub const SHARDS_OF_A_NARROW_ROOM: u16 = 16;
/// Publications in one sequencing transaction: each takes two of its 100 actions, the head one.
pub const PUBLICATIONS_PER_TRANSACTION: usize = 49;
/// Actions a DynamoDB transaction may hold.
pub const TRANSACTION_ACTIONS: usize = 100;
/// Bytes a DynamoDB transaction may hold.
pub const TRANSACTION_BYTES: usize = 4 * 1024 * KIB;
/// Tries of a call that is refused because a transaction holds one of its items: of writers that hold an item for half of
/// the time, one in 1,000 is refused so often.
pub const CONFLICT_TRIES: u32 = 10;
/// The shortest pause between two of these tries: half of what a transaction takes.
pub const CONFLICT_PAUSE_SHORTEST: Duration = Duration::from_millis(5);
/// The longest pause between two of these tries: two or three transactions are over by then.
pub const CONFLICT_PAUSE_LONGEST: Duration = Duration::from_millis(40);
/// Rooms that one sync joins anew and counts. A sync of more takes what presence counted: it would send a query for each.
pub const ROOMS_COUNTED_PER_SYNC: usize = 8;
/// Members that one late job names; the rest goes into another.
pub const MEMBERS_PER_LATE_JOB: usize = 500;
/// Tries a member gets on the main line of its shard.
pub const TRIES_ON_THE_MAIN_LINE: u32 = 2;
/// Time a member gets on the main line of its shard, tries and pauses included.
pub const TIME_ON_THE_MAIN_LINE: Duration = Duration::from_millis(500);
/// A post that has no answer after this is taken for failed (it may have been delivered).
pub const POST_TIMEOUT: Duration = Duration::from_millis(400);
/// Buffer-full answers after which a member is closed: it returns and syncs.
pub const STRIKES: u8 = 3;
/// Late tries that failed otherwise after which a member is closed: it returns and syncs.
pub const LATE_TRIES: u8 = 5;
/// Receives of a message after which its queue makes it a dead letter by itself (checked against `infra/topology.yaml` by a
/// test): the function comes first, by age. A queue of AWS takes 1 to 1,000.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
pub const RECEIVES: u32 = 500;
/// A message that fails because something is unavailable or throttled is a dead letter this long after it was received for the
/// first time: hours of an outage lose nothing, and an operator has hours to act.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(4 * 60 * 60);
/// Receives after which a message is a dead letter that was refused each time, which no retry is likely to help: those behind
/// it wait about 1.5 s.
pub const RECEIVES_IF_REFUSED: u32 = 3;
/// The pause after the first failure of a message; each further failure doubles it.
pub const SHORTEST_RETRY_PAUSE: Duration = Duration::from_millis(500);
/// No pause between two tries of a message is longer: what waits for a dependency goes on this soon after it is back.
pub const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(60);
/// The visibility timeout of the queues: a message of an invocation that was killed comes back after it (checked against
/// `infra/topology.yaml` by a test).
pub const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);
/// A 410 this soon after `connectedAt` means that `$connect` has not finished.
pub const NOT_READY: Duration = Duration::from_secs(30);
/// Posts of one process of the fan-out; times the function's concurrency it stays under 80% of the account's 10,000 a
/// second (checked against `infra/topology.yaml` by a test). Its burst is half of the account's 5,000: quick batches of one
/// publication come to few processes.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
pub const POST_RATE: Rate = Rate::per_second(1_000, 2_500);
/// Posts in flight of one process of the fan-out at the most: its rate, even if a post takes 200 ms (20 to 100 were seen).
/// Each is a connection of its own, and a process may have 1,024 files open.
pub const POSTS_IN_FLIGHT: usize = 200;
/// Posts in flight that a process begins with: its rate, if a post takes 60 ms. Each is a TLS handshake of a cold process, so
/// there are no more of them before posts prove slow.
pub const POSTS_IN_FLIGHT_AT_FIRST: usize = 60;
/// Log rows that the fan-out reads and delivers at a time: the memory of a function holds them even if each is as large as
/// it can be.
pub const LOG_PAGE_ROWS: usize = 256;
/// Log rows that the fan-out reads beyond a job's own, to fill its frame: even the largest are one page of a query.
pub const LOG_ROWS_ALONG: u64 = 32;
/// Log rows that a replay or a page of history reads at a time at the most.
pub const REPLAY_PAGE_ROWS: usize = 64;
/// Time that the fan-out keeps of its deadline, to hand over the members that it did not reach: one post, one call of a queue
/// (500 ms), and the report.
pub const HAND_OVER: Duration = Duration::from_millis(1_100);
/// Time that a function keeps of its deadline, to report which messages of its batch are done and when the others return. A
/// group that works longer is stopped, so that no group costs another group of its batch.
pub const REPORT_TIME: Duration = Duration::from_millis(200);
/// How long a log row is kept.
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// A log row is in the table, or not yet expired, for certain only so long after, or before: a transaction is seen item by
/// item while it is carried out, and clocks differ.
pub const ROW_IS_VISIBLE: Duration = Duration::from_secs(60);
/// How long a head is kept after its room's last publication, or a join: a member that returns to a quiet room within half
/// of it finds the epoch that it knows.
pub const HEAD_LIFE: Duration = Duration::from_secs(8 * 24 * 60 * 60);
/// How long a publication id is remembered: longer than any queue holds a message (14 days).
pub const DEDUPE: Duration = Duration::from_secs(15 * 24 * 60 * 60);
/// How long a tombstone keeps a late connect or join from reviving a connection.
pub const TOMBSTONE: Duration = Duration::from_secs(3 * 60 * 60);
/// After this a connection cannot be alive: API Gateway cut it, the slack covers clocks.
pub const PROOF_OF_DEATH: Duration = Duration::from_secs(2 * 60 * 60 + 15 * 60);
/// How long connection and membership items live if nothing ever cleans up.
pub const CONNECTION_TTL: Duration = Duration::from_secs(3 * 60 * 60);
/// A connection without traffic for this long is stale.
pub const STALE: Duration = Duration::from_secs(12 * 60);
/// `last_seen_at` is refreshed by traffic at most this often: every keep-alive counts.
pub const TOUCH: Duration = Duration::from_secs(3 * 60);
/// Clients of `rooms.v1` ping this often, give or take the jitter.
pub const KEEP_ALIVE: Duration = Duration::from_secs(4 * 60);
/// Token keys are read again when they are this old: a removed key is refused from then on.
pub const KEYS_KEPT: Duration = Duration::from_secs(5 * 60);
/// A longer token is not looked at: a handshake's headers hold 10 KB.
pub const TOKEN_BYTES: usize = 8 * KIB;
/// What the authorizer may tell of one connection: API Gateway turns a larger answer (8 KB) into a 500.
pub const CONTEXT_BYTES: usize = 7 * KIB;
/// `nbf` of a token may lie this much ahead: who signs it has another clock. `exp` has no such slack.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(10);
/// Silent connections that the reaper looks at a second, at most: each may cost a probe or a close, which draw on the same
/// rate of the account as posts (10,000 a second, of which the fan-out takes 8,000).
pub const REAPER_RATE: Rate = Rate::per_second(500, 500);
/// Connections with expired tokens that one run of the reaper closes: the others hear nothing either, and are next.
pub const EXPIRED_PER_RUN: usize = 10_000;

/// Members a room may have unless the deployment says otherwise: one of its publications takes 10 s of the account's
/// posts (10,000 a second).
pub const ROOM_MEMBERS: u64 = 100_000;
/// A room of more members is only counted: names would be what its members are sent most.
pub const PRESENCE_NAMED_MEMBERS: u64 = 100;
/// The members of a small room are told at most this often who came and went.
pub const PRESENCE_PACE: Duration = Duration::from_secs(1);
/// The members of a larger room are told at most this often how many they are, and once more when it has settled.
pub const PRESENCE_PACE_OF_A_LARGE_ROOM: Duration = Duration::from_secs(5);
/// A shard that changed is counted again after this: the index knows by then.
pub const PRESENCE_SETTLES: Duration = Duration::from_secs(5);
/// A shard that has settled is compared with the index again after each of these: an index may lag longer than
/// [`PRESENCE_SETTLES`].
pub const PRESENCE_COMPARED: [Duration; 2] = [Duration::from_secs(25), Duration::from_secs(5 * 60)];
/// Counts are true this long after the last change.
pub const PRESENCE_TRUE: Duration = Duration::from_secs(10);
/// The clocks of two functions differ by no more than this while an index lags.
pub const PRESENCE_CLOCKS: Duration = Duration::from_millis(500);
/// What the stream, its window, and a queue that counts whole seconds may take of that.
const PRESENCE_ON_ITS_WAY: Duration = Duration::from_millis(1_250 + 1_000);
/// A job that carries its content is dropped when it is older: what it says is no news any more.
pub const CONTENT_JOB_LIFE: Duration = Duration::from_secs(10);
/// A room of more members answers `who` with their number only.
pub const WHO_MEMBERS: u64 = 1_000;
/// Users in one reply to `who` at the most.
pub const WHO_USERS: usize = 100;
/// Users in one reply to `who` that does not say how many.
pub const WHO_USERS_UNLESS_ASKED: usize = 50;
/// Devices of one user that a reply to `who` names.
pub const WHO_DEVICES: usize = 10;

/// The limits that a use case takes as an argument. [`Limits::default`] has the constants of this module, and functions run
/// with it. Simulation scales them down, so that few members and publications reach the end of every page, frame and deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// [`FRAME_BYTES`].
    pub frame_bytes: usize,
    /// [`REPLAY_BYTES`].
    pub replay_bytes: usize,
    /// [`REPLAY_PAGE_ROWS`].
    pub replay_page_rows: usize,
    /// [`LOG_PAGE_ROWS`].
    pub log_page_rows: usize,
    /// [`LOG_ROWS_ALONG`].
    pub log_rows_along: u64,
    /// [`PUBLICATIONS_PER_TRANSACTION`].
    pub publications_per_transaction: usize,
    /// [`MEMBERS_PER_LATE_JOB`].
    pub members_per_late_job: usize,
    /// [`POSTS_IN_FLIGHT`].
    pub posts_in_flight: usize,
    /// [`POST_TIMEOUT`].
    pub post_timeout: Duration,
    /// [`TIME_ON_THE_MAIN_LINE`].
    pub time_on_the_main_line: Duration,
    /// [`HAND_OVER`].
    pub hand_over: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: FRAME_BYTES,
            replay_bytes: REPLAY_BYTES,
            replay_page_rows: REPLAY_PAGE_ROWS,
            log_page_rows: LOG_PAGE_ROWS,
            log_rows_along: LOG_ROWS_ALONG,
            publications_per_transaction: PUBLICATIONS_PER_TRANSACTION,
            members_per_late_job: MEMBERS_PER_LATE_JOB,
            posts_in_flight: POSTS_IN_FLIGHT,
            post_timeout: POST_TIMEOUT,
            time_on_the_main_line: TIME_ON_THE_MAIN_LINE,
            hand_over: HAND_OVER,
        }
    }
}

const _: () = assert!(1 < RECEIVES_IF_REFUSED && RECEIVES_IF_REFUSED < RECEIVES);
const _: () = assert!(
    RECEIVES as u64 * VISIBILITY_TIMEOUT.as_secs() > GIVE_UP_AFTER.as_secs(),
    "a queue gives up later than its function, even if every invocation is killed or throttled"
);
const _: () = assert!(SHORTEST_RETRY_PAUSE.as_millis() < LONGEST_RETRY_PAUSE.as_millis());
const _: () = assert!(
    RECEIVES as u64 * LONGEST_RETRY_PAUSE.as_secs() > GIVE_UP_AFTER.as_secs(),
    "a queue gives up later than its function, whatever the pauses"
);
const _: () = assert!(GIVE_UP_AFTER.as_secs() < RETENTION.as_secs(), "the log still has what a dead letter names");
const _: () = assert!(PRESENCE_PACE.as_secs() <= PRESENCE_PACE_OF_A_LARGE_ROOM.as_secs());
const _: () = assert!(
    PRESENCE_SETTLES.as_millis() + PRESENCE_ON_ITS_WAY.as_millis() < PRESENCE_TRUE.as_millis(),
    "a change is counted for the last time before its count has to be true"
);
const _: () = assert!(
    2 * PRESENCE_NAMED_MEMBERS as usize * (ROOM_NAME_BYTES + 2) + 2 * KIB <= FRAME_BYTES,
    "everybody may go while as many come, and it still is one frame"
);
const _: () = assert!(PRESENCE_NAMED_MEMBERS <= MEMBERS_PER_SHARD && PRESENCE_NAMED_MEMBERS <= WHO_MEMBERS);
const _: () = assert!(ROOM_MEMBERS <= MEMBERS_PER_SHARD * SHARDS_PER_ROOM as u64);
const _: () = assert!(WHO_USERS_UNLESS_ASKED <= WHO_USERS && WHO_USERS as u64 <= WHO_MEMBERS);
const _: () = assert!(
    ROOM_NAME_BYTES * 2 + (DEVICE_NAME_BYTES + 3) * WHO_DEVICES + KIB < REPLAY_BYTES,
    "one user always fits a reply"
);
const _: () = assert!(DATA_BYTES + 2 * KIB <= FRAME_BYTES, "a publication with its envelope fits a frame");
const _: () = assert!(2 * EPHEMERAL_DATA_BYTES < FRAME_BYTES, "several fit a frame");
const _: () = assert!(FRAME_BYTES < GATEWAY_FRAME_BYTES && REPLAY_BYTES < GATEWAY_FRAME_BYTES);
const _: () = assert!(CONTEXT_BYTES < TOKEN_BYTES && TOKEN_BYTES + KIB < GATEWAY_FRAME_BYTES);
const _: () = assert!(2 * PUBLICATIONS_PER_TRANSACTION < TRANSACTION_ACTIONS);
const _: () = assert!(ROOMS_PER_CONNECTION <= TRANSACTION_ACTIONS, "the memberships of a sync are one transaction");
const _: () = assert!(ROOMS_COUNTED_PER_SYNC < ROOMS_PER_CONNECTION);
const _: () = assert!(CONFLICT_PAUSE_SHORTEST.as_millis() < CONFLICT_PAUSE_LONGEST.as_millis());
const _: () = assert!(
    CONFLICT_TRIES as u128 * CONFLICT_PAUSE_LONGEST.as_millis() < TIME_ON_THE_MAIN_LINE.as_millis(),
    "a call that meets nothing but transactions leaves a function most of its time"
);
const _: () = assert!(PUBLICATIONS_PER_TRANSACTION * (DATA_BYTES + 2 * KIB) < TRANSACTION_BYTES);
const _: () = assert!(ITEMS_PER_PUBLISH <= PUBLICATIONS_PER_TRANSACTION);
const _: () = assert!(
    ITEMS_PER_PUBLISH as u32 <= CONNECTION_RATE.burst() && CONNECTION_RATE.burst() <= ROOM_RATE.burst(),
    "every request is let in sooner or later, and one connection by itself does not fill a room"
);
const _: () = assert!(POSTS_IN_FLIGHT as u64 * 1_000 / 200 >= POST_RATE.count_per_second(), "a post may take 200 ms");
const _: () = assert!(POSTS_IN_FLIGHT_AT_FIRST as u64 * 1_000 / 60 >= POST_RATE.count_per_second());
const _: () = assert!(TOUCH.as_secs() < KEEP_ALIVE.as_secs(), "every keep-alive is written down");
const _: () = assert!(2 * KEEP_ALIVE.as_secs() < STALE.as_secs(), "two keep-alives may be lost");
const _: () = assert!(PROOF_OF_DEATH.as_secs() > GATEWAY_CONNECTION_LIFE.as_secs() + 10 * 60, "clocks differ");
const _: () = assert!(CONNECTION_TTL.as_secs() > PROOF_OF_DEATH.as_secs());
const _: () = assert!(TOMBSTONE.as_secs() > PROOF_OF_DEATH.as_secs());
const _: () = assert!(
    HEAD_LIFE.as_secs() / 2 > RETENTION.as_secs() + PROOF_OF_DEATH.as_secs(),
    "a head outlives its log rows and its members"
);
const _: () = assert!(DEDUPE.as_secs() > 14 * 24 * 60 * 60, "longer than any queue holds a message");
const _: () = assert!(LOG_ROWS_ALONG < LOG_PAGE_ROWS as u64 && REPLAY_PAGE_ROWS < LOG_PAGE_ROWS);
const _: () = assert!(
    POST_TIMEOUT.as_millis() + 500 + REPORT_TIME.as_millis() <= HAND_OVER.as_millis(),
    "a post that was begun in time ends in time, and a late job is queued after it"
);
const _: () = assert!(POST_TIMEOUT.as_millis() < TIME_ON_THE_MAIN_LINE.as_millis());
const _: () = assert!(SHARDS_OF_EVERYONE <= SHARDS_OF_A_NARROW_ROOM && SHARDS_OF_A_NARROW_ROOM < SHARDS_PER_ROOM);
