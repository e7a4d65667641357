//! Heads, logs and dedupe rows, and how far shards are, over the state of the store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::PoisonError;

use domain::ports::{Appended, Result, Rooms};
use domain::{
    Append, DedupeKey, Epoch, Head, Position, Publication, Range, RoomId, Sequence, Shard, Shards, Timestamp, limits,
};

use super::bugs::Bug;
use super::meter::Asked;
use super::refused;
use super::store::{State, Store};

/// One room: where it stands, and what was said in each of its lives.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) head: Head,
    log: HashMap<Epoch, BTreeMap<Sequence, Publication>>,
    delivered: HashMap<(Shard, Epoch), Range>,
}

impl Rooms for Store {
    async fn head(&self, room: &RoomId) -> Result<Option<Head>> {
        self.answers(room, "GetItem (head)")?;
        self.reads_keys(1);
        let head = self.lock().rooms.get(room).map(|room| room.head.clone());
        if self.has(Bug::JobsNotResent) {
            return Ok(head.map(|head| Head { sent: head.sequence, ..head }));
        }
        if self.has(Bug::HeadBeforeMembership)
            && let Some(head) = &head
        {
            let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(Some(remembered.entry(room.clone()).or_insert_with(|| head.clone()).clone()));
        }
        Ok(head)
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, Head>> {
        self.reads_keys(rooms.len());
        let state = self.lock();
        let head = |room: &RoomId| Some((room.clone(), state.rooms.get(room)?.head.clone()));
        Ok(rooms.iter().filter_map(head).collect())
    }

    async fn create(&self, room: &RoomId, epoch: &Epoch) -> Result<Head> {
        let mut state = self.lock();
        let created = || Room { head: Head::new(room, epoch.clone()), log: HashMap::new(), delivered: HashMap::new() };
        Ok(state.rooms.entry(room.clone()).or_insert_with(created).head.clone())
    }

    async fn grow(&self, room: &RoomId, from: Shards, to: Shards) -> Result<()> {
        let mut state = self.lock();
        if let Some(room) = state.rooms.get_mut(room).filter(|room| room.head.shards == from) {
            room.head.shards = to;
        }
        Ok(())
    }

    async fn known(&self, keys: &[DedupeKey]) -> Result<HashSet<DedupeKey>> {
        self.reads_keys(keys.len());
        let state = self.lock();
        let known = keys.iter().filter(|key| state.knows(key, self.bug()));
        Ok(known.cloned().collect())
    }

    async fn append(&self, append: &Append) -> Result<Appended> {
        let most = limits::PUBLICATIONS_PER_TRANSACTION;
        let count = append.publications.len();
        if !(1..=most).contains(&count) {
            let why = format!("{count} publications in one transaction; 1 to {most} are allowed");
            return Err(refused("memory append", why));
        }
        self.answers(&append.room, "TransactWriteItems (append)")?;
        Ok(self.lock().append(append, self.bug()))
    }

    async fn mark_sent(&self, room: &RoomId, epoch: &Epoch, through: Sequence) -> Result<()> {
        let mut state = self.lock();
        if let Some(room) = state.rooms.get_mut(room).filter(|room| room.head.epoch == *epoch) {
            room.head.sent = room.head.sent.max(through);
        }
        Ok(())
    }

    async fn delivered(&self, room: &RoomId, shard: Shard, epoch: &Epoch) -> Result<Option<Range>> {
        self.answers(room, "GetItem (delivered)")?;
        self.reads(Asked::Keys(1), 1);
        let delivered =
            self.lock().rooms.get(room).and_then(|room| room.delivered.get(&(shard, epoch.clone()))).cloned();
        if self.has(Bug::DeliveredOverstated) {
            return Ok(delivered.map(|range| Range { through: range.through.next(), ..range }));
        }
        Ok(delivered)
    }

    async fn mark_delivered(&self, room: &RoomId, shard: Shard, range: &Range, _: Timestamp) -> Result<()> {
        self.answers(room, "PutItem (delivered)")?;
        let mut state = self.lock();
        let room = state.rooms.get_mut(room).filter(|_| !self.has(Bug::DeliveredForgotten));
        let Some(Room { delivered, .. }) = room else { return Ok(()) };
        let key = (shard, range.epoch.clone());
        if delivered.get(&key).is_none_or(|stands| stands.through < range.through) {
            delivered.insert(key, range.clone());
        }
        Ok(())
    }

    async fn log(&self, room: &RoomId, range: &Range, limit: usize, now: Timestamp) -> Result<Vec<Publication>> {
        self.answers(room, "Query (log)")?;
        let Range { epoch, after, through } = range;
        let state = self.lock();
        let rows = state.log(room, epoch);
        let rows = rows.filter(|row| (after.next()..=*through).contains(&row.position.sequence));
        let mut rows: Vec<Publication> = rows.filter(|row| lives(row, now)).take(limit).cloned().collect();
        self.reads(Asked::Rows(limit), rows.len());
        if self.has(Bug::ResumePartly) && rows.len() > 1 {
            rows.pop();
        }
        Ok(rows)
    }

    async fn log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        let state = self.lock();
        let rows = state.log(room, epoch).rev();
        let rows = rows.filter(|row| row.position.sequence <= through && lives(row, now));
        let rows: Vec<Publication> = rows.take(limit).cloned().collect();
        self.reads(Asked::Rows(limit), rows.len());
        Ok(rows)
    }
}

impl State {
    fn knows(&self, key: &DedupeKey, bug: Option<Bug>) -> bool {
        match bug {
            Some(Bug::NoDedupe) => false,
            Some(Bug::DedupeWithoutPublisher) => {
                self.dedupe.keys().any(|known| known.room == key.room && known.id == key.id)
            }
            _ => self.dedupe.contains_key(key),
        }
    }

    fn append(&mut self, append: &Append, bug: Option<Bug>) -> Appended {
        let repeats = append.publications.iter().any(|(_, key)| self.knows(key, bug));
        let stands = self.rooms.get(&append.room).is_some_and(|room| room.stands_at(&append.head, bug));
        let Some(room) = self.rooms.get_mut(&append.room).filter(|_| stands && !repeats) else {
            self.conditions_failed += 1;
            return Appended::Stale;
        };
        let Head { sequence, busy_until, .. } = append.head_after();
        (room.head.sequence, room.head.busy_until) = (sequence, busy_until);
        if bug == Some(Bug::SentBeforeJobs) {
            room.head.sent = sequence;
        }
        for (publication, key) in &append.publications {
            let Position { epoch, sequence } = publication.position.clone();
            let log = room.log.entry(epoch).or_default();
            log.insert(sequence, publication.clone());
            self.dedupe.insert(key.clone(), publication.sequenced_at);
        }
        Appended::Stored
    }

    fn log(&self, room: &RoomId, epoch: &Epoch) -> impl DoubleEndedIterator<Item = &Publication> {
        let log = self.rooms.get(room).and_then(|room| room.log.get(epoch));
        log.into_iter().flat_map(BTreeMap::values)
    }
}

impl Room {
    /// Whether the head is still as it was read; how far jobs are queued does not matter.
    fn stands_at(&self, read: &Head, bug: Option<Bug>) -> bool {
        let Head { epoch, sequence, shards, .. } = &self.head;
        (epoch, sequence) == (&read.epoch, &read.sequence)
            && (shards == &read.shards || bug == Some(Bug::ShardsNotConditioned))
    }

    pub(super) fn restore(&mut self, lost: u64, epoch: Epoch) {
        let sequence = Sequence::new(self.head.sequence.get().saturating_sub(lost));
        self.head = Head { epoch, sequence, sent: sequence, ..self.head.clone() };
    }

    pub(super) fn publications(&self) -> Vec<Publication> {
        self.log.values().flat_map(BTreeMap::values).cloned().collect()
    }

    pub(super) fn sweep_expired(&mut self, now: Timestamp) {
        for log in self.log.values_mut() {
            log.retain(|_, publication| lives(publication, now));
        }
    }
}

fn lives(publication: &Publication, now: Timestamp) -> bool {
    now < publication.sequenced_at.plus(limits::RETENTION)
}
