//! Every limit, with its name, its reason, and a check against a related limit.

use std::time::Duration;

use crate::post_rate::PostRate;
use crate::rate::Rate;
use crate::timestamp::Timestamp;

const KIB: usize = 1024;

/// API Gateway closes a connection that sends a larger message, with code 1009.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub const GATEWAY_MESSAGE_BYTES: usize = 128 * KIB;
/// API Gateway closes a connection that sends a larger frame. It meters our posts in units of this
/// size.
pub const GATEWAY_FRAME_BYTES: usize = 32 * KIB;
/// API Gateway cuts every connection at this age.
pub const GATEWAY_CONNECTION_LIFE: Duration = Duration::from_secs(2 * 60 * 60);
/// API Gateway closes a connection after this time without a frame in either direction. Source: as
/// above.
pub const GATEWAY_IDLE: Duration = Duration::from_secs(10 * 60);

/// Bytes of a room's name. A partition key (2,048 bytes) holds it with a prefix and a user.
pub const ROOM_NAME_BYTES: usize = 128;
/// Bytes of a device's name.
pub const DEVICE_NAME_BYTES: usize = 64;
/// Bytes of a publication id. A UUID, a ULID and API Gateway's request id fit.
pub const PUBLICATION_ID_BYTES: usize = 64;
/// Bytes of the id of a token (`jti`). A UUID with a prefix of its issuer fits.
pub const TOKEN_ID_BYTES: usize = 128;
/// Bytes of a connection id. API Gateway's ids have 16.
pub const CONNECTION_ID_BYTES: usize = 128;
/// Bytes of a publication's `data`, as JSON text. One publication always fits one metered unit.
pub const DATA_BYTES: usize = 24 * KIB;
/// Bytes of an ephemeral publication's `data`, as JSON text. Its jobs carry it, and one frame
/// carries several.
pub const EPHEMERAL_DATA_BYTES: usize = 4 * KIB;
/// Publications in one publish request. With their keys they fit one transaction twice over.
pub const ITEMS_PER_PUBLISH: usize = 10;
/// Publications of one connection: enough for fast typing or a cursor, and a burst of four full
/// requests.
pub const CONNECTION_RATE: Rate = Rate::per_second(20, 40);
/// Units of all requests of one connection, and once more of one user over all its connections,
/// publications included (each takes 50). A unit stands
/// for about one read of a row. The burst lets a client that returns join 100 rooms and list their
/// members one by one.
pub const REQUEST_RATE: Rate = Rate::per_second(1_000, 10_000);
/// Units of a sync, besides [`SYNC_ROOM_UNITS`].
pub const SYNC_UNITS: u32 = 10;
/// Units of each room of a sync: its membership, its head, its count, and its share of the replay.
pub const SYNC_ROOM_UNITS: u32 = 3;
/// Units of a join: about eight calls, and a replay of its own.
pub const JOIN_UNITS: u32 = 25;
/// Units of a leave: two writes, and a count of the room afterwards.
pub const LEAVE_UNITS: u32 = 10;
/// Units of a page of history, besides one for each [`ROWS_PER_UNIT`] publications.
pub const HISTORY_UNITS: u32 = 15;
/// Rows that a unit stands for: two eventually consistent reads cost as much as one consistent
/// read.
pub const ROWS_PER_UNIT: u32 = 2;
/// Units of a list of users that reads at most [`WHO_READS_INCLUDED`].
pub const WHO_UNITS: u32 = 25;
/// Reads of members, and twice of shards, that [`WHO_UNITS`] covers. Rooms in which presence names
/// users stay below.
pub const WHO_READS_INCLUDED: u32 = 110;
/// Units of a ping, besides [`PING_ROOM_UNITS`].
pub const PING_UNITS: u32 = 20;
/// Units of each room of a ping: its head.
pub const PING_ROOM_UNITS: u32 = 1;
/// Units of a renewal of the token: the check of a signature.
pub const AUTH_UNITS: u32 = 50;
/// Silence of a connection after which a small request is not charged to its user: longer than the
/// pauses of a fast exchange, shorter than those of most conversations.
pub const QUIET: Duration = Duration::from_secs(5);
/// Units of such a request at the most: a ping with the positions of all rooms. One publication,
/// whatever its units.
pub const SMALL_REQUEST_UNITS: u32 = PING_UNITS + PING_ROOM_UNITS * ROOMS_PER_CONNECTION as u32;
/// Connections of one user, unless the deployment sets another number: a person with ten devices
/// and five tabs on each.
pub const USER_CONNECTIONS: usize = 50;
/// Connections that one new connection ends at the most. Each new connection adds one, so a user
/// with more comes down to its number.
pub const ENDED_PER_CONNECT: usize = 10;
/// Entries of a user's directory that are compared with the stored connections at the same time.
pub const ENTRIES_READ_AT_ONCE: usize = 32;
/// Age after which an entry without a stored connection is not of a handshake that goes on: the
/// functions' timeout, and the difference of their clocks, twice.
pub const HANDSHAKE_OVER: Duration = Duration::from_secs(60);
/// Age at which a client exchanges its connection for another one. So an exchange takes no place of
/// the user's other connections.
pub const EXCHANGED_AFTER: Duration = Duration::from_secs(104 * 60);
/// Pause between two renewals of the token of a connection. Each extends all of its memberships.
pub const RENEWAL_PAUSE: Duration = Duration::from_secs(5);
/// Publications to one room: half of the rate that its line carries (one FIFO group, one
/// partition), so that a burst is worked off. Members are refused beyond it, and backends are held.
pub const ROOM_RATE: Rate = Rate::per_second(50, 100);
/// The share of one publisher in a room: what a person writes. A tenth of the rate of the room, and
/// two full requests at once.
pub const PUBLISHER_SHARE: Rate = Rate::per_second(5, 20);
/// Publications of the burst of a room that are left to others by a publisher that has used up its
/// share: half of the burst.
pub const LEFT_TO_OTHERS: u32 = ROOM_RATE.burst() / 2;
/// Publishers whose shares a head records: more than can be beyond their share at the rate of the
/// room. With them a head stays below 1 KB, one unit of a write.
pub const PUBLISHERS_RECORDED: usize = 16;
/// Publications that a shard may lack before its room gets no more jobs: this number divided by the
/// number of shards. So about as many jobs of a room wait at the most. In a room of 16 shards each
/// has one job then, and its jobs are four batches for the six places of the queue.
pub const JOBS_PER_ROOM: u64 = 64;
/// Shards whose progress is read before jobs are queued.
pub const SHARDS_COMPARED: u16 = 16;
/// Shards of a room that are done wait so long for the others, which may have lost a job.
pub const SHARDS_WAIT: Duration = Duration::from_secs(5);
/// No room waits longer for its shards, however far behind all of them are.
pub const SHARDS_WAIT_LONGEST: Duration = Duration::from_secs(2 * 60);
/// The shortest pause before a reminder is received again: SQS counts whole seconds.
pub const REMINDER_PAUSE: Duration = Duration::from_secs(1);
/// Messages at the front of a FIFO queue that SQS searches for groups that can be received. The
/// groups behind them wait.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/avoid-backlog-with-the-same-message-group-id.html>
pub const FIFO_MESSAGES_SEARCHED: u64 = 120_000;
/// The most publications of backends that one room holds: 4 min of its rate. Further publications
/// become dead letters. Up to ten rooms with this number delay no held publication of another room.
pub const HELD_PER_ROOM: u64 = 12_000;
/// Held publications that the sequencer works off at a time: half of the room's burst is left to
/// members.
pub const HELD_AT_ONCE: u32 = ROOM_RATE.burst() / 2;
/// The time for which a room is held after its last held publication. No held publication waits
/// longer, so a publication that is not held afterwards cannot overtake a held one.
pub const HOLD_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// Receives of the first held message after which the sequencer sends the gate of the hold: each
/// receive before was followed by [`GATE_PAUSE`], so no function that read the room before the hold
/// began is still at work.
pub const RECEIVES_BEFORE_GATE: u32 = 3;
/// The pause after each of these receives.
pub const GATE_PAUSE: Duration = Duration::from_secs(3);
/// The timeout of the functions that publish for backends (checked against `infra/topology.yaml` by
/// a test).
pub const BACKEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Payloads that go into one submission of several publications of backends: SQS charges by 64 KiB.
pub const PARCEL_BYTES: usize = 48 * KIB;
/// Rooms that one event or outbox row may name: ten `SendMessageBatch` calls.
pub const ROOMS_PER_EVENT: usize = 100;
/// Rooms of one connection, besides `*` and its inbox, and of one sync or ping: one `BatchGetItem`.
pub const ROOMS_PER_CONNECTION: usize = 100;
/// Bytes of a frame of several publications: one metered unit with its envelope.
pub const FRAME_BYTES: usize = 30 * KIB;
/// Bytes of the replay in one reply.
pub const REPLAY_BYTES: usize = 30 * KIB;
/// Publications that one resume may request. A client that lacks more gets `recovered: false`.
pub const RESUME_PUBLICATIONS: u64 = 1_000;
/// Publications in one history reply.
pub const HISTORY_PUBLICATIONS: usize = 100;
/// Members that a shard should have: one page of a query, and the posts of one invocation.
pub const MEMBERS_PER_SHARD: u64 = 500;
/// Shards that a room may have: about 500,000 members.
pub const SHARDS_PER_ROOM: u16 = 1_024;
/// Initial shards of `*`, which is never a small room.
pub const SHARDS_OF_EVERYONE: u16 = 16;
/// Rooms with more shards are delivered through the wide queue.
pub const SHARDS_OF_A_NARROW_ROOM: u16 = 16;
/// Publications in one sequencing transaction. Each takes two of its 100 actions, the head one.
pub const PUBLICATIONS_PER_TRANSACTION: usize = 49;
/// Actions in one DynamoDB transaction.
pub const TRANSACTION_ACTIONS: usize = 100;
/// Bytes in one DynamoDB transaction.
pub const TRANSACTION_BYTES: usize = 4 * 1024 * KIB;
/// Tries of a call that is refused because a transaction holds one of its items. With writers that
/// hold an item half of the time, one call in 1,000 is refused so often.
pub const CONFLICT_TRIES: u32 = 10;
/// The shortest pause between these tries: half the duration of a transaction.
pub const CONFLICT_PAUSE_SHORTEST: Duration = Duration::from_millis(5);
/// The longest pause between these tries: the duration of two or three transactions.
pub const CONFLICT_PAUSE_LONGEST: Duration = Duration::from_millis(40);
/// New rooms of one sync whose shards are counted. A larger sync uses the counts of presence, since
/// it would send one query for each room.
pub const ROOMS_COUNTED_PER_SYNC: usize = 8;
/// Members that one late job names. The remaining members go into another job.
pub const MEMBERS_PER_LATE_JOB: usize = 500;
/// Tries for each member on the main line of its shard.
pub const TRIES_ON_THE_MAIN_LINE: u32 = 2;
/// Time for each member on the main line of its shard, including tries and pauses.
pub const TIME_ON_THE_MAIN_LINE: Duration = Duration::from_millis(500);
/// A post without a response after this time counts as failed. It may have been delivered.
pub const POST_TIMEOUT: Duration = Duration::from_millis(400);
/// Buffer-full responses after which a member's connection is closed. The client reconnects and
/// syncs.
pub const STRIKES: u8 = 3;
/// Late tries with another failure after which a member's connection is closed. The client
/// reconnects and syncs.
pub const LATE_TRIES: u8 = 5;
/// Receives of a message after which its queue moves it to the dead-letter queue (a test compares
/// this with `infra/topology.yaml`). The function gives up earlier, by age. SQS accepts 1 to 1,000.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
pub const RECEIVES: u32 = 500;
/// Age, from its first receive, at which a message becomes a dead letter if it fails because a
/// dependency is unavailable or throttled. So an outage of hours loses nothing, and an operator has
/// hours to act.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(4 * 60 * 60);
/// Receives after which a message becomes a dead letter if it was refused each time, since a retry
/// is unlikely to help. The messages behind it wait about 1.5 s.
pub const RECEIVES_IF_REFUSED: u32 = 3;
/// The pause after the first failure of a message. Each further failure doubles it.
pub const SHORTEST_RETRY_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two tries of a message: the longest delay after a dependency is back.
pub const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(60);
/// The visibility timeout of the queues: a message of a killed invocation returns after it (a test
/// compares this with `infra/topology.yaml`).
pub const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);
/// A 410 within this time after `connectedAt` means that `$connect` has not finished.
pub const NOT_READY: Duration = Duration::from_secs(30);
/// Posts of one process of the fan-out, unless the deployment gives it another share. Times the
/// function's concurrency, this stays under 80% of the account's 10,000 a second (a test compares
/// this with `infra/topology.yaml`). The burst is half of the account's 5,000, because quick
/// batches of one publication run in few processes.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
pub const POST_RATE: PostRate = PostRate::new(1_000, 2_500);
/// The lowest rate of posts that a deployment may give to a process: enough for the members of a
/// full shard within the timeout of the function, 5 s.
pub const POSTS_PER_SECOND_AT_LEAST: u32 = 100;
/// Maximum posts in flight of one process of the fan-out: its full rate, even at 200 ms for each
/// post (20 to 100 ms were observed). Each post in flight is one TCP connection, and a process may
/// have 1,024 open files.
pub const POSTS_IN_FLIGHT: usize = 200;
/// Initial posts in flight of a process: its full rate at 60 ms for each post. Each needs a TLS
/// handshake in a cold process, so the number grows only when posts prove slow.
pub const POSTS_IN_FLIGHT_AT_FIRST: usize = 60;
/// Log rows that the fan-out reads and delivers at a time. They fit the memory of a function even
/// at the maximum size of a row.
pub const LOG_PAGE_ROWS: usize = 256;
/// Log rows that the fan-out reads beyond the range of a job, to fill its frame. At the maximum
/// size they are one page of a query.
pub const LOG_ROWS_ALONG: u64 = 32;
/// Maximum log rows that a replay or a page of history reads at a time.
/// Each may be of the largest size although the rows before were small: 100 read units then.
pub const REPLAY_PAGE_ROWS: usize = 32;
/// Time before its deadline that the fan-out reserves to hand over the members that it did not
/// reach: one post, one queue call (500 ms), and the report.
pub const HAND_OVER: Duration = Duration::from_millis(1_100);
/// Time before its deadline that a function reserves to report the finished messages of its batch
/// and the return times of the others. A group that works longer is stopped, so that it does not
/// cost the other groups of the batch.
pub const REPORT_TIME: Duration = Duration::from_millis(200);
/// Retention of log rows.
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// Tolerance around the moments at which a log row appears and expires. A transaction becomes
/// visible item by item while it is carried out, and clocks differ.
pub const ROW_IS_VISIBLE: Duration = Duration::from_secs(60);
/// Life of a head after its room's last publication or join. A member that returns to a quiet room
/// within half of it finds the epoch that it knows.
pub const HEAD_LIFE: Duration = Duration::from_secs(8 * 24 * 60 * 60);
/// Retention of a publication id: longer than the maximum retention of a queue (14 days).
pub const DEDUPE: Duration = Duration::from_secs(15 * 24 * 60 * 60);
/// Connections of one user that are closed at the same time, by a command, or by the reaper for a
/// ban. All connections of a user are closed in two rounds, each as long as two posts at most.
pub const CLOSED_AT_ONCE: usize = 25;
/// The time for which a ban is in the list of recent bans. In this time several runs of the reaper
/// close connections that opened or renewed their token at the moment of the ban.
pub const BAN_LISTED: Duration = Duration::from_secs(10 * 60);
/// The age of the recent bans that a run of the reaper enforces again: it covers three runs, and
/// the life of an invocation that read the bans before.
pub const BAN_ENFORCED: Duration = Duration::from_secs(3 * 60);
/// The end of a ban whose command names none: the end of the year 9999, as for tokens.
pub const BAN_WITHOUT_END: Timestamp = Timestamp::from_ms(253_402_300_799_000);
/// Life of a tombstone. It prevents a late connect or join from reviving a connection.
pub const TOMBSTONE: Duration = Duration::from_secs(3 * 60 * 60);
/// Age at which a connection cannot be alive: API Gateway has cut it, and the margin covers clock
/// differences.
pub const PROOF_OF_DEATH: Duration = Duration::from_secs(2 * 60 * 60 + 15 * 60);
/// TTL of connection and membership items, if no function removes them.
pub const CONNECTION_TTL: Duration = Duration::from_secs(3 * 60 * 60);
/// Silence after which a connection is stale.
pub const STALE: Duration = Duration::from_secs(20 * 60);
/// Traffic updates `last_seen_at` at most this often. So every keep-alive counts.
pub const TOUCH: Duration = Duration::from_secs(8 * 60);
/// Interval of the pings of `rooms.v1` clients, before jitter. API Gateway closes a connection that
/// was idle for 10 min, and each ping costs more than the minutes of connection before it.
pub const KEEP_ALIVE: Duration = Duration::from_secs(8 * 60 + 30);
/// Age at which token keys are read again. A removed key is refused from then on.
pub const KEYS_KEPT: Duration = Duration::from_secs(5 * 60);
/// Difference between the time at which a request was signed and the time of the server. Clocks of
/// servers differ by less, and a signature that was seen by another is of no use for long.
pub const SIGNATURE_AGE: Duration = Duration::from_secs(5 * 60);
/// Bytes of the body of a request over HTTP: publications of the largest size, and what stands
/// around them.
pub const HTTP_BODY_BYTES: usize = ITEMS_PER_PUBLISH * (DATA_BYTES + KIB);
/// Bytes of the header `Idempotency-Key`. With the number of an entry behind it, it is the id of a
/// publication.
pub const IDEMPOTENCY_KEY_BYTES: usize = PUBLICATION_ID_BYTES - 2;
/// Pause before a backend repeats a request to a room that holds as many publications as it may: in
/// this time the room works off 250 of them.
pub const HELD_PAUSE: Duration = Duration::from_secs(5);
/// Maximum bytes of a token. The headers of a handshake hold 10 KB.
pub const TOKEN_BYTES: usize = 8 * KIB;
/// Bytes of the authorizer's context for one connection. API Gateway turns a larger response (8 KB)
/// into a 500.
pub const CONTEXT_BYTES: usize = 7 * KIB;
/// Tolerance for `nbf`, since the clock of the token's issuer differs. `exp` has no tolerance.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(10);
/// Time by which the moment of a revocation may lie after the clock of the function that carries it
/// out: clocks of functions differ by up to 25 s. A moment in other units than milliseconds lies
/// years ahead.
pub const REVOCATION_AHEAD: Duration = Duration::from_secs(60);
/// Maximum silent connections that the reaper judges a second. Each may cost a probe or a close,
/// which use the account's rate of posts (10,000 a second, of which the fan-out takes 8,000).
pub const REAPER_RATE: PostRate = PostRate::new(500, 500);
/// Connections with expired tokens that one run of the reaper closes. The others receive nothing
/// either, and the next run closes them.
pub const EXPIRED_PER_RUN: usize = 10_000;

/// Maximum members of a room, unless the deployment sets another number. One publication to so many
/// takes 10 s of the account's posts (10,000 a second).
pub const ROOM_MEMBERS: u64 = 100_000;
/// Rooms with more members are only counted. Names would dominate the traffic to their members.
pub const PRESENCE_NAMED_MEMBERS: u64 = 100;
/// Minimum interval between announcements of arrivals and departures in a small room.
pub const PRESENCE_PACE: Duration = Duration::from_secs(1);
/// Minimum interval between announcements of the count in a larger room, except for the final one
/// when it has settled.
pub const PRESENCE_PACE_OF_A_LARGE_ROOM: Duration = Duration::from_secs(5);
/// Pause before a changed shard is counted again. The index normally shows the change by then.
pub const PRESENCE_SETTLES: Duration = Duration::from_secs(5);
/// Pauses before a settled shard is compared with the index again. An index may lag longer than
/// [`PRESENCE_SETTLES`].
pub const PRESENCE_COMPARED: [Duration; 2] = [Duration::from_secs(25), Duration::from_secs(5 * 60)];
/// Time after the last change within which counts are correct.
pub const PRESENCE_TRUE: Duration = Duration::from_secs(10);
/// The largest difference between the clocks of two functions while an index lags.
pub const PRESENCE_CLOCKS: Duration = Duration::from_millis(500);
/// The part of that time that the stream, its batch window, and a queue with delays in whole
/// seconds may take.
const PRESENCE_ON_ITS_WAY: Duration = Duration::from_millis(1_250 + 1_000);
/// Maximum age of a job that carries its content. An older one is dropped, because its content is
/// outdated.
pub const CONTENT_JOB_LIFE: Duration = Duration::from_secs(10);
/// Rooms with more members answer `who` with their count only.
pub const WHO_MEMBERS: u64 = 1_000;
/// Maximum users in one reply to `who`.
pub const WHO_USERS: usize = 100;
/// Users in one reply to a `who` without `limit`.
pub const WHO_USERS_UNLESS_ASKED: usize = 50;
/// Devices of one user in a reply to `who`.
pub const WHO_DEVICES: usize = 10;

/// The limits that a use case takes as an argument. [`Limits::default`] has the constants of this
/// module, and the functions run with it. Simulation scales them down, so that few members and
/// publications reach the end of every page, frame and deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The default is [`FRAME_BYTES`].
    pub frame_bytes: usize,
    /// The default is [`REPLAY_BYTES`].
    pub replay_bytes: usize,
    /// The default is [`REPLAY_PAGE_ROWS`].
    pub replay_page_rows: usize,
    /// The default is [`LOG_PAGE_ROWS`].
    pub log_page_rows: usize,
    /// The default is [`LOG_ROWS_ALONG`].
    pub log_rows_along: u64,
    /// The default is [`PUBLICATIONS_PER_TRANSACTION`].
    pub publications_per_transaction: usize,
    /// The default is [`JOBS_PER_ROOM`].
    pub jobs_per_room: u64,
    /// The default is [`MEMBERS_PER_LATE_JOB`].
    pub members_per_late_job: usize,
    /// The default is [`POSTS_IN_FLIGHT`].
    pub posts_in_flight: usize,
    /// The default is [`POST_RATE`].
    pub post_rate: PostRate,
    /// The default is [`POST_TIMEOUT`].
    pub post_timeout: Duration,
    /// The default is [`TIME_ON_THE_MAIN_LINE`].
    pub time_on_the_main_line: Duration,
    /// The default is [`HAND_OVER`].
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
            jobs_per_room: JOBS_PER_ROOM,
            members_per_late_job: MEMBERS_PER_LATE_JOB,
            posts_in_flight: POSTS_IN_FLIGHT,
            post_rate: POST_RATE,
            post_timeout: POST_TIMEOUT,
            time_on_the_main_line: TIME_ON_THE_MAIN_LINE,
            hand_over: HAND_OVER,
        }
    }
}

const _: () = assert!(1 < RECEIVES_IF_REFUSED && RECEIVES_IF_REFUSED < RECEIVES);
const _: () = assert!(
    RECEIVES as u64 * VISIBILITY_TIMEOUT.as_secs() > GIVE_UP_AFTER.as_secs(),
    "a queue must give up later than its function, even if every invocation is killed or throttled"
);
const _: () = assert!(10 * HELD_PER_ROOM <= FIFO_MESSAGES_SEARCHED);
const _: () = assert!(ITEMS_PER_PUBLISH as u32 <= HELD_AT_ONCE && HELD_AT_ONCE < ROOM_RATE.burst());
const _: () = assert!(
    (RECEIVES_BEFORE_GATE - 1) as u64 * GATE_PAUSE.as_secs() > BACKEND_TIMEOUT.as_secs(),
    "a function that read a room before its hold began has ended before the gate is sent"
);
const _: () = assert!(
    HOLD_LIFE.as_secs() / 2 > GIVE_UP_AFTER.as_secs() + 5 * HELD_PER_ROOM / HELD_AT_ONCE as u64,
    "held publications are worked off or dead letters long before the hold is over, even if each turn takes 5 s"
);
const _: () = assert!(
    REMINDER_PAUSE.as_millis() < SHARDS_WAIT.as_millis() && SHARDS_WAIT.as_secs() < SHARDS_WAIT_LONGEST.as_secs()
);
const _: () = assert!(2 * DATA_BYTES <= PARCEL_BYTES && PARCEL_BYTES < 64 * KIB);
const _: () = assert!(SHORTEST_RETRY_PAUSE.as_millis() < LONGEST_RETRY_PAUSE.as_millis());
const _: () = assert!(
    RECEIVES as u64 * LONGEST_RETRY_PAUSE.as_secs() > GIVE_UP_AFTER.as_secs(),
    "a queue must give up later than its function, whatever the pauses"
);
const _: () =
    assert!(GIVE_UP_AFTER.as_secs() < RETENTION.as_secs(), "the log must still have the positions of a dead letter");
const _: () = assert!(PRESENCE_PACE.as_secs() <= PRESENCE_PACE_OF_A_LARGE_ROOM.as_secs());
const _: () = assert!(
    PRESENCE_SETTLES.as_millis() + PRESENCE_ON_ITS_WAY.as_millis() < PRESENCE_TRUE.as_millis(),
    "the last count after a change must come before its deadline"
);
const _: () = assert!(
    2 * PRESENCE_NAMED_MEMBERS as usize * (ROOM_NAME_BYTES + 2) + 2 * KIB <= FRAME_BYTES,
    "an announcement must fit a frame even if all named members leave and as many join"
);
const _: () = assert!(PRESENCE_NAMED_MEMBERS <= MEMBERS_PER_SHARD && PRESENCE_NAMED_MEMBERS <= WHO_MEMBERS);
const _: () = assert!(ROOM_MEMBERS <= MEMBERS_PER_SHARD * SHARDS_PER_ROOM as u64);
const _: () = assert!(WHO_USERS_UNLESS_ASKED <= WHO_USERS && WHO_USERS as u64 <= WHO_MEMBERS);
const _: () = assert!(
    ROOM_NAME_BYTES * 2 + (DEVICE_NAME_BYTES + 3) * WHO_DEVICES + KIB < REPLAY_BYTES,
    "one user must fit a reply"
);
const _: () = assert!(DATA_BYTES + 2 * KIB <= FRAME_BYTES, "a publication with its envelope must fit a frame");
const _: () = assert!(2 * EPHEMERAL_DATA_BYTES < FRAME_BYTES, "several ephemeral publications must fit a frame");
const _: () = assert!(FRAME_BYTES < GATEWAY_FRAME_BYTES && REPLAY_BYTES < GATEWAY_FRAME_BYTES);
const _: () = assert!(CONTEXT_BYTES < TOKEN_BYTES && TOKEN_BYTES + KIB < GATEWAY_FRAME_BYTES);
const _: () = assert!(2 * PUBLICATIONS_PER_TRANSACTION < TRANSACTION_ACTIONS);
const _: () =
    assert!(ROOMS_PER_CONNECTION <= TRANSACTION_ACTIONS, "the memberships of a sync must fit one transaction");
const _: () = assert!(ROOMS_COUNTED_PER_SYNC < ROOMS_PER_CONNECTION);
const _: () = assert!(CONFLICT_PAUSE_SHORTEST.as_millis() < CONFLICT_PAUSE_LONGEST.as_millis());
const _: () = assert!(
    CONFLICT_TRIES as u128 * CONFLICT_PAUSE_LONGEST.as_millis() < TIME_ON_THE_MAIN_LINE.as_millis(),
    "a call that conflicts on every try must leave a function most of its time"
);
const _: () = assert!(PUBLICATIONS_PER_TRANSACTION * (DATA_BYTES + 2 * KIB) < TRANSACTION_BYTES);
const _: () = assert!(ITEMS_PER_PUBLISH <= PUBLICATIONS_PER_TRANSACTION);
const _: () = assert!(
    ITEMS_PER_PUBLISH as u32 <= CONNECTION_RATE.burst() && CONNECTION_RATE.burst() <= ROOM_RATE.burst(),
    "a full request must fit the rate of a connection, and one connection must not use up the rate of a room"
);
const _: () = assert!(
    REQUEST_RATE.takes(REQUEST_RATE.burst()).as_millis() > CONNECTION_RATE.takes(CONNECTION_RATE.burst()).as_millis(),
    "a connection that publishes at its full rate must still be able to send other requests"
);
const _: () = assert!(
    ROOMS_PER_CONNECTION as u32 * (JOIN_UNITS + WHO_UNITS + PING_ROOM_UNITS) + PING_UNITS <= REQUEST_RATE.burst(),
    "a client must be able to join all its rooms and list their members at once"
);
const _: () = assert!(
    SYNC_UNITS + SYNC_ROOM_UNITS * ROOMS_PER_CONNECTION as u32 + PING_UNITS + PING_ROOM_UNITS * 100
        <= REQUEST_RATE.count_per_second() as u32,
    "after a sync of all its rooms a client must be able to publish at once"
);
const _: () = assert!(PRESENCE_NAMED_MEMBERS as u32 + 2 * ROWS_PER_UNIT <= WHO_READS_INCLUDED);
const _: () = assert!(
    ITEMS_PER_PUBLISH as u32 <= PUBLISHER_SHARE.burst()
        && CONNECTION_RATE.burst() <= ROOM_RATE.burst() - LEFT_TO_OTHERS
        && PUBLISHERS_RECORDED as u64 * PUBLISHER_SHARE.count_per_second() > ROOM_RATE.count_per_second(),
    "a full request is within a share, a burst of one user fits a room, and all publishers beyond their share are recorded"
);
const _: () = assert!(
    CONNECTION_RATE.count_per_second() + USER_CONNECTIONS as u64 / QUIET.as_secs() < ROOM_RATE.count_per_second()
        && CONNECTION_RATE.burst() + (USER_CONNECTIONS as u32) < ROOM_RATE.burst(),
    "one user with all its connections cannot use up the rate of a room, even with what is not charged to it"
);
const _: () = assert!(USER_CONNECTIONS <= 2 * CLOSED_AT_ONCE, "a ban closes all connections of a user in two rounds");
const _: () = assert!(SMALL_REQUEST_UNITS < REQUEST_RATE.count_per_second() as u32);
const _: () = assert!(BAN_ENFORCED.as_secs() < BAN_LISTED.as_secs());
const _: () = assert!(
    ROOM_NAME_BYTES + TOKEN_ID_BYTES + 64 < KIB,
    "the sort key of a recent ban (1,024 bytes) holds a time, a user and the id of a token"
);
const _: () = assert!(
    RENEWAL_PAUSE.as_secs() < 10,
    "a renewal that is sent again because it had no answer (after 10 s) must not be refused"
);
const _: () = assert!(
    POSTS_IN_FLIGHT as u64 * 1_000 / 200 >= POST_RATE.count_per_second(),
    "posts of 200 ms must reach the full rate"
);
const _: () = assert!(POSTS_IN_FLIGHT_AT_FIRST as u64 * 1_000 / 60 >= POST_RATE.count_per_second());
const _: () = assert!(TOUCH.as_secs() < KEEP_ALIVE.as_secs(), "every keep-alive must be recorded");
const _: () = assert!(2 * KEEP_ALIVE.as_secs() < STALE.as_secs(), "a live connection may lose two keep-alives");
const _: () = assert!(
    KEEP_ALIVE.as_secs() + 60 < GATEWAY_IDLE.as_secs(),
    "a keep-alive with its jitter must come before the gateway closes an idle connection"
);
const _: () = assert!(
    PROOF_OF_DEATH.as_secs() > GATEWAY_CONNECTION_LIFE.as_secs() + 10 * 60,
    "the margin must cover clock differences"
);
const _: () = assert!(CONNECTION_TTL.as_secs() > PROOF_OF_DEATH.as_secs());
const _: () = assert!(TOMBSTONE.as_secs() > PROOF_OF_DEATH.as_secs());
const _: () = assert!(
    HEAD_LIFE.as_secs() / 2 > RETENTION.as_secs() + PROOF_OF_DEATH.as_secs(),
    "a head must outlive its log rows and its members"
);
const _: () = assert!(DEDUPE.as_secs() > 14 * 24 * 60 * 60, "ids must be kept longer than a queue keeps a message");
const _: () = assert!(LOG_ROWS_ALONG < LOG_PAGE_ROWS as u64 && REPLAY_PAGE_ROWS < LOG_PAGE_ROWS);
const _: () = assert!(
    POST_TIMEOUT.as_millis() + 500 + REPORT_TIME.as_millis() <= HAND_OVER.as_millis(),
    "a post that begins in time must end in time, with a late job queued after it"
);
const _: () = assert!(POST_TIMEOUT.as_millis() < TIME_ON_THE_MAIN_LINE.as_millis());
const _: () = assert!(SHARDS_OF_EVERYONE <= SHARDS_OF_A_NARROW_ROOM && SHARDS_OF_A_NARROW_ROOM < SHARDS_PER_ROOM);
