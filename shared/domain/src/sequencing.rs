//! Sequencing: one total order of publications for each room.

use std::collections::HashSet;

use crate::limits;
use crate::name::{PublicationId, RoomId};
use crate::position::{Epoch, Generation, Position, Sequence};
use crate::publication::{Publication, Publisher, Submission};
use crate::shard::Shards;
use crate::share::{Load, Shares};
use crate::timestamp::Timestamp;
use crate::{Job, Range};

/// The stored state behind a head that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The head itself is stored.
    Stored,
    /// A head with this other epoch is stored. The next append replaces it.
    Renewed(Epoch),
    /// No head is stored. The next append creates it.
    Absent,
}

/// The head of a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The stored state behind this head.
    pub origin: Origin,
    /// The generation of the deployment at the start of the epoch.
    pub generation: Generation,
    /// The epoch of the log.
    pub epoch: Epoch,
    /// The sequence of the last publication.
    pub sequence: Sequence,
    /// The sequence up to which jobs are queued.
    pub sent: Sequence,
    /// The time at which jobs were queued last in this epoch, or the beginning of 1970.
    pub sent_at: Timestamp,
    /// The number of shards of the room.
    pub shards: Shards,
    /// The time until which publications use up the room's rate.
    pub busy_until: Timestamp,
    /// The publishers that used the rate.
    pub shares: Shares,
    /// The time at which the head may be removed. Appends and joins move it.
    pub expires_at: Timestamp,
}

impl Head {
    /// The head of a room that has none yet.
    #[must_use]
    pub fn new(room: &RoomId, epoch: Epoch) -> Self {
        Self {
            origin: Origin::Absent,
            generation: Generation::default(),
            epoch,
            sequence: Sequence::ZERO,
            sent: Sequence::ZERO,
            sent_at: Timestamp::default(),
            shards: Shards::initial(room),
            busy_until: Timestamp::default(),
            shares: Shares::default(),
            expires_at: Timestamp::default(),
        }
    }

    /// The head of a room that has none, for a function that only reads. No room has its epoch, so
    /// a resume from it recovers nothing.
    #[must_use]
    pub fn none(room: &RoomId) -> Self {
        Self::new(room, Epoch::none())
    }

    /// The head after its creation at `now`.
    #[must_use]
    pub fn created(self, generation: Generation, now: Timestamp) -> Self {
        Self { origin: Origin::Stored, generation, expires_at: Self::life_from(now), ..self }
    }

    /// The expiry of a head that is written at `now`, in whole seconds, as DynamoDB counts.
    #[must_use]
    pub fn life_from(now: Timestamp) -> Timestamp {
        Timestamp::from_ms(now.plus(limits::HEAD_LIFE).as_s() * 1_000)
    }

    /// The head in this generation of the deployment. A head of an older generation comes from a
    /// backup. Its next sequences have been given to other publications since the backup, so it
    /// gets another epoch.
    #[must_use]
    pub fn in_generation(self, generation: Generation) -> Self {
        if self.generation >= generation {
            return self;
        }
        let epoch = self.epoch.in_generation(generation);
        Self { generation, ..self.renewed(epoch) }
    }

    /// Continues the head in another epoch, at the same sequence. Undelivered publications of the
    /// older epoch are not delivered any more.
    #[must_use]
    pub fn renewed(self, epoch: Epoch) -> Self {
        let origin = match self.origin {
            Origin::Stored => Origin::Renewed(self.epoch),
            origin => origin,
        };
        Self { origin, epoch, sent: self.sequence, sent_at: Timestamp::default(), ..self }
    }

    /// Returns true if less than half of the head's life is left, so that a join must extend it.
    #[must_use]
    pub fn expires_soon(&self, now: Timestamp) -> bool {
        self.expires_at < now.plus(limits::HEAD_LIFE / 2)
    }

    /// The position of the last publication.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch.clone(), sequence: self.sequence }
    }

    /// The range of sequences after `sent`: jobs for it may not have been queued yet.
    #[must_use]
    pub fn unsent(&self) -> Option<Range> {
        let range = || Range { epoch: self.epoch.clone(), after: self.sent, through: self.sequence };
        (self.sequence > self.sent).then(range)
    }

    /// The load of the room after one more publication of each of `publishers`.
    #[must_use]
    pub fn load_after<'a>(&self, publishers: impl IntoIterator<Item = &'a Publisher>, now: Timestamp) -> Load {
        let publishers: Vec<&Publisher> = publishers.into_iter().collect();
        let count = u32::try_from(publishers.len()).unwrap_or(u32::MAX);
        let busy_until = limits::ROOM_RATE.note(self.busy_until, count, now);
        Load { busy_until, shares: self.shares.note(publishers, now) }
    }

    /// Makes one job for each shard, for the range that may not be queued yet.
    #[must_use]
    pub fn jobs(&self, room: &RoomId) -> Vec<Job> {
        self.unsent().map(|range| Job::for_shards(room, &range, self.shards)).unwrap_or_default()
    }
}

/// Identifies a publication among repeats: a repeat has the same publisher and id in the same room.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupeKey {
    /// The room of the publication.
    pub room: RoomId,
    /// The owner of the id.
    pub publisher: Publisher,
    /// The publisher's id for the publication.
    pub id: PublicationId,
}

impl DedupeKey {
    /// The keys of all items of a submission.
    pub fn of(submission: &Submission) -> impl Iterator<Item = Self> {
        submission.items.iter().map(|item| Self {
            room: submission.room.clone(),
            publisher: submission.publisher.clone(),
            id: item.id.clone(),
        })
    }
}

/// The content of a dedupe row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The position of the publication with this id.
    pub position: Position,
    /// The time at which the publication was sequenced.
    pub sequenced_at: Timestamp,
}

impl Remembered {
    /// Returns true if a missing log row proves that a restore brought back only the id. A younger
    /// row may not be visible yet, and an older one has expired.
    #[must_use]
    pub fn must_be_in_log(&self, now: Timestamp) -> bool {
        let age = now.since(self.sequenced_at);
        limits::ROW_IS_VISIBLE < age && age + limits::ROW_IS_VISIBLE < limits::RETENTION
    }
}

/// One sequencing transaction: it moves the head on from `head`, and writes these publications to
/// the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The room of the log.
    pub room: RoomId,
    /// The expected stored head: epoch, sequence and shards must be unchanged.
    pub head: Head,
    /// At most [`limits::PUBLICATIONS_PER_TRANSACTION`] publications, contiguous from the head on,
    /// each with its dedupe key.
    pub publications: Vec<(Publication, DedupeKey)>,
}

impl Append {
    /// The head after the transaction.
    #[must_use]
    pub fn head_after(&self) -> Head {
        let sequence = self.head.sequence.plus(self.publications.len() as u64);
        let now = self.publications.last().map_or(self.head.busy_until, |(publication, _)| publication.sequenced_at);
        let publishers = self.publications.iter().map(|(_, key)| &key.publisher);
        let Load { busy_until, shares } = self.head.load_after(publishers, now);
        Head { sequence, busy_until, shares, ..self.head.clone().created(self.head.generation, now) }
    }
}

/// Gives positions to the items of `submissions` (of one room, in the queue's order), except for
/// those in `known` and repeats within the batch. A transaction has at most `per_transaction` of
/// them. Each transaction builds on the one before.
#[must_use]
pub fn plan<'a>(
    head: &Head,
    known: &HashSet<DedupeKey>,
    submissions: impl IntoIterator<Item = &'a Submission>,
    now: Timestamp,
    per_transaction: usize,
) -> Vec<Append> {
    let mut seen = known.clone();
    let mut appends: Vec<Append> = Vec::new();
    for submission in submissions {
        for (item, key) in submission.items.iter().zip(DedupeKey::of(submission)) {
            if !seen.insert(key.clone()) {
                continue;
            }
            let append = open(&mut appends, head, submission, per_transaction);
            let sequence = append.head.sequence.plus(append.publications.len() as u64 + 1);
            let publication = Publication {
                position: Position { epoch: head.epoch.clone(), sequence },
                id: item.id.clone(),
                by: submission.by.clone(),
                sender: submission.sender.clone(),
                echo: submission.echo,
                accepted_at: submission.accepted_at,
                sequenced_at: now,
                data: item.data.clone(),
            };
            append.publications.push((publication, key));
        }
    }
    appends
}

/// Returns the last transaction if it has space for one more publication, otherwise a new one.
fn open<'a>(
    appends: &'a mut Vec<Append>,
    head: &Head,
    submission: &Submission,
    per_transaction: usize,
) -> &'a mut Append {
    let next = match appends.last() {
        Some(last) if last.publications.len() < per_transaction => None,
        Some(last) => Some(last.head_after()),
        None => Some(head.clone()),
    };
    if let Some(head) = next {
        appends.push(Append { room: submission.room.clone(), head, publications: Vec::new() });
    }
    let last = appends.len() - 1;
    &mut appends[last]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Data, Item, UserId};
    use proptest::prelude::*;

    fn submission(publisher: &str, ids: &[u32]) -> Submission {
        let user = UserId::parse(publisher).unwrap();
        let item = |id: &u32| Item {
            id: PublicationId::parse(id.to_string()).unwrap(),
            data: Data::parse(&id.to_string()).unwrap(),
        };
        Submission {
            room: RoomId::parse("lobby").unwrap(),
            publisher: Publisher::user(&user),
            by: user,
            sender: None,
            echo: true,
            ephemeral: None,
            held: None,
            reminder: None,
            accepted_at: Timestamp::from_ms(1),
            items: ids.iter().map(item).collect(),
        }
    }

    fn head(sequence: u64) -> Head {
        let room = RoomId::parse("lobby").unwrap();
        Head { sequence: Sequence::new(sequence), ..Head::new(&room, Epoch::from_random(7)) }
    }

    #[test]
    fn the_same_id_of_another_publisher_is_no_repeat() {
        let batch = [submission("ada", &[1]), submission("bob", &[1]), submission("ada", &[1])];
        let appends =
            plan(&head(0), &HashSet::new(), &batch, Timestamp::from_ms(2), limits::PUBLICATIONS_PER_TRANSACTION);
        assert_eq!(appends[0].publications.len(), 2);
    }

    #[test]
    fn nothing_new_is_no_transaction() {
        let batch = [submission("ada", &[1])];
        let known = DedupeKey::of(&batch[0]).collect();
        assert!(plan(&head(3), &known, &batch, Timestamp::from_ms(2), limits::PUBLICATIONS_PER_TRANSACTION).is_empty());
    }

    proptest! {
        #[test]
        fn every_new_publication_gets_the_next_position_once(
            batch in prop::collection::vec((0_u32..3, prop::collection::vec(0_u32..60, 1..10)), 1..30),
            known in prop::collection::hash_set((0_u32..3, 0_u32..60), 0..50),
            start in 0_u64..1_000,
        ) {
            let publishers = ["ada", "bob", "eve"];
            let batch: Vec<Submission> =
                batch.into_iter().map(|(who, ids)| submission(publishers[who as usize], &ids)).collect();
            let known: HashSet<DedupeKey> = known
                .into_iter()
                .flat_map(|(who, id)| DedupeKey::of(&submission(publishers[who as usize], &[id])).collect::<Vec<_>>())
                .collect();
            let mut expected = Vec::new();
            let mut seen = known.clone();
            for key in batch.iter().flat_map(DedupeKey::of) {
                if seen.insert(key.clone()) {
                    expected.push(key);
                }
            }
            let appends = plan(&head(start), &known, &batch, Timestamp::from_ms(2), limits::PUBLICATIONS_PER_TRANSACTION);
            let mut at = head(start);
            for append in &appends {
                prop_assert_eq!(&append.head, &at);
                prop_assert!((1..=limits::PUBLICATIONS_PER_TRANSACTION).contains(&append.publications.len()));
                at = append.head_after();
            }
            let all: Vec<_> = appends.into_iter().flat_map(|append| append.publications).collect();
            for (n, (publication, key)) in all.iter().enumerate() {
                prop_assert_eq!(publication.position.sequence.get(), start + n as u64 + 1);
                prop_assert_eq!(key, &expected[n]);
            }
            prop_assert_eq!(all.len(), expected.len());
        }
    }
}
