//! Holds of rooms, over the state of the store.

use std::collections::HashMap;

use domain::ports::{Holds, Result};
use domain::{Hold, Intake, RoomId, Timestamp, limits};

use super::store::Store;

impl Holds for Store {
    /// The head of a room that fails cannot be read. Its hold can: it is in a partition of its own.
    async fn intakes(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, Intake>> {
        self.reads_keys(2 * rooms.len());
        let answers: Vec<bool> =
            rooms.iter().map(|room| self.answers(room, "BatchGetItem (intakes)").is_ok()).collect();
        let state = self.lock();
        let intake = |(room, answers): (&RoomId, bool)| {
            let head = state.rooms.get(room).and_then(|room| room.head.as_ref());
            let busy_until = answers.then(|| head.map(|head| head.busy_until).unwrap_or_default());
            (room.clone(), Intake { busy_until, hold: state.holds.get(room).copied() })
        };
        Ok(rooms.iter().zip(answers).map(intake).collect())
    }

    async fn hold(&self, room: &RoomId, count: u32, now: Timestamp) -> Result<u64> {
        let mut state = self.lock();
        let until = now.plus(limits::HOLD_LIFE);
        let new = Hold { began: now, until, is_passed: false, numbered: 0, released: 0 };
        let hold = state.holds.entry(room.clone()).or_insert(new);
        if hold.until <= now {
            *hold = new;
        }
        hold.until = hold.until.max(until);
        hold.numbered += u64::from(count);
        Ok(hold.numbered)
    }

    async fn pass_gate(&self, room: &RoomId, began: Timestamp) -> Result<()> {
        if let Some(hold) = self.lock().holds.get_mut(room).filter(|hold| hold.began == began) {
            hold.is_passed = true;
        }
        Ok(())
    }

    async fn release(&self, room: &RoomId, through: u64) -> Result<()> {
        if let Some(hold) = self.lock().holds.get_mut(room) {
            hold.released = hold.released.max(through);
        }
        Ok(())
    }
}
