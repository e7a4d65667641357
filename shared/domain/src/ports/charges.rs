//! The port of publication rates.

use std::future::Future;
use std::time::Duration;

use super::{Result, Standing};
use crate::name::{ConnectionId, RoomId};
use crate::timestamp::Timestamp;

/// The outcome of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charged {
    /// The publications are within the rate. An unknown connection is not charged.
    Granted(Standing),
    /// The charge exceeds the rate. It fits after this pause, if nothing else is published
    /// meanwhile.
    TooSoon(Duration),
}

/// Publication rates, kept in items that are written anyway.
pub trait Charges: Send + Sync {
    /// Charges a connection for `count` publications, by [`crate::limits::CONNECTION_RATE`], and
    /// records traffic of the connection, as [`super::Connections::touch`] does. Concurrent charges
    /// count one after the other.
    fn charge(
        &self,
        connection: &ConnectionId,
        count: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<Charged>> + Send;
    /// Reads the time until which publications use up the rate of a room
    /// ([`crate::Head::busy_until`]). For a room without a head, this is the start of 1970. May
    /// lag.
    fn room_busy_until(&self, room: &RoomId) -> impl Future<Output = Result<Timestamp>> + Send;
    /// Records the time until which the rate of a room is used up, unless the head has a later
    /// time, or the room has no head.
    fn note_room_busy(&self, room: &RoomId, until: Timestamp) -> impl Future<Output = Result<()>> + Send;
}
