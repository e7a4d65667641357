//! Publications that wait to be accepted: one request in flight for each room, the others in order
//! behind it.
//!
//! API Gateway may run two messages of one client concurrently, so the client waits for each reply
//! to keep the order. A request without a reply is sent again with the same ids, on the same
//! connection or the next one. The server drops the repeat.

use std::collections::{BTreeMap, VecDeque};

use domain::{Item, PublicationId, RoomId, limits};

use super::event::NotTaken;
use super::times::{WAITING_BYTES, WAITING_PUBLICATIONS};

/// Bytes of an item in a request besides its id and data.
const ITEM_BYTES: usize = 32;

/// Publications of all rooms that wait to be accepted.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: BTreeMap<RoomId, Line>,
    count: usize,
    bytes: usize,
}

/// Publications of one room that wait to be accepted; never empty.
#[derive(Debug)]
struct Line {
    items: VecDeque<Item>,
    /// The number of first items that form the current request, sent or to be sent again.
    batch: usize,
    sent: bool,
    /// The number of times that the current request was sent.
    sends: u32,
    due_at_ms: u64,
    tries: u32,
    /// The number of first items that are sent one by one, because a request of several was refused
    /// for one of them.
    alone: usize,
}

impl Outbox {
    /// Adds a publication.
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

    /// Rooms with a request to send, and the time to send it.
    pub(super) fn due(&self) -> impl Iterator<Item = (&RoomId, u64)> {
        self.lines.iter().filter(|(_, line)| !line.sent).map(|(room, line)| (room, line.due_at_ms))
    }

    /// Starts a request of a room. Returns its items.
    pub(super) fn send(&mut self, room: &RoomId) -> Vec<&Item> {
        let Some(line) = self.lines.get_mut(room) else { return Vec::new() };
        line.sent = true;
        line.sends = line.sends.saturating_add(1);
        if line.batch == 0 {
            line.batch = line.next_batch();
        }
        line.items.iter().take(line.batch).collect()
    }

    /// Returns true if the current request of a room was sent exactly once.
    pub(super) fn was_sent_once(&self, room: &RoomId) -> bool {
        self.lines.get(room).is_some_and(|line| line.sends == 1)
    }

    /// Handles the acceptance of a room's request. Returns its publications.
    pub(super) fn accepted(&mut self, room: &RoomId, now_ms: u64) -> Vec<PublicationId> {
        self.finish(room, now_ms)
    }

    /// Handles the final refusal of a room's request. Returns the publications that are lost: none,
    /// if there were several and each can be sent by itself.
    pub(super) fn refused(&mut self, room: &RoomId, may_be_one_of_them: bool, now_ms: u64) -> Vec<PublicationId> {
        let Some(line) = self.lines.get_mut(room) else { return Vec::new() };
        if !may_be_one_of_them || line.batch <= 1 {
            return self.finish(room, now_ms);
        }
        line.alone = line.batch;
        (line.batch, line.sent, line.sends, line.due_at_ms) = (0, false, 0, now_ms);
        Vec::new()
    }

    /// Handles a failed request of a room. Returns the number of failures in a row before this one.
    pub(super) fn failed(&mut self, room: &RoomId) -> Option<u32> {
        let line = self.lines.get_mut(room)?;
        let tries = line.tries;
        line.tries = tries.saturating_add(1);
        Some(tries)
    }

    /// Schedules the request of a room again.
    pub(super) fn again_at(&mut self, room: &RoomId, at_ms: u64) {
        if let Some(line) = self.lines.get_mut(room) {
            (line.sent, line.due_at_ms) = (false, at_ms);
        }
    }

    /// Schedules the requests in flight again at once, because the connection was replaced.
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
    /// The number of items in the next request: as many as one request and one frame hold, without
    /// a repeated id.
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
