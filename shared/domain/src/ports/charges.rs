//! The port of rates: those of the requests of a connection and of a user, and that of the
//! publications to a room.

use std::future::Future;
use std::time::Duration;

use super::{Result, Standing};
use crate::charge::Charge;
use crate::name::{ConnectionId, RoomId, UserId};
use crate::share::Load;
use crate::timestamp::Timestamp;

/// The outcome of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a value lives for one request, and a box costs an allocation")]
pub enum Charged {
    /// The request is within the rate. An unknown connection is not charged. The second value is
    /// the time until which earlier requests had used up the allowance; `None` if there were none.
    Granted(Standing, Option<Timestamp>),
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
    /// Charges a user for a request of one of its connections. Returns the pause after which the
    /// charge fits, if it exceeds the rate; then nothing was written. Concurrent charges count one
    /// after the other. `is_busy` is a guess whether earlier charges still use up the allowance: a
    /// wrong one costs a write.
    fn charge_user(
        &self,
        user: &UserId,
        charge: Charge,
        is_busy: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Duration>>> + Send;
    /// Reads how much of the rate of a room is used up, and by which publishers. A room without a
    /// head has no load. May lag.
    fn room_load(&self, room: &RoomId) -> impl Future<Output = Result<Load>> + Send;
    /// Records the load of a room, unless the head has a later [`Load::busy_until`], or the room
    /// has no head.
    fn note_room_busy(&self, room: &RoomId, load: &Load) -> impl Future<Output = Result<()>> + Send;
}
