//! Implements rosters and presence over the state of the store.

use std::collections::HashMap;

use domain::ports::{Occupant, Presences, Result, Rosters, Written};
use domain::{ConnectionId, Device, Presence, RoomId};

use super::bugs::Bug;
use super::store::Store;

impl Rosters for Store {
    async fn occupants(&self, room: &RoomId, connections: &[ConnectionId]) -> Result<Vec<Occupant>> {
        self.reads_keys(connections.len());
        let state = self.lock();
        let occupant = |connection: &ConnectionId| {
            let membership = state.memberships.get(connection)?.get(room)?;
            let (user, joined_at) = (membership.user.clone(), membership.joined_at);
            Some(Occupant { connection: connection.clone(), user, joined_at })
        };
        Ok(connections.iter().filter_map(occupant).collect())
    }

    async fn devices(&self, connections: &[ConnectionId]) -> Result<HashMap<ConnectionId, Device>> {
        self.reads_keys(connections.len());
        let state = self.lock();
        let device = |id: &ConnectionId| Some((id.clone(), state.living(id)?.device.clone()?));
        Ok(connections.iter().filter_map(device).collect())
    }
}

impl Presences for Store {
    async fn presence(&self, room: &RoomId) -> Result<Presence> {
        self.answers(room, "GetItem (presence)")?;
        self.reads_keys(1);
        Ok(self.lock().presences.get(room).cloned().unwrap_or_default())
    }

    async fn write_presence(&self, room: &RoomId, presence: &Presence) -> Result<Written> {
        let mut state = self.lock();
        let stands = state.presences.get(room).map_or(0, |stored| stored.version);
        if stands != presence.version {
            state.conditions_failed += 1;
            return Ok(Written::Stale);
        }
        let mut next = Presence { version: presence.version + 1, ..presence.clone() };
        if self.has(Bug::CountsIncremented) {
            // Counts the changes since the last write twice, and keeps one repeat in a count that
            // is compared.
            let before = state.presences.get(room).map_or(0, Presence::members);
            let grown = next.members().saturating_sub(before).max(1);
            let occupied = next.census.values_mut().filter(|census| census.members > 0);
            occupied.take(1).for_each(|census| census.members += grown);
        }
        state.presences.insert(room.clone(), next);
        Ok(Written::Stored)
    }

    async fn members_counted(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
        self.reads_keys(rooms.len());
        let state = self.lock();
        let counted = |room: &RoomId| Some((room.clone(), state.presences.get(room)?.members()));
        Ok(rooms.iter().filter_map(counted).collect())
    }
}
