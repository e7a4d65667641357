//! The port of holds: what backends publish beyond the rate of its room waits in a queue of its
//! own.

use std::collections::HashMap;
use std::future::Future;

use super::Result;
use crate::hold::Intake;
use crate::name::RoomId;
use crate::timestamp::Timestamp;

/// The holds of rooms.
pub trait Holds: Send + Sync {
    /// How busy each room is, and its hold, which is read consistently. A head that cannot be read
    /// fails no other room. No room may be named twice.
    fn intakes(&self, rooms: &[RoomId]) -> impl Future<Output = Result<HashMap<RoomId, Intake>>> + Send;
    /// Holds a room from `now` on for [`crate::limits::HOLD_LIFE`], and numbers so many more held
    /// publications; the number of the last of them. A hold that is over by `now` begins anew.
    fn hold(&self, room: &RoomId, count: u32, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;
    /// Notes that the gate of the hold that began at this moment was reached. Another hold is not
    /// changed.
    fn pass_gate(&self, room: &RoomId, began: Timestamp) -> impl Future<Output = Result<()>> + Send;
    /// Notes that held publications up to this number have left the queue, unless more have. A room
    /// without a hold gets none.
    fn release(&self, room: &RoomId, through: u64) -> impl Future<Output = Result<()>> + Send;
}
