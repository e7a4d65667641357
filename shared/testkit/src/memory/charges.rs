//! Implements rates over the state of the store.

use domain::ports::{Charged, Charges, Connections, Result, Standing};
use domain::{Charge, ConnectionId, RoomId, Timestamp};

use super::bugs::Bug;
use super::conflicts::Item;
use super::store::{Slot, Store};

impl Charges for Store {
    async fn charge(&self, connection: &ConnectionId, charge: Charge, now: Timestamp) -> Result<Charged> {
        self.wait_for("UpdateItem (charge)", &[Item::Connection(connection.clone())]).await?;
        let mut charged = self.charge_slot(connection, charge, now);
        if self.has(Bug::PauseTooShort)
            && let Charged::TooSoon(pause) = &mut charged
        {
            *pause /= 2;
        }
        if let Charged::Granted(Standing::AsConnected | Standing::Renewed(_)) = charged {
            self.touch(connection, now).await?;
        }
        Ok(charged)
    }

    async fn charge_anyway(&self, connection: &ConnectionId, charge: Charge) -> Result<()> {
        self.wait_for("UpdateItem (charge)", &[Item::Connection(connection.clone())]).await?;
        if let Some(Slot::Open { busy_until, .. }) = self.lock().connections.get_mut(connection) {
            *busy_until = busy_until.plus(charge.takes());
        }
        Ok(())
    }

    async fn room_busy_until(&self, room: &RoomId) -> Result<Timestamp> {
        self.reads_keys(1);
        Ok(self.lock().head_mut(room).map(|head| head.busy_until).unwrap_or_default())
    }

    async fn note_room_busy(&self, room: &RoomId, until: Timestamp) -> Result<()> {
        self.wait_for("UpdateItem (rate)", &[Item::Head(room.clone())]).await?;
        if let Some(head) = self.lock().head_mut(room) {
            head.busy_until = head.busy_until.max(until);
            if self.has(Bug::EphemeralMoves) {
                head.sequence = head.sequence.next();
            }
        }
        Ok(())
    }
}

impl Store {
    fn charge_slot(&self, connection: &ConnectionId, charge: Charge, now: Timestamp) -> Charged {
        let mut state = self.lock();
        let Some(Slot::Open { busy_until, renewed, .. }) = state.connections.get_mut(connection) else {
            return Charged::Granted(Standing::Unknown);
        };
        match charge.apply(*busy_until, now) {
            Err(pause) if !self.has(Bug::RateIgnored) => return Charged::TooSoon(pause),
            until => *busy_until = until.unwrap_or(*busy_until),
        }
        match renewed {
            Some(identity) if !self.has(Bug::RenewalForgotten) => {
                Charged::Granted(Standing::Renewed((**identity).clone()))
            }
            _ => Charged::Granted(Standing::AsConnected),
        }
    }
}
