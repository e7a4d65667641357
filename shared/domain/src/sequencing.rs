//! One total order per room: which submissions become which positions.

use std::collections::HashSet;

use crate::limits;
use crate::name::{PublicationId, RoomId};
use crate::position::{Epoch, Generation, Position, Sequence};
use crate::publication::{Publication, Publisher, Submission};
use crate::shard::Shards;
use crate::timestamp::Timestamp;
use crate::{Job, Range};

/// What stands in the table where a head was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The head itself.
    Stored,
    /// A head of this other epoch. The next append replaces it.
    Renewed(Epoch),
    /// Nothing. The next append creates the head.
    Absent,
}

/// The head of a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What stands in the table.
    pub origin: Origin,
    /// Of the deployment, when the epoch began.
    pub generation: Generation,
    /// Which life of the room.
    pub epoch: Epoch,
    /// The last position given away.
    pub sequence: Sequence,
    /// Up to where jobs have been queued.
    pub sent: Sequence,
    /// How many slices its members are in.
    pub shards: Shards,
    /// Until when what was published takes up the room's rate.
    pub busy_until: Timestamp,
    /// When it may be removed. Appends and joins move this on.
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
            shards: Shards::initial(room),
            busy_until: Timestamp::default(),
            expires_at: Timestamp::default(),
        }
    }

    /// The head of a room that has none, for a function that only reads. Its epoch is no room's: a resume from it recovers
    /// nothing.
    #[must_use]
    pub fn none(room: &RoomId) -> Self {
        Self::new(room, Epoch::none())
    }

    /// The head as it stands once it was created.
    #[must_use]
    pub fn created(self, generation: Generation, now: Timestamp) -> Self {
        Self { origin: Origin::Stored, generation, expires_at: Self::life_from(now), ..self }
    }

    /// When a head expires that is written now. DynamoDB counts whole seconds.
    #[must_use]
    pub fn life_from(now: Timestamp) -> Timestamp {
        Timestamp::from_ms(now.plus(limits::HEAD_LIFE).as_s() * 1_000)
    }

    /// The head as a deployment of this generation reads it. One of an older generation comes from a backup: its sequences
    /// were given to other publications since, so it goes on in another epoch.
    #[must_use]
    pub fn in_generation(self, generation: Generation) -> Self {
        if self.generation >= generation {
            return self;
        }
        let epoch = self.epoch.in_generation(generation);
        Self { generation, ..self.renewed(epoch) }
    }

    /// The head goes on in another epoch, from where it is. Whatever the older epoch owes is not delivered any more.
    #[must_use]
    pub fn renewed(self, epoch: Epoch) -> Self {
        let origin = match self.origin {
            Origin::Stored => Origin::Renewed(self.epoch),
            origin => origin,
        };
        Self { origin, epoch, sent: self.sequence, ..self }
    }

    /// Whether less than half of its life is left, so that a join has to move its end.
    #[must_use]
    pub fn expires_soon(&self, now: Timestamp) -> bool {
        self.expires_at < now.plus(limits::HEAD_LIFE / 2)
    }

    /// Where the room stands.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch.clone(), sequence: self.sequence }
    }

    /// What is owed to the fan-out: everything sequenced for which jobs may not have been queued.
    #[must_use]
    pub fn unsent(&self) -> Option<Range> {
        let range = || Range { epoch: self.epoch.clone(), after: self.sent, through: self.sequence };
        (self.sequence > self.sent).then(range)
    }

    /// Until when the room's rate is taken up once so many more have been published.
    #[must_use]
    pub fn busy_after(&self, count: u32, now: Timestamp) -> Timestamp {
        limits::ROOM_RATE.note(self.busy_until, count, now)
    }

    /// One job per shard for what is owed.
    #[must_use]
    pub fn jobs(&self, room: &RoomId) -> Vec<Job> {
        self.unsent().map(|range| Job::for_shards(room, &range, self.shards)).unwrap_or_default()
    }
}

/// What makes a publication a repeat: its publisher used the id in this room before.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupeKey {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub publisher: Publisher,
    /// What they call it.
    pub id: PublicationId,
}

impl DedupeKey {
    /// The keys of everything in a submission.
    pub fn of(submission: &Submission) -> impl Iterator<Item = Self> {
        submission.items.iter().map(|item| Self {
            room: submission.room.clone(),
            publisher: submission.publisher.clone(),
            id: item.id.clone(),
        })
    }
}

/// What is remembered of a publication id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Where its publication stands.
    pub position: Position,
    /// Since when.
    pub sequenced_at: Timestamp,
}

impl Remembered {
    /// Whether a log without the publication shows that a restore brought back the id alone. A younger row may be on its way
    /// into the table, and an older one has expired.
    #[must_use]
    pub fn must_be_in_log(&self, now: Timestamp) -> bool {
        let age = now.since(self.sequenced_at);
        limits::ROW_IS_VISIBLE < age && age + limits::ROW_IS_VISIBLE < limits::RETENTION
    }
}

/// One transaction: the head moves on from `head`, and these publications stand in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Whose log.
    pub room: RoomId,
    /// The head as it must still be: epoch, sequence and shards.
    pub head: Head,
    /// At most [`limits::PUBLICATIONS_PER_TRANSACTION`], contiguous from the head on, each with what it is remembered by.
    pub publications: Vec<(Publication, DedupeKey)>,
}

impl Append {
    /// The head afterwards.
    #[must_use]
    pub fn head_after(&self) -> Head {
        let sequence = self.head.sequence.plus(self.publications.len() as u64);
        let now = self.publications.last().map_or(self.head.busy_until, |(publication, _)| publication.sequenced_at);
        let count = u32::try_from(self.publications.len()).unwrap_or(u32::MAX);
        let busy_until = self.head.busy_after(count, now);
        Head { sequence, busy_until, ..self.head.clone().created(self.head.generation, now) }
    }
}

/// Gives positions to whatever in `submissions` (of one room, in the queue's order) is neither `known` nor a repeat
/// inside the batch, at most `per_transaction` in one transaction. Each transaction builds on the one before.
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
            let sequence = append.head_after().sequence.next();
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

/// The transaction with room for one more, a new one if need be.
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
