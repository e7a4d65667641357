//! The ports: the outside world that the functions need, in the words of this crate.
//!
//! Every port returns within a fixed time, or returns [`Error::Unavailable`]. A normal result (a
//! connection that is gone, a condition that did not hold) is an outcome and not an error.

mod bans;
mod charges;
mod commands;
mod directory;
mod error;
mod holds;
mod presence;
mod renewals;
mod secrets;

use std::collections::{HashMap, HashSet};
use std::future::Future;

use crate::connection::{Connection, Member};
use crate::delivery::{Delivery, Probe};
use crate::membership::Membership;
use crate::name::{ConnectionId, RoomId};
use crate::position::{Epoch, Position, Sequence};
use crate::publication::{Publication, Submission};
use crate::sequencing::{Append, DedupeKey, Head, Remembered};
use crate::shard::{Shard, Shards};
use crate::stale::Suspect;
use crate::timestamp::Timestamp;
use crate::{Endpoint, Job, Range};

pub use bans::Bans;
pub use charges::{Charged, Charges};
pub use commands::Commands;
pub use directory::Directory;
pub use error::Error;
pub use holds::Holds;
pub use presence::{Activities, Checks, Occupant, Presences, Rosters, Written};
pub use renewals::{Exchanged, Expiries, Lapsed, Renewals, Standing};
pub use secrets::Secrets;

/// The result of a port.
pub type Result<T> = std::result::Result<T, Error>;

/// The outcome of storing a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The connection and its memberships were stored.
    Stored,
    /// The connection is already stored, or its tombstone is. Nothing was written.
    Refused,
}

/// The outcome of storing a membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// The membership was stored.
    New,
    /// A membership already exists, in the shard of its first join.
    Already {
        /// The expiry of the token that the membership was stored or extended with.
        expires_at: Option<Timestamp>,
        /// The head of the room when the membership began, if the room had one.
        began_at: Option<Position>,
        /// True if the member receives the names of the room's members.
        sees_members: bool,
    },
}

/// The result of a call that needs a stored connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The connection is stored.
    Yes,
    /// The connection has a tombstone, or was never stored.
    No,
}

/// The connections table, by connection.
pub trait Connections: Send + Sync {
    /// Stores a connection and its first memberships in one transaction, only if its key holds no
    /// item.
    fn open(&self, connection: &Connection, memberships: &[Membership]) -> impl Future<Output = Result<Opened>> + Send;
    /// Reads the connection. A tombstone counts as absent.
    fn find(&self, connection: &ConnectionId) -> impl Future<Output = Result<Option<Connection>>> + Send;
    /// Records traffic of the connection. Writes only if `last_seen_at` is older than
    /// [`crate::limits::TOUCH`].
    fn touch(&self, connection: &ConnectionId, now: Timestamp) -> impl Future<Output = Result<Known>> + Send;
    /// Replaces the connection by a tombstone, which no index lists and no join or connect revives.
    fn bury(&self, connection: &ConnectionId, now: Timestamp) -> impl Future<Output = Result<()>> + Send;
    /// Reads connections of one liveness shard that were not seen since `before`, longest silent
    /// first, at most `limit`.
    fn silent(&self, shard: u16, before: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<Suspect>>> + Send;
}

/// One page of the members of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The members. The list may be empty although more pages follow.
    pub members: Vec<Member>,
    /// The start of the next page; `None` at the end.
    pub next: Option<ConnectionId>,
}

/// The memberships of connections in rooms.
pub trait Memberships: Send + Sync {
    /// Stores the missing ones of these memberships of one connection, in one write or one
    /// transaction. Returns one outcome for each, in their order. An existing membership stays as
    /// it is, but becomes granted if the new one is. Does not read the connection:
    /// [`crate::flow::enter`] does so afterwards.
    fn join(&self, memberships: &[Membership]) -> impl Future<Output = Vec<Result<Joined>>> + Send;
    /// Removes memberships that were stored for a token that another one has replaced. Memberships
    /// that were extended since, or granted by a backend, stay.
    fn take_back(&self, memberships: &[Membership]) -> impl Future<Output = Result<()>> + Send;
    /// Removes memberships of a connection. An absent membership is not an error.
    fn leave(&self, connection: &ConnectionId, rooms: &[RoomId]) -> impl Future<Output = Result<()>> + Send;
    /// Lists all rooms that a connection has joined.
    fn rooms_of(&self, connection: &ConnectionId) -> impl Future<Output = Result<Vec<RoomId>>> + Send;
    /// Reads members of a shard after the connection `after`, from the index, which lags.
    fn page(
        &self,
        room: &RoomId,
        shard: Shard,
        after: Option<&ConnectionId>,
    ) -> impl Future<Output = Result<Page>> + Send;
    /// Counts the members of a shard in the index, which lags.
    fn count(&self, room: &RoomId, shard: Shard) -> impl Future<Output = Result<u64>> + Send;
    /// Returns the members of the room among `connections`, read consistently.
    fn members_among(
        &self,
        room: &RoomId,
        connections: &[ConnectionId],
    ) -> impl Future<Output = Result<Vec<Member>>> + Send;
}

/// The outcome of a sequencing transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The transaction was committed.
    Stored,
    /// The head has changed since it was read, or a dedupe row exists already: read again.
    Stale,
    /// The head is unchanged, but a log row exists at a new position: a restore brought back items
    /// of different moments. The epoch cannot go on.
    Occupied,
}

/// The heads, logs and dedupe rows of rooms, and the delivery progress of their shards.
pub trait Rooms: Send + Sync {
    /// Reads the head consistently, in the deployment's generation.
    fn head(&self, room: &RoomId) -> impl Future<Output = Result<Option<Head>>> + Send;
    /// Reads the heads of several rooms consistently, in the deployment's generation. Leaves out
    /// rooms without a head.
    fn heads(&self, rooms: &[RoomId]) -> impl Future<Output = Result<HashMap<RoomId, Head>>> + Send;
    /// Creates the head with this epoch, unless one exists. Returns the head that exists
    /// afterwards.
    fn create(&self, room: &RoomId, epoch: &Epoch, now: Timestamp) -> impl Future<Output = Result<Head>> + Send;
    /// Moves the expiry of the head to [`crate::limits::HEAD_LIFE`] after `now`. A missing head is
    /// not an error.
    fn keep(&self, room: &RoomId, now: Timestamp) -> impl Future<Output = Result<()>> + Send;
    /// Grows the room from `from` to `to` shards, unless the number has changed. A room without a
    /// head does not grow.
    fn grow(&self, room: &RoomId, from: Shards, to: Shards) -> impl Future<Output = Result<()>> + Send;
    /// Returns the remembered ones of `keys`, read consistently.
    fn known(&self, keys: &[DedupeKey]) -> impl Future<Output = Result<HashMap<DedupeKey, Remembered>>> + Send;
    /// Returns those of `positions` that have a row in the room's log, expired or not, read
    /// consistently.
    fn logged(&self, room: &RoomId, positions: &[Position]) -> impl Future<Output = Result<HashSet<Position>>> + Send;
    /// Deletes dedupe rows, each unless it was written for another position since.
    fn forget_ids(&self, ids: &HashMap<DedupeKey, Remembered>) -> impl Future<Output = Result<()>> + Send;
    /// Moves the head, and writes the log rows and dedupe rows of the publications, in one
    /// transaction.
    fn append(&self, append: &Append) -> impl Future<Output = Result<Appended>> + Send;
    /// Records that jobs up to `through` are queued at `now`, unless the head already has a higher
    /// number or another epoch.
    fn mark_sent(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Reads the last recorded run of an epoch's log that a shard was given, consistently.
    fn delivered(
        &self,
        room: &RoomId,
        shard: Shard,
        epoch: &Epoch,
    ) -> impl Future<Output = Result<Option<Range>>> + Send;
    /// Records that every member of a shard was given a run, or is late for it, unless a later run
    /// of its epoch is recorded.
    fn mark_delivered(
        &self,
        room: &RoomId,
        shard: Shard,
        range: &Range,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Reads the log rows of a range that have not expired at `now`, in order, consistently, at
    /// most `limit`.
    fn log(
        &self,
        room: &RoomId,
        range: &Range,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Publication>>> + Send;
    /// Reads the same rows from one replica of the table, at half the price. Rows of the last
    /// moments may be missing.
    fn replica_log(
        &self,
        room: &RoomId,
        range: &Range,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Publication>>> + Send;
    /// Reads the log rows of an epoch at the `limit` positions that end with `through`, latest
    /// first, consistently.
    fn log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Publication>>> + Send;
    /// Reads the same rows from one replica of the table.
    fn replica_log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Publication>>> + Send;
}

/// The queue to the sequencer.
pub trait Submissions: Send + Sync {
    /// Queues a submission durably. After this it is accepted. One with a number goes into the
    /// queue of held publications, any other one into the queue of publications.
    fn submit(&self, submission: &Submission) -> impl Future<Output = Result<()>> + Send;
    /// Queues each of these submissions durably, those of one room in their order. The results are
    /// in the order of the submissions. After a transient failure in a room, the later submissions
    /// of that room are not sent, and fail transiently too. A refused submission holds back no
    /// other.
    fn submit_each(&self, submissions: &[Submission]) -> impl Future<Output = Vec<Result<()>>> + Send {
        async move {
            let mut held_back: HashSet<&RoomId> = HashSet::new();
            let mut results = Vec::with_capacity(submissions.len());
            for submission in submissions {
                if held_back.contains(&submission.room) {
                    results.push(Err(Error::held_back("submit")));
                    continue;
                }
                let result = self.submit(submission).await;
                if result.as_ref().is_err_and(Error::is_transient) {
                    held_back.insert(&submission.room);
                }
                results.push(result);
            }
            results
        }
    }
}

/// The queues to the fan-out.
pub trait Jobs: Send + Sync {
    /// Queues all of these jobs durably. After an error, some may not be queued.
    fn dispatch(&self, jobs: &[Job]) -> impl Future<Output = Result<()>> + Send;
}

/// A message or record that no retry can help, with the reason. No message waits behind it. It can
/// be redriven once the reason is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The id of the message or record. A repeat makes the same letter.
    pub id: String,
    /// The queue or table of the message or record.
    pub source: String,
    /// The FIFO group of the message, if it had one.
    pub group: Option<String>,
    /// The body of the message, unchanged.
    pub body: String,
    /// The mistake, and what was expected.
    pub reason: String,
    /// The room, if it is known.
    pub room: Option<RoomId>,
    /// The positions that members of the room miss, if the message had any. The body names the
    /// members.
    pub missed: Option<Range>,
}

/// The dead-letter queues.
pub trait DeadLetters: Send + Sync {
    /// Writes a dead letter durably, for an operator.
    fn bury_letter(&self, letter: &DeadLetter) -> impl Future<Output = Result<()>> + Send;
}

/// Identifies one receive of a message to its queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The queue's name, without the rest of its ARN.
    pub queue: String,
    /// The queue's receipt handle for this receive.
    pub handle: String,
}

/// The return of messages that could not be handled.
pub trait Retries: Send + Sync {
    /// Makes the message visible again after `pause`, instead of after its visibility timeout.
    fn retry_after(&self, receipt: &Receipt, pause: std::time::Duration) -> impl Future<Output = Result<()>> + Send;
}

/// The gateway's management API.
pub trait Gateway: Send + Sync {
    /// Posts one frame. Never retries. Returns within [`crate::limits::POST_TIMEOUT`].
    fn post(
        &self,
        endpoint: &Endpoint,
        connection: &ConnectionId,
        frame: bytes::Bytes,
    ) -> impl Future<Output = Delivery> + Send;
    /// Asks the gateway for the state of a connection (`GetConnection`).
    fn probe(&self, endpoint: &Endpoint, connection: &ConnectionId) -> impl Future<Output = Result<Probe>> + Send;
    /// Closes a connection. A connection that is gone is not an error.
    fn close(&self, endpoint: &Endpoint, connection: &ConnectionId) -> impl Future<Output = Result<()>> + Send;
}

/// The clock and its timers.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// Returns after `pause`.
    fn sleep(&self, pause: std::time::Duration) -> impl Future<Output = ()> + Send;
}

/// The source of random bits.
pub trait Chance: Send + Sync {
    /// Draws 64 random bits.
    fn bits(&self) -> u64;
    /// Draws a number in 0..1.
    fn fraction(&self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
