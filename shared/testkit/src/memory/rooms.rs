//! Implements heads, logs, dedupe rows and the progress of shards over the state of the store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::time::Duration;

use domain::ports::{Appended, Result, Rooms};
use domain::{
    Append, DedupeKey, Epoch, Generation, Head, Origin, Position, Publication, Range, Remembered, RoomId, Sequence,
    Shard, Shards, Timestamp, limits,
};

use super::bugs::Bug;
use super::conflicts::Item;
use super::meter::Asked;
use super::refused;
use super::store::{State, Store};

/// A replica of the table lacks the rows of this last time. In a real table the lag is usually
/// below one second.
const REPLICA_LAGS: Duration = Duration::from_millis(500);
/// Bytes of a log row beside its data: its keys, names and numbers.
const ROW_OVERHEAD_BYTES: usize = 200;

/// One room: its head, and its log in each of its epochs.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// The stored head, of the generation that wrote it.
    pub(super) head: Option<Head>,
    /// The generation of a restore of this room alone.
    generation: Generation,
    log: HashMap<Epoch, BTreeMap<Sequence, Publication>>,
    delivered: HashMap<(Shard, Epoch), Range>,
}

impl Rooms for Store {
    async fn head(&self, room: &RoomId) -> Result<Option<Head>> {
        self.answers(room, "GetItem (head)")?;
        self.reads_keys(1);
        let head = self.read_head(&self.lock(), room);
        if self.has(Bug::JobsNotResent) {
            return Ok(head.map(|head| Head { sent: head.sequence, ..head }));
        }
        Ok(head)
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, Head>> {
        self.reads_keys(rooms.len());
        let state = self.lock();
        let head = |room: &RoomId| Some((room.clone(), self.read_head(&state, room)?));
        let mut heads: HashMap<RoomId, Head> = rooms.iter().filter_map(head).collect();
        if self.has(Bug::HeadBeforeMembership) {
            let mut remembered = self.recalled();
            for (room, head) in &mut heads {
                *head = remembered.heads.entry(room.clone()).or_insert_with(|| head.clone()).clone();
            }
        }
        Ok(heads)
    }

    async fn create(&self, room: &RoomId, epoch: &Epoch, now: Timestamp) -> Result<Head> {
        self.wait_for("PutItem (head)", &[Item::Head(room.clone())]).await?;
        let mut state = self.lock();
        let generation = state.generation;
        let created = || Head::new(room, epoch.clone()).created(generation, now);
        Ok(state.rooms.entry(room.clone()).or_default().head.get_or_insert_with(created).clone())
    }

    async fn keep(&self, room: &RoomId, now: Timestamp) -> Result<()> {
        self.wait_for("UpdateItem (keep)", &[Item::Head(room.clone())]).await?;
        if let Some(head) = self.lock().head_mut(room) {
            head.expires_at = head.expires_at.max(Head::life_from(now));
        }
        Ok(())
    }

    async fn grow(&self, room: &RoomId, from: Shards, to: Shards) -> Result<()> {
        self.wait_for("UpdateItem (grow)", &[Item::Head(room.clone())]).await?;
        if let Some(head) = self.lock().head_mut(room).filter(|head| head.shards == from) {
            head.shards = to;
        }
        Ok(())
    }

    async fn known(&self, keys: &[DedupeKey]) -> Result<HashMap<DedupeKey, Remembered>> {
        self.reads_keys(keys.len());
        let state = self.lock();
        let known = keys.iter().filter_map(|key| Some((key.clone(), state.remembered(key, self.bug())?.clone())));
        Ok(known.collect())
    }

    async fn logged(&self, room: &RoomId, positions: &[Position]) -> Result<HashSet<Position>> {
        self.reads_keys(positions.len());
        let state = self.lock();
        let is_logged = |at: &&Position| state.rooms.get(room).is_some_and(|room| room.has_row(at));
        Ok(positions.iter().filter(is_logged).cloned().collect())
    }

    async fn forget_ids(&self, ids: &HashMap<DedupeKey, Remembered>) -> Result<()> {
        let mut state = self.lock();
        for (key, Remembered { position, .. }) in ids {
            if state.dedupe.get(key).is_some_and(|stands| stands.position == *position) {
                state.dedupe.remove(key);
            }
        }
        Ok(())
    }

    async fn append(&self, append: &Append) -> Result<Appended> {
        let most = limits::PUBLICATIONS_PER_TRANSACTION;
        let count = append.publications.len();
        if !(1..=most).contains(&count) {
            let why = format!("{count} publications in one transaction; 1 to {most} are allowed");
            return Err(refused("memory append", why));
        }
        self.answers(&append.room, "TransactWriteItems (append)")?;
        let _held = self.transaction("TransactWriteItems (append)", &[Item::Head(append.room.clone())]).await?;
        Ok(self.lock().append(append, self.bug()))
    }

    async fn mark_sent(&self, room: &RoomId, epoch: &Epoch, through: Sequence, now: Timestamp) -> Result<()> {
        self.wait_for("UpdateItem (sent)", &[Item::Head(room.clone())]).await?;
        let mut store = self.lock();
        let head = store.head_mut(room).filter(|head| head.epoch == *epoch && head.sent < through);
        if let Some(head) = head {
            (head.sent, head.sent_at) = (through, now);
        }
        Ok(())
    }

    async fn delivered(&self, room: &RoomId, shard: Shard, epoch: &Epoch) -> Result<Option<Range>> {
        self.answers(room, "GetItem (delivered)")?;
        self.reads(Asked::Keys(1), 1);
        if self.has(Bug::LogAfterMembers) {
            self.note_members(room, shard);
        }
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
        let lag = if self.has(Bug::ShortRunBelieved) { REPLICA_LAGS } else { Duration::ZERO };
        let seen_until = if lag.is_zero() { Timestamp::from_ms(u64::MAX) } else { now.minus(lag) };
        self.log_forwards(room, range, limit, now, seen_until)
    }

    async fn replica_log(
        &self,
        room: &RoomId,
        range: &Range,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        self.log_forwards(room, range, limit, now, now.minus(REPLICA_LAGS))
    }

    async fn log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        let rows = |state: &State| {
            let rows = state.log(room, epoch).rev();
            rows.filter(|row| is_among(row, through, limit) && lives(row, now)).cloned().collect()
        };
        self.read_rows(limit, rows)
    }

    async fn replica_log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        let seen_until = now.minus(REPLICA_LAGS);
        let rows = |state: &State| {
            let rows = state.log(room, epoch).rev().filter(|row| row.sequenced_at <= seen_until);
            rows.filter(|row| is_among(row, through, limit) && lives(row, now)).cloned().collect()
        };
        self.read_rows(limit, rows)
    }
}

/// Returns true for a row at one of the `limit` positions that end with `through`.
fn is_among(row: &Publication, through: Sequence, limit: usize) -> bool {
    let sequence = row.position.sequence;
    sequence <= through && usize::try_from(through.beyond(sequence)).is_ok_and(|distance| distance < limit)
}

impl Store {
    /// Rows of a range that were sequenced by `seen_until`.
    fn log_forwards(
        &self,
        room: &RoomId,
        range: &Range,
        limit: usize,
        now: Timestamp,
        seen_until: Timestamp,
    ) -> Result<Vec<Publication>> {
        self.answers(room, "Query (log)")?;
        let Range { epoch, after, through } = range;
        let mut rows = self.read_rows(limit, |state| {
            let rows = state.log_between(room, epoch, *after, *through);
            let rows = rows.filter(|row| row.sequenced_at <= seen_until);
            rows.filter(|row| lives(row, now)).take(limit).cloned().collect()
        })?;
        if self.has(Bug::FirstPageOnly) && self.continues_a_page(room, range, &rows, limit) {
            rows.clear();
        }
        if self.has(Bug::ResumePartly) && rows.len() > 1 {
            rows.pop();
        }
        Ok(rows)
    }

    /// Reads log rows, and counts their bytes.
    fn read_rows(&self, limit: usize, read: impl FnOnce(&State) -> Vec<Publication>) -> Result<Vec<Publication>> {
        let rows = read(&self.lock());
        let bytes = rows.iter().map(|row| row.data.as_json().len() + ROW_OVERHEAD_BYTES).sum();
        self.reads_bytes(Asked::Rows(limit), rows.len(), bytes);
        Ok(rows)
    }

    /// The head of a room, as the generation of the deployment sees it.
    fn read_head(&self, state: &State, room: &RoomId) -> Option<Head> {
        let head = state.rooms.get(room)?.head.clone()?;
        let generation = state.generation.max(state.rooms.get(room)?.generation);
        Some(head.in_generation(generation))
    }
}

impl Store {
    /// Reports whether a read continues the last full page of the room. Remembers the end of this
    /// page.
    fn continues_a_page(&self, room: &RoomId, range: &Range, rows: &[Publication], limit: usize) -> bool {
        let mut recalled = self.recalled();
        let ended = &mut recalled.page_ended;
        let begins = Position { epoch: range.epoch.clone(), sequence: range.after };
        let continues = ended.remove(room).is_some_and(|at| at == begins);
        if let Some(last) = rows.last().filter(|_| rows.len() == limit) {
            ended.insert(room.clone(), last.position.clone());
        }
        continues
    }
}

impl State {
    pub(super) fn head_mut(&mut self, room: &RoomId) -> Option<&mut Head> {
        self.rooms.get_mut(room)?.head.as_mut()
    }

    fn remembered(&self, key: &DedupeKey, bug: Option<Bug>) -> Option<&Remembered> {
        match bug {
            Some(Bug::NoDedupe) => None,
            Some(Bug::DedupeWithoutPublisher) => {
                let same = |(known, _): &(&DedupeKey, _)| known.room == key.room && known.id == key.id;
                self.dedupe.iter().find(same).map(|(_, remembered)| remembered)
            }
            _ => self.dedupe.get(key),
        }
    }

    fn append(&mut self, append: &Append, bug: Option<Bug>) -> Appended {
        let repeats = append.publications.iter().any(|(_, key)| self.remembered(key, bug).is_some());
        let deployed = self.generation;
        let room = self.rooms.entry(append.room.clone()).or_default();
        let generation = deployed.max(room.generation).max(append.head.generation);
        if repeats || !room.stands_at(&append.head, bug) {
            self.conditions_failed += 1;
            return Appended::Stale;
        }
        if append.publications.iter().any(|(publication, _)| room.has_row(&publication.position)) {
            self.conditions_failed += 1;
            return Appended::Occupied;
        }
        let mut after = append.head_after();
        // The append has no condition on `sent`; a new epoch begins with the head that was read.
        if let (Origin::Stored, Some(head)) = (&append.head.origin, &room.head) {
            (after.sent, after.sent_at, after.shards) = (head.sent, head.sent_at, head.shards);
        }
        if bug == Some(Bug::SentBeforeJobs) {
            after.sent = after.sequence;
        }
        room.head = Some(Head { generation, ..after });
        for (publication, key) in &append.publications {
            let Position { epoch, sequence } = publication.position.clone();
            room.log.entry(epoch).or_default().insert(sequence, publication.clone());
            let (position, sequenced_at) = (publication.position.clone(), publication.sequenced_at);
            self.dedupe.insert(key.clone(), Remembered { position, sequenced_at });
        }
        Appended::Stored
    }

    fn log(&self, room: &RoomId, epoch: &Epoch) -> impl DoubleEndedIterator<Item = &Publication> {
        let log = self.rooms.get(room).and_then(|room| room.log.get(epoch));
        log.into_iter().flat_map(BTreeMap::values)
    }

    /// The rows after one position and through another one.
    fn log_between(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        after: Sequence,
        through: Sequence,
    ) -> impl Iterator<Item = &Publication> {
        let log = self.rooms.get(room).and_then(|room| room.log.get(epoch)).filter(|_| after < through);
        let rows = log.into_iter().flat_map(move |log| log.range((Bound::Excluded(after), Bound::Included(through))));
        rows.map(|(_, row)| row)
    }
}

impl Room {
    /// Reports whether the head is still the one that was read, apart from `sent`.
    fn stands_at(&self, read: &Head, bug: Option<Bug>) -> bool {
        let stored = match &read.origin {
            Origin::Absent => return self.head.is_none(),
            Origin::Stored => &read.epoch,
            Origin::Renewed(stored) => stored,
        };
        let Some(Head { epoch, sequence, shards, .. }) = &self.head else { return false };
        (epoch, sequence) == (stored, &read.sequence)
            && (shards == &read.shards || bug == Some(Bug::ShardsNotConditioned))
    }

    pub(super) fn restore(&mut self, lost: u64, generation: Generation) {
        self.generation = Generation::new(self.generation.max(generation).get() + 1);
        if let Some(head) = &mut self.head {
            head.sequence = Sequence::new(head.sequence.get().saturating_sub(lost));
            head.sent = head.sent.min(head.sequence);
        }
    }

    fn has_row(&self, Position { epoch, sequence }: &Position) -> bool {
        self.log.get(epoch).is_some_and(|log| log.contains_key(sequence))
    }

    /// Moves the head back by `lost` positions, or removes it, in the same generation. Everything
    /// else stays as it is.
    pub(super) fn restore_head(&mut self, lost: Option<u64>) {
        match (&mut self.head, lost) {
            (Some(head), Some(lost)) => {
                head.sequence = Sequence::new(head.sequence.get().saturating_sub(lost));
                head.sent = head.sent.min(head.sequence);
            }
            (head, None) => *head = None,
            (None, Some(_)) => {}
        }
    }

    /// Removes the last rows of the log, and leaves everything else as it is.
    pub(super) fn lose_rows(&mut self, lost: u64) {
        let Some(Head { epoch, sequence, .. }) = &self.head else { return };
        if let Some(log) = self.log.get_mut(epoch) {
            log.retain(|at, _| at.get() + lost <= sequence.get());
        }
    }

    pub(super) fn publications(&self) -> Vec<Publication> {
        self.log.values().flat_map(BTreeMap::values).cloned().collect()
    }

    pub(super) fn sweep_expired(&mut self, now: Timestamp) {
        self.head.take_if(|head| head.expires_at <= now);
        for log in self.log.values_mut() {
            log.retain(|_, publication| lives(publication, now));
        }
    }
}

fn lives(publication: &Publication, now: Timestamp) -> bool {
    now < publication.sequenced_at.plus(limits::RETENTION)
}
