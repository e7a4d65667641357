//! What was lost in a run without a word, so that only a keep-alive finds it: by room, by member, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::{ConnectionId, Job, Position, RoomId, Shard, Work};

/// Why a member may stand behind the head of a room until its next keep-alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A job for the member, with the last publication of the room, was lost for ever.
    JobLost,
    /// The room was restored from a backup, and nothing was published to it since.
    Restored,
    /// The socket of the member takes everything and delivers nothing, or another one has just replaced it.
    Vanished,
    /// A token of the member expired before each function saw the next one, which was not before the last publication.
    TokenLapsed,
    /// The index did not show the member yet when the last publication got its position.
    NotIndexed,
    /// A backend joined or removed the user of the member to or from the room, or closed its connections.
    Ordered,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JobLost => "a job for the member was lost",
            Self::Restored => "the room was restored, and had no publication since",
            Self::Vanished => "a socket of the member vanished",
            Self::TokenLapsed => "a token of the member lapsed",
            Self::NotIndexed => "the index did not show the member yet",
            Self::Ordered => "a backend moved the user",
        })
    }
}

/// Jobs that were lost, and rooms that were restored, without a word to their members.
#[derive(Debug, Default)]
pub(crate) struct Silent {
    jobs: Vec<Job>,
    restored: BTreeSet<RoomId>,
}

impl Silent {
    /// A job is lost.
    pub(crate) fn lose(&mut self, job: &Job) {
        self.jobs.push(job.clone());
    }

    /// A room is restored: its members learn of it with its next publication.
    pub(crate) fn restore(&mut self, room: &RoomId) {
        self.restored.insert(room.clone());
    }

    /// A room has a publication of its own since it was restored.
    pub(crate) fn goes_on(&mut self, room: &RoomId) {
        self.restored.remove(room);
    }

    /// Whether a room was restored, and nothing was published to it since.
    pub(crate) fn is_restored(&self, room: &RoomId) -> bool {
        self.restored.contains(room)
    }

    /// Whether a job was lost that delivers a position to one of these connections, each in one of its shards.
    pub(crate) fn lost_job(&self, room: &RoomId, at: &Position, members: &[(ConnectionId, BTreeSet<Shard>)]) -> bool {
        let is_for = |job: &Job| members.iter().any(|(connection, shards)| names(job, connection, shards));
        self.jobs.iter().any(|job| job.room == *room && covers(job, at) && is_for(job))
    }
}

/// Whether a job is for a connection that stands in one of these shards.
pub(crate) fn names(job: &Job, connection: &ConnectionId, shards: &BTreeSet<Shard>) -> bool {
    match &job.work {
        Work::Late { members, .. } => members.iter().any(|member| member.connection == *connection),
        _ => shards.contains(&job.shard),
    }
}

/// Whether a job delivers a position.
pub(crate) fn covers(job: &Job, at: &Position) -> bool {
    match &job.work {
        Work::Shard { range } | Work::Late { range, .. } => {
            range.epoch == at.epoch && range.after < at.sequence && at.sequence <= range.through
        }
        _ => false,
    }
}

/// How many pairs of a member and a room were compared, and how many were excused and why.
pub(crate) type Excuses = BTreeMap<Option<Cause>, u64>;
