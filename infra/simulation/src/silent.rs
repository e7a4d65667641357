//! Losses of a run that no error reported, so that only a keep-alive finds them: by room, by
//! member, and by cause.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::{ConnectionId, Job, Position, RoomId, Shard, Work};

/// The reason for which a member may stand behind the head of a room until its next keep-alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A job for the member, with the last publication of the room, was lost for ever.
    JobLost,
    /// The room was restored from a backup, and nothing was published to it since.
    Restored,
    /// The socket of the member takes all messages and delivers none, or another socket has just
    /// replaced it.
    Vanished,
    /// A token of the member expired before every function saw the next token, and the last
    /// publication was made before that.
    TokenLapsed,
    /// The index did not show the member yet when the last publication got its position.
    NotIndexed,
    /// A backend joined the user of the member to the room, or removed it from the room, after the
    /// last publication of the room.
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

/// Jobs that were lost, and rooms that were restored, without any notice to their members.
#[derive(Debug, Default)]
pub(crate) struct Silent {
    jobs: Vec<Job>,
    restored: BTreeSet<RoomId>,
}

impl Silent {
    /// Records a lost job.
    pub(crate) fn lose(&mut self, job: &Job) {
        self.jobs.push(job.clone());
    }

    /// Records a restored room: its members notice the restore with its next publication.
    pub(crate) fn restore(&mut self, room: &RoomId) {
        self.restored.insert(room.clone());
    }

    /// Records that a room has a publication of its own since it was restored.
    pub(crate) fn goes_on(&mut self, room: &RoomId) {
        self.restored.remove(room);
    }

    /// Reports whether a room was restored and nothing was published to it since.
    pub(crate) fn is_restored(&self, room: &RoomId) -> bool {
        self.restored.contains(room)
    }

    /// Reports whether a job was lost that delivers a position to one of these connections, each in
    /// one of its shards.
    pub(crate) fn lost_job(&self, room: &RoomId, at: &Position, members: &[(ConnectionId, BTreeSet<Shard>)]) -> bool {
        let is_for = |job: &Job| members.iter().any(|(connection, shards)| names(job, connection, shards));
        self.jobs.iter().any(|job| job.room == *room && covers(job, at) && is_for(job))
    }
}

/// Reports whether a job is for a connection in one of these shards.
pub(crate) fn names(job: &Job, connection: &ConnectionId, shards: &BTreeSet<Shard>) -> bool {
    match &job.work {
        Work::Late { members, .. } => members.iter().any(|member| member.connection == *connection),
        _ => shards.contains(&job.shard),
    }
}

/// Reports whether a job delivers a position.
pub(crate) fn covers(job: &Job, at: &Position) -> bool {
    match &job.work {
        Work::Shard { range } | Work::Late { range, .. } => {
            range.epoch == at.epoch && range.after < at.sequence && at.sequence <= range.through
        }
        _ => false,
    }
}

/// Numbers of compared pairs of a member and a room, by the cause that excused them; `None` counts
/// pairs without an excuse.
pub(crate) type Excuses = BTreeMap<Option<Cause>, u64>;
