//! What the functions need of the world, in our language.
//!
//! Every port answers within a named time or says [`Error::Unavailable`]. What is normal (a connection that is
//! gone, a condition that did not hold) is an outcome and not an error.

mod charges;
mod directory;
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

pub use charges::{Charged, Charges};
pub use directory::Directory;
pub use presence::{Activities, Checks, Occupant, Presences, Rosters, Written};
pub use renewals::{Expiries, Lapsed, Renewals, Standing};
pub use secrets::Secrets;

/// Why a port could not do what it was asked. Whether it was done all the same is unknown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Asked too often: wait.
    #[error("{operation} was throttled")]
    Throttled {
        /// Of the service: `DynamoDB TransactWriteItems`.
        operation: &'static str,
    },
    /// Somebody else wrote at the same moment, or no answer came in time, or one that means "later".
    #[error("{operation} is unavailable: {source}")]
    Unavailable {
        /// Of the service.
        operation: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No retry will help: a missing grant, a missing table, an item that cannot be read.
    #[error("{operation} was refused: {source}")]
    Refused {
        /// Of the service.
        operation: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }

    /// The same error once more: one call that fails is the failure of everything that it carried.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Throttled { operation } => Self::Throttled { operation },
            Self::Unavailable { operation, source } => {
                Self::Unavailable { operation, source: source.to_string().into() }
            }
            Self::Refused { operation, source } => Self::Refused { operation, source: source.to_string().into() },
        }
    }

    /// The error of something that was not tried, because what has to come before it failed for now.
    #[must_use]
    pub fn held_back(operation: &'static str) -> Self {
        Self::Unavailable { operation, source: "an earlier one of the same group failed".into() }
    }
}

/// What a port answers.
pub type Result<T> = std::result::Result<T, Error>;

/// Whether a connection was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// It was, with all its memberships.
    Stored,
    /// It already was, or its tombstone stands there: it is not revived.
    Refused,
}

/// Whether a membership was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// It was.
    New,
    /// One stood already, in the shard it was given first.
    Already {
        /// When the token that it was stored or extended with expires.
        expires_at: Option<Timestamp>,
    },
}

/// Whether a connection that should be there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It is.
    Yes,
    /// It has been buried, or never was.
    No,
}

/// The connections.
pub trait Connections: Send + Sync {
    /// Stores a connection and its first memberships in one transaction, only if nothing stands under its id.
    fn open(&self, connection: &Connection, memberships: &[Membership]) -> impl Future<Output = Result<Opened>> + Send;
    /// What is stored, unless it has been buried.
    fn find(&self, connection: &ConnectionId) -> impl Future<Output = Result<Option<Connection>>> + Send;
    /// Notes that it is alive. Writes only if `last_seen_at` is older than [`crate::limits::TOUCH`].
    fn touch(&self, connection: &ConnectionId, now: Timestamp) -> impl Future<Output = Result<Known>> + Send;
    /// Puts a tombstone in its place: it is a member of nothing that indexes name, and cannot come back.
    fn bury(&self, connection: &ConnectionId, now: Timestamp) -> impl Future<Output = Result<()>> + Send;
    /// Connections of one liveness shard not seen since `before`, longest silent first, at most `limit`.
    fn silent(&self, shard: u16, before: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<Suspect>>> + Send;
}

/// One page of a shard's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// May be empty while more follow.
    pub members: Vec<Member>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<ConnectionId>,
}

/// The memberships.
pub trait Memberships: Send + Sync {
    /// Stores those of these memberships of one connection that do not stand yet, in one write or one transaction: one outcome
    /// for each, in their order. One that stands stays as it is, except that it counts as given by a backend from now on if
    /// the new one does. Does not look at the connection: [`crate::flow::enter`] does, afterwards.
    fn join(&self, memberships: &[Membership]) -> impl Future<Output = Vec<Result<Joined>>> + Send;
    /// Removes memberships that were stored for a token that another one has replaced. Those that were extended since, or
    /// given by a backend, stay.
    fn take_back(&self, memberships: &[Membership]) -> impl Future<Output = Result<()>> + Send;
    /// Removes memberships of a connection; those that are not there are no error.
    fn leave(&self, connection: &ConnectionId, rooms: &[RoomId]) -> impl Future<Output = Result<()>> + Send;
    /// The rooms a connection has joined, all of them.
    fn rooms_of(&self, connection: &ConnectionId) -> impl Future<Output = Result<Vec<RoomId>>> + Send;
    /// Members of a shard after the one named, as the index knows them (it lags).
    fn page(
        &self,
        room: &RoomId,
        shard: Shard,
        after: Option<&ConnectionId>,
    ) -> impl Future<Output = Result<Page>> + Send;
    /// How many members a shard has, as the index knows it.
    fn count(&self, room: &RoomId, shard: Shard) -> impl Future<Output = Result<u64>> + Send;
    /// Those of `connections` that are members of the room right now.
    fn members_among(
        &self,
        room: &RoomId,
        connections: &[ConnectionId],
    ) -> impl Future<Output = Result<Vec<Member>>> + Send;
}

/// Whether a transaction of the sequencer went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It did.
    Stored,
    /// The head is not what it was read as, or a dedupe row stands already: read again.
    Stale,
    /// The head is as it was read, and a log row stands where one was to be put: a restore brought back items of different
    /// moments. The epoch cannot go on.
    Occupied,
}

/// The rooms' heads, logs and dedupe rows, and how far their shards are.
pub trait Rooms: Send + Sync {
    /// The head, read consistently, in the deployment's generation.
    fn head(&self, room: &RoomId) -> impl Future<Output = Result<Option<Head>>> + Send;
    /// The heads of several rooms, read consistently, in the deployment's generation; rooms without one are left out.
    fn heads(&self, rooms: &[RoomId]) -> impl Future<Output = Result<HashMap<RoomId, Head>>> + Send;
    /// Creates the head with this epoch unless there is one; the one that stands afterwards.
    fn create(&self, room: &RoomId, epoch: &Epoch, now: Timestamp) -> impl Future<Output = Result<Head>> + Send;
    /// Lets the head live on for [`crate::limits::HEAD_LIFE`]. One that is not there is no error.
    fn keep(&self, room: &RoomId, now: Timestamp) -> impl Future<Output = Result<()>> + Send;
    /// Grows the room from `from` to `to` shards, unless their number has changed. A room without a head does not grow.
    fn grow(&self, room: &RoomId, from: Shards, to: Shards) -> impl Future<Output = Result<()>> + Send;
    /// Those of `keys` that are remembered, read consistently.
    fn known(&self, keys: &[DedupeKey]) -> impl Future<Output = Result<HashMap<DedupeKey, Remembered>>> + Send;
    /// Those of `positions` that have a row in the room's log, expired or not, read consistently.
    fn logged(&self, room: &RoomId, positions: &[Position]) -> impl Future<Output = Result<HashSet<Position>>> + Send;
    /// Forgets ids, each unless it was used for another position since.
    fn forget_ids(&self, ids: &HashMap<DedupeKey, Remembered>) -> impl Future<Output = Result<()>> + Send;
    /// One transaction: the head moves on, the publications stand in the log, their ids are remembered.
    fn append(&self, append: &Append) -> impl Future<Output = Result<Appended>> + Send;
    /// Notes that jobs up to `through` are queued, unless somebody noted more or the epoch changed.
    fn mark_sent(&self, room: &RoomId, epoch: &Epoch, through: Sequence) -> impl Future<Output = Result<()>> + Send;
    /// The last run of an epoch's log that a shard was given, as far as that was noted; read consistently.
    fn delivered(
        &self,
        room: &RoomId,
        shard: Shard,
        epoch: &Epoch,
    ) -> impl Future<Output = Result<Option<Range>>> + Send;
    /// Notes that every member of a shard was given a run, or is late for it; unless more of its epoch was noted.
    fn mark_delivered(
        &self,
        room: &RoomId,
        shard: Shard,
        range: &Range,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
    /// The log rows of a range that have not expired at `now`, in order, read consistently; at most `limit`.
    fn log(
        &self,
        room: &RoomId,
        range: &Range,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Publication>>> + Send;
    /// The same as one replica of the table has it: at half the price, and rows of the last moments may be missing.
    fn replica_log(
        &self,
        room: &RoomId,
        range: &Range,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Publication>>> + Send;
    /// The log rows of an epoch at or before `through`, latest first, read consistently; at most `limit`.
    fn log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Publication>>> + Send;
    /// The same as one replica of the table has it.
    fn replica_log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Publication>>> + Send;
}

/// The way to the sequencer.
pub trait Submissions: Send + Sync {
    /// Queues a submission durably: from here on it is accepted.
    fn submit(&self, submission: &Submission) -> impl Future<Output = Result<()>> + Send;
    /// Queues each of these durably, those of one room in their order; the results are in the order of the submissions. Once one
    /// of a room fails for now, the later ones of that room are not sent and fail for now as well. One that is refused
    /// holds back no other.
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

/// The way to the fan-out.
pub trait Jobs: Send + Sync {
    /// Queues all of these jobs durably; an error means that some may not be.
    fn dispatch(&self, jobs: &[Job]) -> impl Future<Output = Result<()>> + Send;
}

/// What no try will help, with the reason. Nothing waits behind it; it can be redriven once the reason is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Of the message, or record, that it was: one that comes again is one letter.
    pub id: String,
    /// The queue it came from, or the table.
    pub source: String,
    /// Its FIFO group, if it had one.
    pub group: Option<String>,
    /// What it says, as it came.
    pub body: String,
    /// What was wrong, and what would be right.
    pub reason: String,
    /// Which room it is about, if that can be said.
    pub room: Option<RoomId>,
    /// Which positions of the room its members miss, if it had any. Which members: the body says.
    pub missed: Option<Range>,
}

/// Where dead letters go.
pub trait DeadLetters: Send + Sync {
    /// Keeps a letter for whoever looks into it.
    fn bury_letter(&self, letter: &DeadLetter) -> impl Future<Output = Result<()>> + Send;
}

/// What a queue gave with a message, to say by which one it means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The queue's name, without anything that stands before it in its ARN.
    pub queue: String,
    /// The queue's own handle of this receive.
    pub handle: String,
}

/// When a message that could not be handled comes back.
pub trait Retries: Send + Sync {
    /// Shows the message again after `pause` instead of after its visibility timeout.
    fn retry_after(&self, receipt: &Receipt, pause: std::time::Duration) -> impl Future<Output = Result<()>> + Send;
}

/// The gateway's management API.
pub trait Gateway: Send + Sync {
    /// Posts one frame. Never retries; answers within [`crate::limits::POST_TIMEOUT`].
    fn post(
        &self,
        endpoint: &Endpoint,
        connection: &ConnectionId,
        frame: bytes::Bytes,
    ) -> impl Future<Output = Delivery> + Send;
    /// Looks at a connection.
    fn probe(&self, endpoint: &Endpoint, connection: &ConnectionId) -> impl Future<Output = Result<Probe>> + Send;
    /// Closes a connection; one that is gone is no error.
    fn close(&self, endpoint: &Endpoint, connection: &ConnectionId) -> impl Future<Output = Result<()>> + Send;
}

/// The time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Comes back after `pause`.
    fn sleep(&self, pause: std::time::Duration) -> impl Future<Output = ()> + Send;
}

/// Chance.
pub trait Chance: Send + Sync {
    /// 64 random bits.
    fn bits(&self) -> u64;
    /// A number in 0..1.
    fn fraction(&self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
