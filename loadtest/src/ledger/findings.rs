//! What a member hears and should not have heard: counted, with an example.

use super::room::Room;
use super::{Micros, Sequence};

impl Room {
    /// A member waited for a publication: is it stalled?
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

    /// A member hears something that nobody published.
    pub fn phantom(&mut self, member: usize, at: Sequence, what: &str) {
        self.tally.phantoms += 1;
        let name = &self.name;
        let told =
            || format!("member {member} of {name} heard {what:?} at position {at}, which nobody published there");
        self.tally.sample("phantom", told);
    }

    /// A member hears something in a room where it does not belong.
    pub fn foreign(&mut self, member: usize, room: &str, what: &str) {
        self.tally.foreign_room += 1;
        let name = &self.name;
        let told = || format!("member {member} of {name} heard {what:?} in room {room}, where it does not belong");
        self.tally.sample("foreign room", told);
    }

    /// A member hears something long after it left.
    pub fn late(&mut self, member: usize, since_leave: Micros) {
        self.tally.late_after_leave += 1;
        let name = &self.name;
        let ms = since_leave / 1_000;
        let told = || format!("member {member} of {name} heard something {ms} ms after the answer to its leave");
        self.tally.sample("late after leave", told);
    }
}
