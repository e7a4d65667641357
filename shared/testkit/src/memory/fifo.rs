//! One FIFO queue: groups keep their order, a group with a message in flight is locked, and repeats
//! are dropped.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use domain::ports::{Clock, Receipt};

use crate::clock::TurnedClock;

/// The time for which a repeat is recognised.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html>
pub const DEDUPLICATION: Duration = Duration::from_secs(5 * 60);
/// The largest number of messages that one receive takes.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
pub const MESSAGES_PER_RECEIVE: usize = 10;
/// The number of messages at the front of a queue that are searched for groups that can be taken.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/avoid-backlog-with-the-same-message-group-id.html>
pub(super) const SEARCHED_MESSAGES: usize = 120_000;
/// The visibility timeout of a message that was taken and not finished, as the deployed queues have
/// it.
pub const VISIBILITY: Duration = Duration::from_secs(30);

/// A FIFO queue in memory, of typed messages, that deduplicates by group. Clones are the same
/// queue.
#[derive(Debug)]
pub struct Fifo<T> {
    clock: TurnedClock,
    state: Arc<Mutex<State<T>>>,
}

/// A message as a receiver gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<T> {
    /// The id of the message, the same at each receive.
    pub id: String,
    /// The receipt of this receive.
    pub receipt: Receipt,
    /// The FIFO group of the message.
    pub group: String,
    /// The id by which the queue recognises repeats.
    pub deduplication_id: String,
    /// The content of the message.
    pub body: T,
    /// When the message was queued.
    pub sent_at: Timestamp,
    /// When the message was taken for the first time.
    pub first_taken_at: Option<Timestamp>,
    /// The number of receives, including this one.
    pub receive_count: u32,
}

#[derive(Debug)]
struct State<T> {
    name: &'static str,
    entries: VecDeque<Entry<T>>,
    /// When each pair of group and deduplication id was queued.
    seen: HashMap<(String, String), Timestamp>,
    sent: u64,
    searched: usize,
}

#[derive(Debug)]
struct Entry<T> {
    message: Message<T>,
    /// The message is in flight before this time.
    visible_at: Timestamp,
}

impl<T: Clone> Fifo<T> {
    /// An empty queue; receipts contain its name.
    #[must_use]
    pub fn new(name: &'static str, clock: TurnedClock) -> Self {
        let state =
            State { name, entries: VecDeque::new(), seen: HashMap::new(), sent: 0, searched: SEARCHED_MESSAGES };
        Self { clock, state: Arc::new(Mutex::new(state)) }
    }

    /// Limits the search for groups to this number of messages at the front of the queue.
    pub fn set_searched(&self, messages: usize) {
        self.lock().searched = messages;
    }

    /// Queues a message, unless it repeats one of its group within [`DEDUPLICATION`]. Returns
    /// whether the message was queued.
    pub fn send(&self, group: String, deduplication_id: String, body: T) -> bool {
        let now = self.clock.now();
        self.lock().send(group, deduplication_id, body, now)
    }

    /// Takes up to ten messages, the oldest first. Groups with a message in flight are left out,
    /// and several messages of one group come in order. The messages are invisible for
    /// [`VISIBILITY`].
    #[must_use]
    pub fn take(&self) -> Vec<Message<T>> {
        self.take_at_most(MESSAGES_PER_RECEIVE)
    }

    /// Takes up to `most` messages, and no more than [`Self::take`] does.
    pub fn take_at_most(&self, most: usize) -> Vec<Message<T>> {
        let now = self.clock.now();
        self.lock().take(most.min(MESSAGES_PER_RECEIVE), now)
    }

    /// Deletes a message. Returns whether the receipt was valid: from the last receive, and within
    /// its visibility timeout.
    pub fn finish(&self, receipt: &Receipt) -> bool {
        let now = self.clock.now();
        let mut state = self.lock();
        let Some(at) = state.in_flight(receipt, now) else {
            return false;
        };
        state.entries.remove(at).is_some()
    }

    /// Makes a message visible again after `pause`; until then its group stays locked. Returns
    /// whether the receipt was valid.
    pub fn show_after(&self, receipt: &Receipt, pause: Duration) -> bool {
        let now = self.clock.now();
        let mut state = self.lock();
        let found = state.in_flight(receipt, now);
        if let Some(entry) = found.and_then(|at| state.entries.get_mut(at)) {
            entry.visible_at = now.plus(pause);
        }
        found.is_some()
    }

    /// Queues a message again as if it had never been taken, as an at-least-once queue may.
    pub fn repeat(&self, message: &Message<T>) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.sent += 1;
        let id = format!("{}-{}", state.name, state.sent);
        let again = Message { id, receive_count: 0, first_taken_at: None, ..message.clone() };
        state.entries.push_back(Entry { message: again, visible_at: now });
    }

    /// Reports whether every message is finished.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// When the next message that is in flight or waits can be taken, if none is finished before.
    #[must_use]
    pub fn next_visible_at(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        self.lock().entries.iter().map(|entry| entry.visible_at).filter(|at| *at > now).min()
    }

    /// The contents of all messages that are not finished, in flight or not, the oldest first.
    #[must_use]
    pub fn bodies(&self) -> Vec<T> {
        let state = self.lock();
        state.entries.iter().map(|entry| entry.message.body.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Fifo<T> {
    fn clone(&self) -> Self {
        Self { clock: self.clock.clone(), state: Arc::clone(&self.state) }
    }
}

impl<T: Clone> State<T> {
    fn send(&mut self, group: String, deduplication_id: String, body: T, now: Timestamp) -> bool {
        let key = (group.clone(), deduplication_id.clone());
        if self.seen.get(&key).is_some_and(|at| now.since(*at) < DEDUPLICATION) {
            return false;
        }
        self.seen.insert(key, now);
        self.sent += 1;
        let message = Message {
            id: format!("{}-{}", self.name, self.sent),
            receipt: Receipt { queue: self.name.to_owned(), handle: String::new() },
            group,
            deduplication_id,
            body,
            sent_at: now,
            first_taken_at: None,
            receive_count: 0,
        };
        let visible_at = now;
        self.entries.push_back(Entry { message, visible_at });
        true
    }

    fn take(&mut self, most: usize, now: Timestamp) -> Vec<Message<T>> {
        let in_flight = self.entries.iter().filter(|entry| entry.visible_at > now);
        let locked: HashSet<String> = in_flight.map(|entry| entry.message.group.clone()).collect();
        // Messages of one group mostly follow each other.
        let mut last = (String::new(), !locked.contains(""));
        let free = |entry: &&mut Entry<T>| {
            if last.0 != entry.message.group {
                last = (entry.message.group.clone(), !locked.contains(&entry.message.group));
            }
            last.1
        };
        let taken = self.entries.iter_mut().take(self.searched).filter(free).take(most);
        taken.map(|entry| entry.take(now)).collect()
    }

    fn in_flight(&self, receipt: &Receipt, now: Timestamp) -> Option<usize> {
        let good = |entry: &Entry<T>| entry.visible_at > now && entry.message.receipt == *receipt;
        self.entries.iter().position(good)
    }
}

impl<T: Clone> Entry<T> {
    fn take(&mut self, now: Timestamp) -> Message<T> {
        self.visible_at = now.plus(VISIBILITY);
        self.message.receive_count += 1;
        self.message.first_taken_at.get_or_insert(now);
        self.message.receipt.handle = format!("{}-{}", self.message.id, self.message.receive_count);
        self.message.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Turning;
    use crate::samples;

    fn queue() -> (Fifo<u32>, TurnedClock) {
        let clock = TurnedClock::new(samples::NOW, Turning::ByHand);
        (Fifo::new("queue", clock.clone()), clock)
    }

    fn send(queue: &Fifo<u32>, group: &str, n: u32) -> bool {
        queue.send(group.to_owned(), n.to_string(), n)
    }

    fn taken(queue: &Fifo<u32>) -> Vec<u32> {
        queue.take().into_iter().map(|message| message.body).collect()
    }

    #[test]
    fn a_receive_takes_ten_of_one_group_and_then_locks_it() {
        let (queue, _) = queue();
        assert!((0..12).all(|n| send(&queue, "a", n)));
        assert!(send(&queue, "b", 12));
        assert_eq!(taken(&queue), (0..10).collect::<Vec<_>>());
        assert_eq!(taken(&queue), [12]);
        assert!(taken(&queue).is_empty());
    }

    #[test]
    fn a_group_behind_the_messages_that_are_searched_waits() {
        let (queue, _) = queue();
        queue.set_searched(2);
        assert!((0..3).all(|n| send(&queue, "a", n)) && send(&queue, "b", 3));
        let first = queue.take_at_most(1);
        assert!(taken(&queue).is_empty());
        assert!(queue.finish(&first[0].receipt));
        assert_eq!(taken(&queue), [1, 2]);
        assert!(taken(&queue).is_empty(), "the other group is behind them still");
    }

    #[test]
    fn a_group_goes_on_where_it_was_finished() {
        let (queue, _) = queue();
        assert!((0..12).all(|n| send(&queue, "a", n)));
        for message in queue.take() {
            assert!(queue.finish(&message.receipt));
        }
        assert_eq!(taken(&queue), [10, 11]);
    }

    #[test]
    fn a_message_not_finished_comes_back_before_those_behind_it_and_its_old_receipt_is_void() {
        let (queue, clock) = queue();
        send(&queue, "a", 1);
        let first = queue.take();
        send(&queue, "a", 2);
        clock.advance(VISIBILITY);
        let second = queue.take();
        assert_eq!(second.iter().map(|message| message.body).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((second[0].receive_count, &second[0].id), (2, &first[0].id));
        assert!(!queue.finish(&first[0].receipt));
        assert!(queue.finish(&second[0].receipt));
    }

    #[test]
    fn a_repeat_is_dropped_for_five_minutes_and_only_in_its_group() {
        let (queue, clock) = queue();
        assert!(send(&queue, "a", 1));
        clock.advance(DEDUPLICATION - Duration::from_millis(1));
        assert!(!send(&queue, "a", 1));
        assert!(send(&queue, "b", 1));
        clock.advance(Duration::from_millis(1));
        assert!(send(&queue, "a", 1));
    }
}
