//! Publications that a member should not have received, counted, with an example of each kind.

use super::room::Room;
use super::{Micros, Sequence};

impl Room {
    /// Marks a member as stalled if it waited too long for a publication.
    pub(super) fn note_stall(&mut self, member: usize, latency: Micros) {
        let stall = self.stall;
        if latency < stall {
            return;
        }
        let Some(stalled) = self.members.get_mut(member) else { return };
        stalled.stalled = true;
        let name = &self.name;
        let told = || format!("member {member} of {name} waited {} ms for a publication", latency / 1_000);
        self.tally.sample("stalled member", told);
    }

    /// Counts a received publication that was never sent.
    pub fn phantom(&mut self, member: usize, at: Sequence, what: &str) {
        self.tally.phantoms += 1;
        let name = &self.name;
        let told =
            || format!("member {member} of {name} received {what:?} at position {at}, which was never published there");
        self.tally.sample("phantom", told);
    }

    /// Counts a publication that arrived in a wrong room.
    pub fn foreign(&mut self, member: usize, room: &str, what: &str) {
        self.tally.foreign_room += 1;
        let name = &self.name;
        let told = || format!("member {member} of {name} received {what:?} in room {room}, which is the wrong room");
        self.tally.sample("foreign room", told);
    }

    /// Counts a publication that arrived long after the member left.
    pub fn late(&mut self, member: usize, since_leave: Micros) {
        self.tally.late_after_leave += 1;
        let name = &self.name;
        let ms = since_leave / 1_000;
        let told = || format!("member {member} of {name} received a publication {ms} ms after the reply to its leave");
        self.tally.sample("late after leave", told);
    }
}
