//! The port of rates: that of the requests of a connection, and that of the publications to a room.

use std::future::Future;
use std::time::Duration;

use super::{Result, Standing};
use crate::charge::Charge;
use crate::name::{ConnectionId, RoomId};
use crate::timestamp::Timestamp;

/// The outcome of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charged {
    /// The request is within the rate. An unknown connection is not charged.
    Granted(Standing),
    /// The charge exceeds the rate, and nothing was written. It fits after this pause, if nothing
    /// else is charged meanwhile.
    TooSoon(Duration),
}

/// Rates, kept in items that are written anyway.
pub trait Charges: Send + Sync {
    /// Charges a connection for a request, records traffic of the connection, as
    /// [`super::Connections::touch`] does, and reads its current identity. Concurrent charges count
    /// one after the other.
    fn charge(
        &self,
        connection: &ConnectionId,
        charge: Charge,
        now: Timestamp,
    ) -> impl Future<Output = Result<Charged>> + Send;
    /// Charges a connection for reads that its request turned out to need after it was charged,
    /// whether or not they are within the rate: later requests wait for them. An unknown connection
    /// is not charged.
    fn charge_anyway(&self, connection: &ConnectionId, charge: Charge) -> impl Future<Output = Result<()>> + Send;
    /// Reads the time until which publications use up the rate of a room
    /// ([`crate::Head::busy_until`]). For a room without a head, this is the start of 1970. May
    /// lag.
    fn room_busy_until(&self, room: &RoomId) -> impl Future<Output = Result<Timestamp>> + Send;
    /// Records the time until which the rate of a room is used up, unless the head has a later
    /// time, or the room has no head.
    fn note_room_busy(&self, room: &RoomId, until: Timestamp) -> impl Future<Output = Result<()>> + Send;
}
