//! Implements the tokens of live connections over the state of the store.

use domain::ports::{Exchanged, Expiries, Lapsed, Renewals, Result};
use domain::{ConnectionId, Extension, Holding, Identity, RoomId, Timestamp, renewal_pause};

use super::bugs::Bug;
use super::conflicts::Item;
use super::connections::{expiry, membership_change};
use super::index::Change;
use super::meter::Asked;
use super::store::{Slot, Store};

impl Renewals for Store {
    async fn renew(&self, connection: &ConnectionId, identity: &Identity, now: Timestamp) -> Result<Exchanged> {
        self.wait_for("UpdateItem (renew)", &[Item::Connection(connection.clone())]).await?;
        let written_at = self.now();
        let mut state = self.lock();
        let Some(Slot::Open { connection: stored, everyone, renewed, renewed_at, .. }) =
            state.connections.get_mut(connection)
        else {
            return Ok(Exchanged::NotConnected);
        };
        if let Some(pause) = renewal_pause(*renewed_at, now) {
            return Ok(Exchanged::TooSoon(pause));
        }
        *renewed = Some(Box::new(identity.clone()));
        *renewed_at = Some(now);
        stored.expires_at = identity.expires_at;
        stored.sees_members = identity.sees_all_members();
        stored.stamp = identity.stamp.clone();
        stored.device = identity.device.clone().or(stored.device.take());
        let anew = Change::Joined(RoomId::everyone(), *everyone, stored.member());
        let changes = vec![expiry(stored), anew];
        state.index.write(changes, written_at);
        Ok(Exchanged::Stored)
    }

    async fn holdings(&self, connection: &ConnectionId) -> Result<Vec<Holding>> {
        self.read_too_soon(connection);
        let state = self.lock();
        let held = state.memberships.get(connection).into_iter().flatten();
        let holding = |(room, membership): (&RoomId, &domain::Membership)| Holding {
            room: room.clone(),
            granted: membership.granted || self.has(Bug::RenewalKeepsRooms),
            expires_at: membership.member.expires_at,
            began_at: membership.began_at.clone(),
            sees_members: membership.member.sees_members,
        };
        let held: Vec<Holding> = held.map(holding).collect();
        self.reads(Asked::RoomsOf(connection.clone()), held.len());
        Ok(held)
    }

    async fn extend(
        &self,
        connection: &ConnectionId,
        extensions: &[Extension],
        expires_at: Option<Timestamp>,
    ) -> Result<Vec<RoomId>> {
        let extensions: Vec<&Extension> = extensions.iter().filter(|one| !one.room.is_everyone()).collect();
        let rows = extensions.iter().map(|one| Item::Membership(connection.clone(), one.room.clone()));
        let items: Vec<Item> = std::iter::once(Item::Connection(connection.clone())).chain(rows).collect();
        let _held = self.transaction("TransactWriteItems (extend)", &items).await?;
        let now = self.now();
        let mut state = self.lock();
        if state.living(connection).is_none_or(|connection| connection.expires_at != expires_at) {
            return Ok(extensions.into_iter().map(|one| one.room.clone()).collect());
        }
        let mut missing = Vec::new();
        for Extension { room, sees_members } in extensions {
            let Some(membership) = state.memberships.get_mut(connection).and_then(|rooms| rooms.get_mut(room)) else {
                missing.push(room.clone());
                continue;
            };
            membership.member.expires_at = expires_at;
            membership.member.sees_members = *sees_members;
            let change = membership_change(membership);
            state.index.write(vec![change], now);
        }
        Ok(missing)
    }
}

impl Expiries for Store {
    async fn expired(&self, shard: u16, now: Timestamp, limit: usize) -> Result<Vec<Lapsed>> {
        let asked_at = self.now();
        if self.has(Bug::ExpiredNotClosed) {
            return Ok(Vec::new());
        }
        let mut lapsed = self.lock().index.expired(shard, now, asked_at);
        lapsed.truncate(limit);
        self.reads(Asked::Watched(limit), lapsed.len());
        Ok(lapsed)
    }
}
