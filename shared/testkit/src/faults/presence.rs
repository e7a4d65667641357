//! Implements the ports of presence for [`Faulty`].

use std::collections::HashMap;
use std::time::Duration;

use domain::ports::{Activities, Checks, Occupant, Presences, Result, Rosters, Written};
use domain::{Activity, Check, ConnectionId, Device, Presence, RoomId};

use super::ports::first_half;
use super::{Decide, Faulty, Operation};

impl<P: Rosters, F: Decide> Rosters for Faulty<P, F> {
    async fn occupants(&self, room: &RoomId, connections: &[ConnectionId]) -> Result<Vec<Occupant>> {
        self.call_at_once(Operation::Occupants, self.port.occupants(room, connections)).await
    }

    async fn devices(&self, connections: &[ConnectionId]) -> Result<HashMap<ConnectionId, Device>> {
        self.call_at_once(Operation::Devices, self.port.devices(connections)).await
    }
}

impl<P: Presences, F: Decide> Presences for Faulty<P, F> {
    async fn presence(&self, room: &RoomId) -> Result<Presence> {
        self.call_at_once(Operation::Presence, self.port.presence(room)).await
    }

    async fn write_presence(&self, room: &RoomId, presence: &Presence) -> Result<Written> {
        self.call_at_once(Operation::WritePresence, self.port.write_presence(room, presence)).await
    }

    async fn members_counted(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
        self.call_at_once(Operation::MembersCounted, self.port.members_counted(rooms)).await
    }
}

impl<P: Checks, F: Decide> Checks for Faulty<P, F> {
    async fn check_after(&self, check: &Check, delay: Duration) -> Result<()> {
        self.call_at_once(Operation::CheckAfter, self.port.check_after(check, delay)).await
    }
}

impl<P: Activities, F: Decide> Activities for Faulty<P, F> {
    async fn tell(&self, activities: &[Activity]) -> Result<()> {
        let half = self.port.tell(first_half(activities));
        self.call(Operation::Tell, self.port.tell(activities), half).await
    }
}
