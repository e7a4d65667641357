//! Fan-out jobs: deliver a range of positions, or a notice about the room, to one shard.

use serde::{Deserialize, Serialize};

use crate::ephemeral::Said;
use crate::late::LateMember;
use crate::name::RoomId;
use crate::presence::Announcement;
use crate::publication::digest;
use crate::range::Range;
use crate::shard::{Shard, Shards};
use crate::timestamp::Timestamp;

/// The queue of a job. Rooms of many shards have a queue of their own, so that a message to all
/// connections cannot starve other rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The queue `deliveries`.
    Narrow,
    /// The queue `deliveries-wide`, whose concurrency is capped.
    Wide,
}

impl Line {
    /// Chooses the line for a room of that many shards.
    #[must_use]
    pub fn of(shards: Shards) -> Self {
        if shards.is_wide() { Self::Wide } else { Self::Narrow }
    }
}

/// One delivery to one shard: the message of the delivery queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The room whose members receive the delivery.
    pub room: RoomId,
    /// The shard of the room.
    pub shard: Shard,
    /// The queue that carries the job.
    pub line: Line,
    /// The content, and the members that receive it.
    #[serde(flatten)]
    pub work: Work,
}

/// The content of a job, and the members of the shard that receive it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// A run of the log, for every member.
    Shard {
        /// The positions to deliver.
        range: Range,
    },
    /// A run of the log, for the members that left the shard's main line.
    Late {
        /// The positions to deliver.
        range: Range,
        /// The number of this late job for these members and this range, from 1.
        attempt: u32,
        /// The earliest time of the delivery.
        not_before: Timestamp,
        /// The members that still lack the range.
        members: Vec<LateMember>,
    },
    /// Ephemeral publications, for every member. The job carries the content. It is posted once, is
    /// never late, and is dropped when it is old.
    Ephemeral {
        /// Identifies the batch of publications. A repeat has the same id.
        id: String,
        /// The time at which the oldest publication was accepted.
        at: Timestamp,
        /// The publications, in order.
        said: Vec<Said>,
    },
    /// A change of presence, for every member. The job carries the content. It is posted once, is
    /// never late, and is dropped when it is old.
    Presence {
        /// The version of the room's presence. A repeat has the same version.
        version: u64,
        /// The time at which the members were counted.
        at: Timestamp,
        /// The announcement for the members.
        told: Announcement,
    },
}

impl Work {
    /// The run of the log that the job delivers, if it delivers one.
    #[must_use]
    pub fn range(&self) -> Option<&Range> {
        match self {
            Self::Shard { range } | Self::Late { range, .. } => Some(range),
            Self::Ephemeral { .. } | Self::Presence { .. } => None,
        }
    }
}

impl Job {
    /// Makes one job for each shard, for the range that is sequenced and not yet queued.
    #[must_use]
    pub fn for_shards(room: &RoomId, range: &Range, shards: Shards) -> Vec<Self> {
        Self::for_each_shard(room, shards, &Work::Shard { range: range.clone() })
    }

    /// Makes one job with the same work for each shard of a room.
    #[must_use]
    pub fn for_each_shard(room: &RoomId, shards: Shards, work: &Work) -> Vec<Self> {
        let line = Line::of(shards);
        shards.iter().map(|shard| Self { room: room.clone(), shard, line, work: work.clone() }).collect()
    }

    /// The FIFO group: one group for each shard, and one more for its late members.
    #[must_use]
    pub fn group(&self) -> String {
        let shard = self.shard.to_string();
        let main = digest(&[self.room.as_str(), &shard]);
        match self.work {
            Work::Shard { .. } | Work::Ephemeral { .. } | Work::Presence { .. } => main,
            Work::Late { .. } => main + ".late",
        }
    }

    /// The queue's deduplication id. The queue drops a job that is sent again within five minutes
    /// after a crash.
    #[must_use]
    pub fn deduplication_id(&self) -> String {
        let named = |Range { epoch, after, through }: &Range| format!("{epoch}.{after}-{through}");
        match &self.work {
            Work::Shard { range } => named(range),
            Work::Late { range, attempt, members, .. } => {
                let ids: Vec<&str> = members.iter().map(|member| member.connection.as_ref()).collect();
                format!("{}.{attempt}.{}", named(range), digest(&ids))
            }
            Work::Ephemeral { id, .. } => format!("ephemeral.{id}"),
            Work::Presence { version, at, .. } => format!("presence.{version}.{}", at.as_ms()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Epoch, Sequence};

    fn range(epoch: &str, after: u64, through: u64) -> Range {
        Range { epoch: Epoch::parse(epoch).unwrap(), after: Sequence::new(after), through: Sequence::new(through) }
    }

    #[test]
    fn a_job_survives_the_queue_and_its_names_fit_it() {
        let room = RoomId::parse("r".repeat(128)).unwrap();
        let range = range("k7Qf", 0, u64::MAX);
        let not_before = Timestamp::from_ms(5);
        let told = Announcement { members: u64::MAX, ..Announcement::default() };
        for work in [
            Work::Shard { range: range.clone() },
            Work::Late { range, attempt: u32::MAX, not_before, members: Vec::new() },
            Work::Ephemeral {
                id: "r".repeat(32),
                at: not_before,
                said: vec![Said {
                    by: crate::UserId::parse("ada").unwrap(),
                    key: None,
                    data: crate::Data::parse(r#"{"n":1.10}"#).unwrap(),
                    from: None,
                    echo: true,
                }],
            },
            Work::Presence { version: u64::MAX, at: Timestamp::from_ms(u64::MAX), told },
        ] {
            for job in Job::for_each_shard(&room, Shards::new(2), &work) {
                let json = serde_json::to_string(&job).unwrap();
                assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), job);
                assert!(job.group().len() <= 128 && job.deduplication_id().len() <= 128);
            }
        }
    }

    #[test]
    fn presence_keeps_its_place_in_the_line_of_its_shard() {
        let room = RoomId::parse("lobby").unwrap();
        let log = &Job::for_shards(&room, &range("e", 0, 1), Shards::new(1))[0];
        let told = Announcement::default();
        let presence = Work::Presence { version: 7, at: Timestamp::from_ms(5), told };
        assert_eq!(Job::for_each_shard(&room, Shards::new(1), &presence)[0].group(), log.group());
    }
}
