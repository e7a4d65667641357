//! Rates, over the state of the store.

use domain::ports::{Charged, Charges, Connections, Result};
use domain::{ConnectionId, Identity, RoomId, Timestamp, limits};

use super::store::{Slot, Store};

impl Charges for Store {
    async fn charge(&self, connection: &ConnectionId, count: u32, now: Timestamp) -> Result<Charged> {
        let charged = self.charge_slot(connection, count, now);
        if let Charged::Granted(_) = charged {
            self.touch(connection, now).await?;
        }
        Ok(charged)
    }

    async fn room_busy_until(&self, room: &RoomId) -> Result<Timestamp> {
        Ok(self.lock().rooms.get(room).map(|room| room.head.busy_until).unwrap_or_default())
    }

    async fn note_room_busy(&self, room: &RoomId, until: Timestamp) -> Result<()> {
        if let Some(room) = self.lock().rooms.get_mut(room) {
            room.head.busy_until = room.head.busy_until.max(until);
        }
        Ok(())
    }
}

impl Store {
    /// Stores who a connection is by now, as the renewal of its token does; nothing, if it is not there.
    pub fn renew(&self, connection: &ConnectionId, identity: Identity) {
        if let Some(Slot::Open { renewed, .. }) = self.lock().connections.get_mut(connection) {
            *renewed = Some(Box::new(identity));
        }
    }

    fn charge_slot(&self, connection: &ConnectionId, count: u32, now: Timestamp) -> Charged {
        match self.lock().connections.get_mut(connection) {
            Some(Slot::Open { busy_until, renewed, .. }) => {
                match limits::CONNECTION_RATE.charge(*busy_until, count, now) {
                    Err(pause) => Charged::TooSoon(pause),
                    Ok(until) => {
                        *busy_until = until;
                        Charged::Granted(renewed.as_deref().cloned())
                    }
                }
            }
            _ => Charged::NotConnected,
        }
    }
}
