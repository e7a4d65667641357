//! The port of holds. Publications of backends that exceed the rate of their room wait in a
//! separate queue.

use std::collections::HashMap;
use std::future::Future;

use super::Result;
use crate::hold::Intake;
use crate::name::RoomId;
use crate::timestamp::Timestamp;

/// The holds of rooms.
pub trait Holds: Send + Sync {
    /// Reads the rate and the hold of each room; the hold with a consistent read. A head that
    /// cannot be read does not fail the other rooms. `rooms` must not contain a room twice.
    fn intakes(&self, rooms: &[RoomId]) -> impl Future<Output = Result<HashMap<RoomId, Intake>>> + Send;
    /// Holds a room until [`crate::limits::HOLD_LIFE`] after `now`, and numbers `count` more held
    /// publications. Returns the number of the last one. If the stored hold has ended, a new hold
    /// begins, with numbers from 1.
    fn hold(&self, room: &RoomId, count: u32, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;
    /// Records that the gate of the hold that began at `began` was reached. Changes no other hold.
    fn pass_gate(&self, room: &RoomId, began: Timestamp) -> impl Future<Output = Result<()>> + Send;
    /// Records that held publications up to number `through` have left the queue. Never lowers the
    /// stored number. Creates no hold.
    fn release(&self, room: &RoomId, through: u64) -> impl Future<Output = Result<()>> + Send;
}
