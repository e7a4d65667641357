//! Implements rates over the state of the store.

use std::time::Duration;

use domain::ports::{Charged, Charges, Connections, Result, Standing};
use domain::{Charge, ConnectionId, Load, RoomId, Timestamp, UserId};

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
        if let Charged::Granted(Standing::AsConnected | Standing::Renewed(_), _) = charged {
            self.touch(connection, now).await?;
        }
        Ok(charged)
    }

    async fn charge_user(&self, user: &UserId, charge: Charge, _: bool, now: Timestamp) -> Result<Option<Duration>> {
        let mut state = self.lock();
        let busy_until = state.users.entry(user.clone()).or_default();
        match charge.apply(*busy_until, now) {
            Err(_) if self.has(Bug::RateIgnored) || self.has(Bug::UserRateIgnored) => Ok(None),
            Err(pause) if self.has(Bug::PauseTooShort) => Ok(Some(pause / 2)),
            Err(pause) => Ok(Some(pause)),
            Ok(until) => {
                *busy_until = until;
                Ok(None)
            }
        }
    }

    async fn room_load(&self, room: &RoomId) -> Result<Load> {
        self.reads_keys(1);
        let mut state = self.lock();
        let load = state.head_mut(room).map(|head| Load { busy_until: head.busy_until, shares: head.shares.clone() });
        Ok(load.unwrap_or_default())
    }

    async fn note_room_busy(&self, room: &RoomId, load: &Load) -> Result<()> {
        self.wait_for("UpdateItem (rate)", &[Item::Head(room.clone())]).await?;
        if let Some(head) = self.lock().head_mut(room) {
            if head.busy_until < load.busy_until {
                (head.busy_until, head.shares) = (load.busy_until, load.shares.clone());
            }
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
            return Charged::Granted(Standing::Unknown, None);
        };
        let before = *busy_until;
        match charge.apply(before.unwrap_or_default(), now) {
            Err(pause) if !self.has(Bug::RateIgnored) => return Charged::TooSoon(pause),
            until => *busy_until = until.ok().or(before),
        }
        match renewed {
            Some(identity) if !self.has(Bug::RenewalForgotten) => {
                Charged::Granted(Standing::Renewed((**identity).clone()), before)
            }
            _ => Charged::Granted(Standing::AsConnected, before),
        }
    }
}
