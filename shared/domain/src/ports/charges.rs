//! The port of rates: who may publish how often.

use std::future::Future;
use std::time::Duration;

use super::{Result, Standing};
use crate::name::{ConnectionId, RoomId};
use crate::timestamp::Timestamp;

/// What became of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charged {
    /// So many may be published, if by anyone: nothing is charged to a connection that is unknown.
    Granted(Standing),
    /// Not yet: after this, if nothing else is published meanwhile.
    TooSoon(Duration),
}

/// Rates, kept in the items that are written anyway.
pub trait Charges: Send + Sync {
    /// Charges a connection for `count` publications, by [`crate::limits::CONNECTION_RATE`], and notes that it is alive, as
    /// [`super::Connections::touch`] does. Charges at the same moment count one after the other.
    fn charge(
        &self,
        connection: &ConnectionId,
        count: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<Charged>> + Send;
    /// Until when what was published to a room takes up its rate ([`crate::Head::busy_until`]); of a room without a
    /// head, the epoch. May lag.
    fn room_busy_until(&self, room: &RoomId) -> impl Future<Output = Result<Timestamp>> + Send;
    /// Notes until when the rate of a room is taken up, unless it is for longer already, or the room has no head.
    fn note_room_busy(&self, room: &RoomId, until: Timestamp) -> impl Future<Output = Result<()>> + Send;
}
