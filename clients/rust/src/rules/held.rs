//! Blocks that arrived beyond a gap, or before the reply with the room's position.

use std::collections::BTreeMap;

use domain::{Epoch, Position, Sequence};
use protocol::block::{Block, Message};

use super::times::{HELD_BYTES, HELD_MESSAGES};

/// Memory of a held message besides its data.
const OVERHEAD_BYTES: usize = 256;

/// Held messages of one epoch, bounded in number and bytes.
#[derive(Debug, Default)]
pub(super) struct Held {
    epoch: Option<Epoch>,
    /// `None` stands for a skipped position: the client's own publication, without echo.
    messages: BTreeMap<u64, Option<Message>>,
    bytes: usize,
}

impl Held {
    /// Holds a block. A block of another epoch replaces all held messages. When a bound is
    /// exceeded, all held messages are dropped, because the log has them.
    pub(super) fn insert(&mut self, block: Block) {
        let skipped = block.skipped().map(|_| None);
        if self.epoch.as_ref() != Some(&block.ep) {
            self.clear();
            self.epoch = Some(block.ep);
        }
        for (at, message) in (block.seq.get()..).zip(block.m.into_iter().map(Some).chain(skipped)) {
            let bytes = size_bytes(&message);
            if self.messages.insert(at, message).is_none() {
                self.bytes += bytes;
            }
        }
        if self.messages.len() > HELD_MESSAGES || self.bytes > HELD_BYTES {
            self.clear();
        }
    }

    /// Takes the held message at a position. The inner `None` stands for a skipped position.
    pub(super) fn take(&mut self, epoch: &Epoch, sequence: Sequence) -> Option<Option<Message>> {
        if self.epoch.as_ref() != Some(epoch) {
            return None;
        }
        let message = self.messages.remove(&sequence.get())?;
        self.bytes -= size_bytes(&message).min(self.bytes);
        Some(message)
    }

    /// The sequence before the first held message of the epoch of `head`, if that message is not
    /// beyond `head`.
    pub(super) fn begins_after(&self, head: &Position) -> Option<Sequence> {
        let (first, _) = self.messages.first_key_value().filter(|_| self.epoch.as_ref() == Some(&head.epoch))?;
        (*first <= head.sequence.get()).then(|| Sequence::new(*first).before())
    }

    /// Drops held messages at or below a position.
    pub(super) fn forget_through(&mut self, epoch: &Epoch, sequence: Sequence) {
        let below = self.messages.first_key_value().is_some_and(|(first, _)| *first <= sequence.get());
        if below && self.epoch.as_ref() == Some(epoch) {
            self.messages = self.messages.split_off(&sequence.next().get());
            self.bytes = self.messages.values().map(size_bytes).sum();
        }
    }

    /// Drops held messages of other epochs.
    pub(super) fn keep_only(&mut self, epoch: &Epoch) {
        if self.epoch.as_ref() != Some(epoch) {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn size_bytes(message: &Option<Message>) -> usize {
    message.as_ref().map_or(0, |message| message.data.as_json().len()) + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Data, PublicationId, RoomId, Timestamp, UserId};

    fn block(epoch: &str, seq: u64, count: usize, data_bytes: usize) -> Block {
        let message = Message {
            id: PublicationId::parse("p").unwrap(),
            by: UserId::parse("ada").unwrap(),
            at: Timestamp::default(),
            data: Data::text(&"x".repeat(data_bytes)).unwrap(),
            from: None,
        };
        let (room, ep) = (RoomId::parse("lobby").unwrap(), Epoch::parse(epoch).unwrap());
        Block { room, ep, seq: Sequence::new(seq), m: vec![message; count], skip: 0 }
    }

    #[test]
    fn the_buffer_is_bounded_in_number_and_in_bytes() {
        let mut held = Held::default();
        held.insert(block("e", 1, HELD_MESSAGES, 1));
        assert_eq!(held.messages.len(), HELD_MESSAGES);
        held.insert(block("e", 5_000, 1, 1));
        assert_eq!((held.messages.len(), held.bytes), (0, 0));
        for n in 0..60 {
            held.insert(block("e", n * 10 + 1, 1, 20_000));
            assert!(held.bytes <= HELD_BYTES);
        }
    }

    #[test]
    fn a_repeat_is_held_once() {
        let mut held = Held::default();
        held.insert(block("e", 7, 2, 10));
        let bytes = held.bytes;
        held.insert(block("e", 7, 2, 10));
        assert_eq!(held.bytes, bytes);
        let epoch = Epoch::parse("e").unwrap();
        assert!(held.take(&epoch, Sequence::new(7)).is_some() && held.take(&epoch, Sequence::new(8)).is_some());
        assert_eq!((held.messages.len(), held.bytes), (0, 0));
    }
}
