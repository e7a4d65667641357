//! The two tables in memory: connections, memberships and rooms in one state, so that a transaction
//! is one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ports::{Clock, Result};
use domain::{
    Ban, Change, Connection, ConnectionId, DedupeKey, Enlisted, Generation, Head, Hold, Identity, Member, Membership,
    Position, Presence, Publication, Remembered, RoomId, Shard, Timestamp, UserId, limits,
};

use super::bugs::Bug;
use super::conflicts::Conflicts;
use super::index::{Index, Lag};
use super::meter::{Asked, Meter};
use super::rooms::Room;
use super::unavailable;
use crate::clock::TurnedClock;

/// Members in one page of an index unless the test sets another size.
const PAGE_SIZE: usize = 1_000;

/// Connections, memberships and rooms in memory, as the tables store them. Reads by key are
/// consistent. The indexes (pages, counts, silent connections) lag if the test sets a lag.
/// Transactions happen whole or not at all. Tombstones stay until they expire. A transaction holds
/// its items for [`super::TRANSACTION_HOLD`], and other writes of them wait. Clones are the same
/// store.
#[derive(Debug, Clone)]
pub struct Store {
    clock: TurnedClock,
    state: Arc<Mutex<State>>,
    pub(super) conflicts: Conflicts,
    bug: Option<Bug>,
    meter: Option<Meter>,
    /// Earlier reads and writes of this handle's caller, which some bugs use.
    pub(super) recalled: Arc<Mutex<Recalled>>,
}

/// Earlier reads and writes of one handle's caller.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    pub(super) heads: BTreeMap<RoomId, Head>,
    pub(super) connections: BTreeMap<ConnectionId, Option<Connection>>,
    pub(super) joined: BTreeSet<(ConnectionId, RoomId)>,
    /// Members of shards before the log was read.
    pub(super) members: BTreeMap<(RoomId, Shard), (Timestamp, Vec<Member>)>,
    /// The end of the last full page of each log.
    pub(super) page_ended: BTreeMap<RoomId, Position>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) connections: BTreeMap<ConnectionId, Slot>,
    pub(super) memberships: BTreeMap<ConnectionId, BTreeMap<RoomId, Membership>>,
    pub(super) rooms: HashMap<RoomId, Room>,
    pub(super) dedupe: HashMap<DedupeKey, Remembered>,
    pub(super) presences: HashMap<RoomId, Presence>,
    pub(super) holds: HashMap<RoomId, Hold>,
    /// Bans, with the times of their writes, in the order of the writes.
    pub(super) bans: Vec<(Timestamp, Ban)>,
    /// The connections of each user.
    pub(super) directory: BTreeMap<UserId, BTreeMap<ConnectionId, Enlisted>>,
    /// The rate of each user is used up until this time.
    pub(super) users: BTreeMap<UserId, Timestamp>,
    /// Changes of connections and memberships that the stream has not delivered yet.
    pub(super) changes: Vec<Change>,
    pub(super) index: Index,
    pub(super) page_size: usize,
    pub(super) empty_pages: bool,
    pub(super) conditions_failed: u64,
    /// The generation of the deployment.
    pub(super) generation: Generation,
    /// The room for which every read and write fails.
    failing: Option<RoomId>,
}

/// The item under a connection's key.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly every slot is an open connection")]
pub(super) enum Slot {
    Open {
        connection: Connection,
        /// The shard in `*`, whose index key is on the connection itself.
        everyone: Shard,
        /// The rate of the connection is used up until this time; `None` before its first request.
        busy_until: Option<Timestamp>,
        /// The identity of the renewed token, after a renewal.
        renewed: Option<Box<Identity>>,
        /// The time of the last renewal.
        renewed_at: Option<Timestamp>,
    },
    Buried {
        at: Timestamp,
    },
}

impl Store {
    /// An empty store. The clock decides how far its indexes lag and what has expired.
    #[must_use]
    pub fn new(clock: TurnedClock) -> Self {
        let state = State {
            connections: BTreeMap::new(),
            memberships: BTreeMap::new(),
            rooms: HashMap::new(),
            dedupe: HashMap::new(),
            presences: HashMap::new(),
            holds: HashMap::new(),
            bans: Vec::new(),
            directory: BTreeMap::new(),
            users: BTreeMap::new(),
            changes: Vec::new(),
            index: Index::default(),
            page_size: PAGE_SIZE,
            empty_pages: false,
            conditions_failed: 0,
            generation: Generation::default(),
            failing: None,
        };
        Self {
            clock,
            state: Arc::new(Mutex::new(state)),
            conflicts: Conflicts::new(),
            bug: None,
            meter: None,
            recalled: Arc::default(),
        }
    }

    /// The same store, for another caller with this bug.
    #[must_use]
    pub fn with_bug(&self, bug: Option<Bug>) -> Self {
        Self { bug, recalled: Arc::default(), ..self.clone() }
    }

    /// The same store, for a caller whose transactions hold their items for this time. With zero,
    /// its calls neither hold items nor wait for others: a test may read or change the store at any
    /// time.
    #[must_use]
    pub fn with_transaction_hold(&self, hold: Duration) -> Self {
        Self { conflicts: self.conflicts.with_hold(hold), ..self.clone() }
    }

    /// The same store, for a caller whose reads are counted.
    #[must_use]
    pub fn metered(&self, meter: &Meter) -> Self {
        Self { meter: Some(meter.clone()), ..self.clone() }
    }

    /// Makes every call for one room fail from now on; `None` ends that.
    pub fn set_failing(&self, room: Option<RoomId>) {
        self.lock().failing = room;
    }

    /// Fails if calls for this room must fail.
    pub(super) fn answers(&self, room: &RoomId, operation: &'static str) -> Result<()> {
        match &self.lock().failing {
            Some(failing) if failing == room => Err(unavailable(operation, "the room fails")),
            _ => Ok(()),
        }
    }

    pub(super) fn reads(&self, asked: Asked, evaluated: usize) {
        self.reads_bytes(asked, evaluated, 0);
    }

    pub(super) fn reads_bytes(&self, asked: Asked, evaluated: usize, bytes: usize) {
        if let Some(meter) = &self.meter {
            meter.read(asked, evaluated, bytes);
        }
    }

    /// Counts a read of items by their keys: it evaluates as many items as it asks for.
    pub(super) fn reads_keys(&self, count: usize) {
        self.reads(Asked::Keys(count), count);
    }

    pub(super) fn bug(&self) -> Option<Bug> {
        self.bug
    }

    pub(super) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Every publication of a room that ever got a position, in any order.
    #[must_use]
    pub fn publications(&self, room: &RoomId) -> Vec<Publication> {
        self.lock().rooms.get(room).map(Room::publications).unwrap_or_default()
    }

    /// The stored memberships, except those of `*`, in the order of connections and rooms.
    #[must_use]
    pub fn memberships(&self) -> Vec<Membership> {
        self.lock().all_memberships().cloned().collect()
    }

    /// Restores a room from a backup that has `lost` fewer publications, and begins a generation
    /// for it.
    pub fn restore(&self, room: &RoomId, lost: u64) {
        let mut state = self.lock();
        let generation = state.generation;
        if let Some(room) = state.rooms.get_mut(room) {
            room.restore(lost, generation);
        }
    }

    /// Restores only the head of a room, `lost` publications ago, or removes it: the log continues
    /// beyond the head.
    pub fn restore_head(&self, room: &RoomId, lost: Option<u64>) {
        if let Some(room) = self.lock().rooms.get_mut(room) {
            room.restore_head(lost);
        }
    }

    /// Restores a room without the last rows of its log: their ids are remembered, and the head is
    /// beyond them.
    pub fn lose_rows(&self, room: &RoomId, lost: u64) {
        if let Some(room) = self.lock().rooms.get_mut(room) {
            room.lose_rows(lost);
        }
    }

    /// Sets the generation of every function from now on: heads of older generations are read in
    /// another epoch.
    pub fn set_generation(&self, generation: Generation) {
        self.lock().generation = generation;
    }

    /// The number of conditional writes whose condition was not met.
    #[must_use]
    pub fn conditions_failed(&self) -> u64 {
        self.lock().conditions_failed
    }

    /// Sets the largest number of members in a page. A full page has a next cursor even if nothing
    /// follows, like a DynamoDB query with a limit.
    pub fn set_page_size(&self, members: usize) {
        self.lock().page_size = members.max(1);
    }

    /// Sets whether an empty page with a cursor comes before every page.
    pub fn set_empty_pages(&self, empty: bool) {
        self.lock().empty_pages = empty;
    }

    /// Sets how far the indexes lag behind from now on. Writes that they show already stay visible.
    pub fn set_lag(&self, lag: Lag) {
        let now = self.clock.now();
        self.lock().index.set_lag(lag, now);
    }

    /// Makes the indexes show every write at once, whatever their lag.
    pub fn catch_up(&self) {
        self.lock().index.catch_up();
    }

    /// Removes items after their TTL, which DynamoDB does some time later.
    pub fn sweep_expired(&self) {
        let now = self.clock.now();
        self.lock().sweep_expired(now);
    }

    /// Takes the changes of connections and memberships since the last take, in order, as the
    /// stream of the table delivers them.
    #[must_use]
    pub fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.lock().changes)
    }

    /// The open connections, in the order of their ids.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        let state = self.lock();
        state.connections.values().filter_map(Slot::open).cloned().collect()
    }

    /// Reports whether a tombstone is stored under this id.
    #[must_use]
    pub fn is_buried(&self, connection: &ConnectionId) -> bool {
        matches!(self.lock().connections.get(connection), Some(Slot::Buried { .. }))
    }

    /// A membership as it is stored. The membership of `*` is not stored: it is part of the
    /// connection.
    #[must_use]
    pub fn membership(&self, connection: &ConnectionId, room: &RoomId) -> Option<Membership> {
        self.lock().memberships.get(connection)?.get(room).cloned()
    }

    pub(super) fn clock(&self) -> &TurnedClock {
        &self.clock
    }

    pub(super) fn recalled(&self) -> MutexGuard<'_, Recalled> {
        self.recalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    pub(super) fn open(&self) -> Option<&Connection> {
        match self {
            Self::Open { connection, .. } => Some(connection),
            Self::Buried { .. } => None,
        }
    }
}

impl State {
    /// The connection, if it is open.
    pub(super) fn living(&self, connection: &ConnectionId) -> Option<&Connection> {
        self.connections.get(connection).and_then(Slot::open)
    }

    fn sweep_expired(&mut self, now: Timestamp) {
        let lives = |since: Timestamp, ttl| now < since.plus(ttl);
        let expired = |slot: &Slot| match slot {
            Slot::Open { connection, .. } => !lives(connection.connected_at, limits::CONNECTION_TTL),
            Slot::Buried { at } => !lives(*at, limits::TOMBSTONE),
        };
        let gone: Vec<ConnectionId> = self.connections.iter().filter(|(_, slot)| expired(slot)).map(key).collect();
        for id in gone {
            self.remove_slot(&id, now);
        }
        let outlived = |membership: &Membership| !lives(membership.member.connected_at, limits::CONNECTION_TTL);
        let left: Vec<Membership> = self.all_memberships().filter(|one| outlived(one)).cloned().collect();
        for membership in left {
            self.remove_membership(&membership.member.connection, &membership.room, now);
        }
        self.rooms.values_mut().for_each(|room| room.sweep_expired(now));
        self.dedupe.retain(|_, remembered| lives(remembered.sequenced_at, limits::DEDUPE));
    }

    pub(super) fn all_memberships(&self) -> impl Iterator<Item = &Membership> {
        self.memberships.values().flat_map(BTreeMap::values)
    }
}

fn key<K: Clone, V>((key, _): (&K, V)) -> K {
    key.clone()
}
