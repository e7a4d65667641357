//! Publications on their way: one request in flight per room, the others wait in order.
//!
//! API Gateway may run two messages of one client at the same time, so order is kept by waiting for the answer. What is
//! not answered is sent again with the same ids, on the same connection or the next; the server drops the repeat.

use std::collections::{BTreeMap, VecDeque};

use domain::{Item, PublicationId, RoomId, limits};

use super::event::NotTaken;
use super::times::{WAITING_BYTES, WAITING_PUBLICATIONS};

/// What an item takes in a request beside its id and data.
const ITEM_BYTES: usize = 32;

/// All that waits to be accepted.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: BTreeMap<RoomId, Line>,
    count: usize,
    bytes: usize,
}

/// What waits to be accepted in one room; never empty.
#[derive(Debug)]
struct Line {
    items: VecDeque<Item>,
    /// How many of the first ones are in one request, sent or to be sent again.
    batch: usize,
    sent: bool,
    /// How often the request of those was sent.
    sends: u32,
    due_at_ms: u64,
    tries: u32,
    /// How many of the first ones go by themselves: a request of several was refused for one of them.
    alone: usize,
}

impl Outbox {
    /// Takes a publication.
    pub(super) fn push(&mut self, room: RoomId, item: Item, now_ms: u64) -> Result<(), NotTaken> {
        let bytes = item.data.as_json().len();
        if self.count >= WAITING_PUBLICATIONS || self.bytes + bytes > WAITING_BYTES {
            return Err(NotTaken::Publications);
        }
        (self.count, self.bytes) = (self.count + 1, self.bytes + bytes);
        let items = VecDeque::new();
        let empty = Line { items, batch: 0, sent: false, sends: 0, due_at_ms: now_ms, tries: 0, alone: 0 };
        self.lines.entry(room).or_insert(empty).items.push_back(item);
        Ok(())
    }

    /// Rooms with a request to be sent, and when.
    pub(super) fn due(&self) -> impl Iterator<Item = (&RoomId, u64)> {
        self.lines.iter().filter(|(_, line)| !line.sent).map(|(room, line)| (room, line.due_at_ms))
    }

    /// The items of the next request of a room, which is being sent.
    pub(super) fn send(&mut self, room: &RoomId) -> Vec<&Item> {
        let Some(line) = self.lines.get_mut(room) else { return Vec::new() };
        line.sent = true;
        line.sends = line.sends.saturating_add(1);
        if line.batch == 0 {
            line.batch = line.next_batch();
        }
        line.items.iter().take(line.batch).collect()
    }

    /// Whether the request of a room was sent once and no more.
    pub(super) fn was_sent_once(&self, room: &RoomId) -> bool {
        self.lines.get(room).is_some_and(|line| line.sends == 1)
    }

    /// The request of a room was accepted: which publications those were.
    pub(super) fn accepted(&mut self, room: &RoomId, now_ms: u64) -> Vec<PublicationId> {
        self.finish(room, now_ms)
    }

    /// The request of a room was refused for good. Which publications are lost by that: none, if there were several
    /// and each may be tried by itself.
    pub(super) fn refused(&mut self, room: &RoomId, may_be_one_of_them: bool, now_ms: u64) -> Vec<PublicationId> {
        let Some(line) = self.lines.get_mut(room) else { return Vec::new() };
        if !may_be_one_of_them || line.batch <= 1 {
            return self.finish(room, now_ms);
        }
        line.alone = line.batch;
        (line.batch, line.sent, line.sends, line.due_at_ms) = (0, false, 0, now_ms);
        Vec::new()
    }

    /// The request of a room came to nothing: how many times in a row, this one not counted.
    pub(super) fn failed(&mut self, room: &RoomId) -> Option<u32> {
        let line = self.lines.get_mut(room)?;
        let tries = line.tries;
        line.tries = tries.saturating_add(1);
        Some(tries)
    }

    /// The request of a room is sent again then.
    pub(super) fn again_at(&mut self, room: &RoomId, at_ms: u64) {
        if let Some(line) = self.lines.get_mut(room) {
            (line.sent, line.due_at_ms) = (false, at_ms);
        }
    }

    /// The connection is another: what was sent is sent again at once.
    pub(super) fn interrupted(&mut self, now_ms: u64) {
        for line in self.lines.values_mut().filter(|line| line.sent) {
            (line.sent, line.due_at_ms) = (false, now_ms);
        }
    }

    fn finish(&mut self, room: &RoomId, now_ms: u64) -> Vec<PublicationId> {
        let Some(line) = self.lines.get_mut(room) else { return Vec::new() };
        let done: Vec<Item> = line.items.drain(..line.batch).collect();
        line.alone = line.alone.saturating_sub(done.len());
        (line.batch, line.sent, line.sends, line.due_at_ms, line.tries) = (0, false, 0, now_ms, 0);
        if line.items.is_empty() {
            self.lines.remove(room);
        }
        self.count -= done.len();
        self.bytes -= done.iter().map(|item| item.data.as_json().len()).sum::<usize>();
        done.into_iter().map(|item| item.id).collect()
    }
}

impl Line {
    /// As many as one request and one frame take, and no id twice.
    fn next_batch(&self) -> usize {
        if self.alone > 0 {
            return 1;
        }
        let (mut bytes, mut count) = (limits::ROOM_NAME_BYTES, 0);
        for item in self.items.iter().take(limits::ITEMS_PER_PUBLISH) {
            bytes += item.data.as_json().len() + item.id.as_ref().len() + ITEM_BYTES;
            let repeated = self.items.iter().take(count).any(|earlier| earlier.id == item.id);
            if count > 0 && (repeated || bytes > limits::FRAME_BYTES) {
                break;
            }
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Data;

    fn item(id: usize, bytes: usize) -> Item {
        Item { id: PublicationId::parse(format!("p{id}")).unwrap(), data: Data::text(&"x".repeat(bytes)).unwrap() }
    }

    fn lobby() -> RoomId {
        RoomId::parse("lobby").unwrap()
    }

    #[test]
    fn what_waits_goes_together_as_far_as_one_request_takes_it() {
        let mut outbox = Outbox::default();
        for id in 0..25 {
            outbox.push(lobby(), item(id, 10), 0).unwrap();
        }
        for expected in [10, 10, 5] {
            assert_eq!(outbox.send(&lobby()).len(), expected);
            assert_eq!(outbox.accepted(&lobby(), 0).len(), expected);
        }
        assert_eq!((outbox.lines.len(), outbox.count, outbox.bytes), (0, 0, 0));
        for id in 0..3 {
            outbox.push(lobby(), item(id, 14_000), 0).unwrap();
        }
        assert_eq!(outbox.send(&lobby()).len(), 2, "a frame holds no more");
    }

    #[test]
    fn a_request_that_is_sent_again_is_the_same_request() {
        let mut outbox = Outbox::default();
        outbox.push(lobby(), item(0, 1), 0).unwrap();
        assert_eq!(outbox.send(&lobby()).len(), 1);
        outbox.push(lobby(), item(1, 1), 0).unwrap();
        assert_eq!(outbox.due().count(), 0, "one in flight");
        outbox.interrupted(5);
        assert_eq!(outbox.due().next(), Some((&lobby(), 5)));
        assert_eq!(outbox.send(&lobby()).len(), 1);
    }

    #[test]
    fn a_bad_publication_takes_no_other_with_it() {
        let mut outbox = Outbox::default();
        for id in 0..3 {
            outbox.push(lobby(), item(id, 1), 0).unwrap();
        }
        assert_eq!(outbox.send(&lobby()).len(), 3);
        assert!(outbox.refused(&lobby(), true, 0).is_empty());
        assert_eq!(outbox.send(&lobby()).len(), 1);
        assert_eq!(outbox.refused(&lobby(), true, 0).len(), 1);
        assert_eq!(outbox.send(&lobby()).len(), 1);
        assert_eq!(outbox.accepted(&lobby(), 0).len(), 1);
        assert_eq!(outbox.send(&lobby()).len(), 1);
        assert_eq!(outbox.refused(&lobby(), false, 0).len(), 1);
        assert_eq!((outbox.count, outbox.bytes), (0, 0));
    }

    #[test]
    fn a_full_outbox_says_so_and_keeps_what_it_has() {
        let mut outbox = Outbox::default();
        for id in 0..WAITING_PUBLICATIONS {
            outbox.push(lobby(), item(id, 1), 0).unwrap();
        }
        assert_eq!(outbox.push(lobby(), item(0, 1), 0), Err(NotTaken::Publications));
        assert_eq!(outbox.count, WAITING_PUBLICATIONS);
    }
}
