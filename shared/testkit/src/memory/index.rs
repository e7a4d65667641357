//! The three indexes, which show a write some time after it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use domain::ports::Lapsed;
use domain::{ConnectionId, Member, RoomId, Shard, Suspect, Timestamp, liveness_shard};

/// How far an index lags behind the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lag {
    /// The index shows every write at once.
    #[default]
    None,
    /// The index does not show the last writes, of this number.
    Writes(usize),
    /// The index does not show the writes of the last time, of this length.
    Time(Duration),
    /// Each read uses one of two copies: one shows everything, and the other does not show the
    /// writes of the last time, of this length. So a read may show an older state than the read
    /// before it.
    Wavers(Duration),
}

/// A change of one write in the indexes.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A member has joined a shard, or its data there has changed.
    Joined(RoomId, Shard, Member),
    /// A member has left a shard.
    Left(RoomId, Shard, ConnectionId),
    /// A connection was last seen at this time.
    Seen(Suspect),
    /// The token of a connection expires at this time; `None` without an expiry.
    Expires(ConnectionId, Option<Lapsed>),
    /// A connection leaves the indexes of the reaper.
    Buried(ConnectionId),
}

/// The indexes in two copies, which differ only if the indexes waver.
#[derive(Debug, Default)]
pub(super) struct Index {
    ahead: Replica,
    behind: Replica,
    wavers: bool,
    reads: u64,
}

/// One copy of `by_room`, `by_liveness` and `by_expiry`, with the writes that it does not show yet.
#[derive(Debug, Default)]
struct Replica {
    lag: Lag,
    pending: VecDeque<(Timestamp, Vec<Change>)>,
    by_room: HashMap<(RoomId, Shard), BTreeMap<ConnectionId, Member>>,
    by_liveness: BTreeMap<ConnectionId, Suspect>,
    by_expiry: BTreeMap<ConnectionId, Lapsed>,
}

impl Index {
    /// Adds the changes of one write.
    pub(super) fn write(&mut self, changes: Vec<Change>, now: Timestamp) {
        self.behind.write(changes.clone(), now);
        self.ahead.write(changes, now);
    }

    pub(super) fn set_lag(&mut self, lag: Lag, now: Timestamp) {
        self.wavers = matches!(lag, Lag::Wavers(_));
        let (ahead, behind) = match lag {
            Lag::Wavers(most) => (Lag::None, Lag::Time(most)),
            lag => (lag, lag),
        };
        self.ahead.set_lag(ahead, now);
        self.behind.set_lag(behind, now);
    }

    pub(super) fn catch_up(&mut self) {
        self.ahead.catch_up();
        self.behind.catch_up();
    }

    /// Members of a shard after the given one, in the order of their ids.
    pub(super) fn members(
        &mut self,
        room: &RoomId,
        shard: Shard,
        after: Option<&ConnectionId>,
        now: Timestamp,
    ) -> impl Iterator<Item = &Member> {
        self.replica(now).members(room, shard, after)
    }

    /// The number of members in all rooms.
    pub(super) fn everybody(&self) -> usize {
        self.ahead.everybody()
    }

    pub(super) fn count(&mut self, room: &RoomId, shard: Shard, now: Timestamp) -> usize {
        self.replica(now).count(room, shard)
    }

    /// Connections of a liveness shard not seen since `before`, the longest silent first.
    pub(super) fn silent(&mut self, shard: u16, before: Timestamp, now: Timestamp) -> Vec<Suspect> {
        self.replica(now).silent(shard, before)
    }

    /// When a connection was last seen, according to the index.
    pub(super) fn seen(&mut self, connection: &ConnectionId, now: Timestamp) -> Option<Timestamp> {
        self.replica(now).by_liveness.get(connection).map(|suspect| suspect.last_seen_at)
    }

    /// Connections of a liveness shard whose tokens have expired by then, the earliest expiry
    /// first.
    pub(super) fn expired(&mut self, shard: u16, by: Timestamp, now: Timestamp) -> Vec<Lapsed> {
        self.replica(now).expired(shard, by)
    }

    /// The copy that the next read uses.
    fn replica(&mut self, now: Timestamp) -> &mut Replica {
        self.reads += 1;
        // Multiplication spreads the count over the high bits: the copies take turns in an order
        // that no reader can predict.
        let behind = self.wavers && self.reads.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63 == 1;
        let replica = if behind { &mut self.behind } else { &mut self.ahead };
        replica.learn(now);
        replica
    }
}

impl Replica {
    fn write(&mut self, changes: Vec<Change>, now: Timestamp) {
        self.pending.push_back((now, changes));
        self.learn(now);
    }

    fn set_lag(&mut self, lag: Lag, now: Timestamp) {
        self.learn(now);
        self.lag = lag;
        self.learn(now);
    }

    fn catch_up(&mut self) {
        self.learn_first(self.pending.len());
    }

    fn members(&self, room: &RoomId, shard: Shard, after: Option<&ConnectionId>) -> impl Iterator<Item = &Member> {
        let members = self.by_room.get(&(room.clone(), shard)).into_iter().flatten();
        members.filter(move |(id, _)| after.is_none_or(|after| *id > after)).map(|(_, member)| member)
    }

    fn everybody(&self) -> usize {
        self.by_room.values().map(BTreeMap::len).sum()
    }

    fn count(&self, room: &RoomId, shard: Shard) -> usize {
        self.by_room.get(&(room.clone(), shard)).map_or(0, BTreeMap::len)
    }

    fn silent(&self, shard: u16, before: Timestamp) -> Vec<Suspect> {
        let suspects = self.by_liveness.values();
        let silent = suspects.filter(|one| one.last_seen_at < before && liveness_shard(&one.connection) == shard);
        let mut silent: Vec<Suspect> = silent.cloned().collect();
        silent.sort_by_key(|suspect| suspect.last_seen_at);
        silent
    }

    fn expired(&self, shard: u16, by: Timestamp) -> Vec<Lapsed> {
        let all = self.by_expiry.values();
        let lapsed = all.filter(|one| one.expires_at <= by && liveness_shard(&one.connection) == shard);
        let mut lapsed: Vec<Lapsed> = lapsed.cloned().collect();
        lapsed.sort_by_key(|lapsed| lapsed.expires_at);
        lapsed
    }

    fn learn(&mut self, now: Timestamp) {
        let ready = match self.lag {
            Lag::None => self.pending.len(),
            Lag::Writes(unknown) => self.pending.len().saturating_sub(unknown),
            Lag::Time(lag) | Lag::Wavers(lag) => self.pending.iter().take_while(|(at, _)| at.plus(lag) <= now).count(),
        };
        self.learn_first(ready);
    }

    fn learn_first(&mut self, writes: usize) {
        let changes: Vec<Change> = self.pending.drain(..writes).flat_map(|(_, changes)| changes).collect();
        changes.into_iter().for_each(|change| self.apply(change));
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Joined(room, shard, member) => {
                let members = self.by_room.entry((room, shard)).or_default();
                members.insert(member.connection.clone(), member);
            }
            Change::Left(room, shard, connection) => {
                if let Some(members) = self.by_room.get_mut(&(room, shard)) {
                    members.remove(&connection);
                }
            }
            Change::Seen(suspect) => {
                self.by_liveness.insert(suspect.connection.clone(), suspect);
            }
            Change::Expires(connection, lapsed) => {
                self.by_expiry.remove(&connection);
                self.by_expiry.extend(lapsed.map(|lapsed| (connection, lapsed)));
            }
            Change::Buried(connection) => {
                self.by_liveness.remove(&connection);
                self.by_expiry.remove(&connection);
            }
        }
    }
}
