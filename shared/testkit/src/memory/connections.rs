//! Implements connections and their tombstones over the state of the store.

use domain::ports::{Connections, Known, Lapsed, Opened, Result};
use domain::{
    Change as Happened, Connection, ConnectionId, Membership, RoomId, Shard, Shards, Suspect, Timestamp, limits,
};

use super::bugs::Bug;
use super::conflicts::Item;
use super::index::Change;
use super::meter::Asked;
use super::store::{Slot, State, Store};

impl Connections for Store {
    async fn open(&self, connection: &Connection, memberships: &[Membership]) -> Result<Opened> {
        let rows = memberships.iter().filter(|row| !row.room.is_everyone());
        let rows = rows.map(|row| Item::Membership(connection.id.clone(), row.room.clone()));
        let items: Vec<Item> = std::iter::once(Item::Connection(connection.id.clone())).chain(rows).collect();
        let _held = self.transaction("TransactWriteItems (open)", &items).await?;
        let now = self.now();
        let mut state = self.lock();
        if state.connections.contains_key(&connection.id) {
            return Ok(Opened::Refused);
        }
        state.open(connection, memberships, now);
        Ok(Opened::Stored)
    }

    async fn find(&self, connection: &ConnectionId) -> Result<Option<Connection>> {
        self.reads_keys(1);
        let found = self.seen(connection);
        if self.has(Bug::BlindReaping) {
            return Ok(found.map(|found| Connection { last_seen_at: Timestamp::default(), ..found }));
        }
        if self.has(Bug::IndexTrusted) {
            let now = self.now();
            let seen = self.lock().index.seen(connection, now);
            return Ok(found.map(|found| Connection { last_seen_at: seen.unwrap_or(found.last_seen_at), ..found }));
        }
        Ok(found)
    }

    async fn touch(&self, connection: &ConnectionId, now: Timestamp) -> Result<Known> {
        self.wait_for("UpdateItem (touch)", &[Item::Connection(connection.clone())]).await?;
        let written_at = self.now();
        let mut state = self.lock();
        let Some(Slot::Open { connection: stored, .. }) = state.connections.get_mut(connection) else {
            return Ok(Known::No);
        };
        if now.since(stored.last_seen_at) > limits::TOUCH {
            stored.last_seen_at = now;
            let change = Change::Seen(suspect(stored));
            state.index.write(vec![change], written_at);
        }
        Ok(Known::Yes)
    }

    async fn bury(&self, connection: &ConnectionId, now: Timestamp) -> Result<()> {
        if self.has(Bug::NothingForgotten) {
            return Ok(());
        }
        self.wait_for("PutItem (tombstone)", &[Item::Connection(connection.clone())]).await?;
        let written_at = self.now();
        let mut state = self.lock();
        if self.has(Bug::NoTombstone) {
            state.remove_slot(connection, written_at);
            return Ok(());
        }
        let another = state.connections.keys().find(|other| *other != connection).cloned();
        let connection = match another {
            Some(ref another) if self.has(Bug::WrongConnectionForgotten) => another,
            _ => connection,
        };
        if !matches!(state.connections.get(connection), Some(Slot::Buried { .. })) {
            state.remove_slot(connection, written_at);
            state.connections.insert(connection.clone(), Slot::Buried { at: now });
        }
        Ok(())
    }

    async fn silent(&self, shard: u16, before: Timestamp, limit: usize) -> Result<Vec<Suspect>> {
        let now = self.now();
        if self.has(Bug::BlindReaping) {
            let mut silent = self.lock().index.silent(shard, now, now);
            silent.iter_mut().for_each(|suspect| suspect.last_seen_at = Timestamp::default());
            return Ok(silent);
        }
        let mut silent = self.lock().index.silent(shard, before, now);
        silent.truncate(limit);
        self.reads(Asked::Watched(limit), silent.len());
        Ok(silent)
    }
}

impl Store {
    /// The connection as it is, or as a bug of this handle shows it.
    fn seen(&self, connection: &ConnectionId) -> Option<Connection> {
        let found = self.lock().living(connection).cloned();
        if self.has(Bug::JoinWithoutLook) || self.has(Bug::ConnectionReadBeforeJoin) {
            return self.recalled().connections.entry(connection.clone()).or_insert(found).clone();
        }
        found
    }

    /// Reads the connection too early, if that is the bug: it is not read again later.
    pub(super) fn read_too_soon(&self, connection: &ConnectionId) {
        if self.has(Bug::ConnectionReadBeforeJoin) {
            self.seen(connection);
        }
    }
}

impl State {
    /// Stores the connection with its index keys and its first memberships, as one transaction.
    fn open(&mut self, connection: &Connection, memberships: &[Membership], now: Timestamp) {
        let mut changes = vec![Change::Seen(suspect(connection)), expiry(connection)];
        let (of_everyone, rows): (Vec<_>, Vec<_>) = memberships.iter().partition(|row| row.room.is_everyone());
        let everyone = of_everyone.first().map_or_else(|| default_shard(&connection.id), |row| row.shard);
        changes.push(Change::Joined(RoomId::everyone(), everyone, connection.member()));
        for row in rows {
            changes.push(membership_change(row));
            self.insert_membership(row);
        }
        let Connection { id, user, device, .. } = connection.clone();
        self.changes.push(Happened::Opened { connection: id, user, device });
        let connection = connection.clone();
        let id = connection.id.clone();
        let slot = Slot::Open { connection, everyone, busy_until: None, renewed: None, renewed_at: None };
        self.connections.insert(id, slot);
        self.index.write(changes, now);
    }

    /// Removes the item under a connection's key, with its index keys.
    pub(super) fn remove_slot(&mut self, id: &ConnectionId, now: Timestamp) {
        let Some(Slot::Open { everyone, connection, .. }) = self.connections.remove(id) else {
            return;
        };
        let Connection { user, device, .. } = connection;
        self.changes.push(Happened::Closed { connection: id.clone(), user, device });
        let left = Change::Left(RoomId::everyone(), everyone, id.clone());
        self.index.write(vec![Change::Buried(id.clone()), left], now);
    }
}

/// The shard of `*` for a connection that was opened without a membership there.
fn default_shard(connection: &ConnectionId) -> Shard {
    Shards::initial(&RoomId::everyone()).place(connection)
}

pub(super) fn membership_change(membership: &Membership) -> Change {
    Change::Joined(membership.room.clone(), membership.shard, membership.member.clone())
}

/// The entry of a connection in `by_expiry`: none without an expiry.
pub(super) fn expiry(connection: &Connection) -> Change {
    let lapsed = connection.expires_at.map(|expires_at| Lapsed {
        connection: connection.id.clone(),
        endpoint: connection.endpoint.clone(),
        format: connection.format,
        expires_at,
    });
    Change::Expires(connection.id.clone(), lapsed)
}

fn suspect(connection: &Connection) -> Suspect {
    Suspect {
        connection: connection.id.clone(),
        endpoint: connection.endpoint.clone(),
        connected_at: connection.connected_at,
        last_seen_at: connection.last_seen_at,
        format: connection.format,
    }
}
