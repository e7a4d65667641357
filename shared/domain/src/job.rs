//! Fan-out work: deliver a range of positions, or a word about the room, to a shard.

use serde::{Deserialize, Serialize};

use crate::ephemeral::Said;
use crate::late::LateMember;
use crate::name::RoomId;
use crate::presence::Announcement;
use crate::publication::digest;
use crate::range::Range;
use crate::shard::{Shard, Shards};
use crate::timestamp::Timestamp;

/// Through which queue a job goes: a message to everybody must not starve every room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// `deliveries`.
    Narrow,
    /// `deliveries-wide`, of capped concurrency.
    Wide,
}

impl Line {
    /// The line for a room of that many shards.
    #[must_use]
    pub fn of(shards: Shards) -> Self {
        if shards.is_wide() { Self::Wide } else { Self::Narrow }
    }
}

/// Deliver something to a shard: what the delivery queues carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Whose members.
    pub room: RoomId,
    /// Which slice of them.
    pub shard: Shard,
    /// Through which queue.
    pub line: Line,
    /// What, and to whom.
    #[serde(flatten)]
    pub work: Work,
}

/// What a job delivers, and to whom of its shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// A run of the log, to every member.
    Shard {
        /// Which positions.
        range: Range,
    },
    /// A run of the log, to the members that left the shard's main line.
    Late {
        /// Which positions.
        range: Range,
        /// How manieth late job of these members for this range, from 1.
        attempt: u32,
        /// Not before this moment.
        not_before: Timestamp,
        /// Who.
        members: Vec<LateMember>,
    },
    /// What is said to those who are there: carries its content, is posted once, never late, and dropped when it is old.
    Ephemeral {
        /// What makes a repeat.
        id: String,
        /// When the oldest of it was accepted.
        at: Timestamp,
        /// What is said.
        said: Vec<Said>,
    },
    /// Who is there, to every member: carries its content, is posted once, never late, and dropped when it is old.
    Presence {
        /// Of the room's presence: what makes a repeat.
        version: u64,
        /// When it was counted.
        at: Timestamp,
        /// What they are told.
        told: Announcement,
    },
}

impl Work {
    /// The run of the log it delivers, if it is one.
    #[must_use]
    pub fn range(&self) -> Option<&Range> {
        match self {
            Self::Shard { range } | Self::Late { range, .. } => Some(range),
            Self::Ephemeral { .. } | Self::Presence { .. } => None,
        }
    }
}

impl Job {
    /// One job per shard, for all that is sequenced and not yet handed to the fan-out.
    #[must_use]
    pub fn for_shards(room: &RoomId, range: &Range, shards: Shards) -> Vec<Self> {
        Self::for_each_shard(room, shards, &Work::Shard { range: range.clone() })
    }

    /// The same work for every shard of a room.
    #[must_use]
    pub fn for_each_shard(room: &RoomId, shards: Shards, work: &Work) -> Vec<Self> {
        let line = Line::of(shards);
        shards.iter().map(|shard| Self { room: room.clone(), shard, line, work: work.clone() }).collect()
    }

    /// The FIFO group: one line per shard, and one for those that left it.
    #[must_use]
    pub fn group(&self) -> String {
        let shard = self.shard.to_string();
        let main = digest(&[self.room.as_str(), &shard]);
        match self.work {
            Work::Shard { .. } | Work::Ephemeral { .. } | Work::Presence { .. } => main,
            Work::Late { .. } => main + ".late",
        }
    }

    /// The queue's deduplication id: jobs sent again after a crash within five minutes are not queued twice.
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
