//! The order of a FIFO queue. Each group is strictly in order, and a group is not read further
//! while one of its messages is in flight.
//!
//! Only the first messages of the queue are searched for groups that can be read. A message behind
//! them is not available, whatever its group, until messages before it are deleted.
//!
//! Sources:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html>,
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/avoid-backlog-with-the-same-message-group-id.html>

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::limits;

/// The groups with messages, and the groups that can be read now.
#[derive(Debug)]
pub(crate) struct Fifo {
    groups: HashMap<Arc<str>, Group>,
    /// Groups whose first message is visible and that have no message in flight. The group that has
    /// waited longest is first.
    ready: VecDeque<Arc<str>>,
    /// Most messages that are searched.
    searched_at_most: usize,
    /// Number of messages that are searched, including those in flight.
    searched: usize,
    /// Messages behind the searched ones, by sequence.
    behind: VecDeque<Behind>,
}

#[derive(Debug)]
struct Behind {
    group: Arc<str>,
    waiting: Waiting,
}

impl Default for Fifo {
    fn default() -> Self {
        Self::searching(limits::SEARCHED_MESSAGES)
    }
}

#[derive(Debug, Default)]
struct Group {
    /// Messages of the group that are not in flight, by sequence.
    waiting: VecDeque<Waiting>,
    in_flight: usize,
    is_listed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    sequence: u64,
    is_delayed: bool,
}

impl Group {
    fn is_ready(&self) -> bool {
        self.in_flight == 0 && self.waiting.front().is_some_and(|first| !first.is_delayed)
    }

    fn place_of(&self, sequence: u64) -> usize {
        self.waiting.partition_point(|waiting| waiting.sequence < sequence)
    }
}

impl Fifo {
    /// Creates an order that searches at most this number of messages for groups that can be read.
    fn searching(searched_at_most: usize) -> Self {
        let (groups, ready, behind) = (HashMap::new(), VecDeque::new(), VecDeque::new());
        Self { groups, ready, searched_at_most, searched: 0, behind }
    }

    /// Adds a new message after all others. A delayed message delays the messages behind it in its
    /// group.
    pub(crate) fn add(&mut self, group: &str, sequence: u64, is_delayed: bool) {
        self.behind.push_back(Behind { group: Arc::from(group), waiting: Waiting { sequence, is_delayed } });
        self.search_further();
    }

    /// Extends the search to more messages, in place of those that were removed.
    fn search_further(&mut self) {
        while self.searched < self.searched_at_most
            && let Some(Behind { group, waiting }) = self.behind.pop_front()
        {
            self.searched += 1;
            self.group(&group).waiting.push_back(waiting);
            self.settle(&group);
        }
    }

    /// Ends the delay of a message.
    pub(crate) fn end_delay(&mut self, group: &str, sequence: u64) {
        let place = self.behind.partition_point(|behind| behind.waiting.sequence < sequence);
        if let Some(behind) = self.behind.get_mut(place).filter(|behind| behind.waiting.sequence == sequence) {
            behind.waiting.is_delayed = false;
            return;
        }
        if let Some(of_group) = self.groups.get_mut(group) {
            let place = of_group.place_of(sequence);
            if let Some(waiting) = of_group.waiting.get_mut(place).filter(|waiting| waiting.sequence == sequence) {
                waiting.is_delayed = false;
            }
        }
        self.settle(group);
    }

    /// Takes up to `most` messages, in order, from the group that has waited longest. They are in
    /// flight from now on.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u64> {
        let mut taken = Vec::new();
        while let Some(name) = self.ready.pop_front() {
            let Some(group) = self.groups.get_mut(&name) else { continue };
            group.is_listed = false;
            if !group.is_ready() {
                continue;
            }
            while taken.len() < most
                && let Some(first) = group.waiting.pop_front_if(|first| !first.is_delayed)
            {
                taken.push(first.sequence);
            }
            group.in_flight += taken.len();
            break;
        }
        taken
    }

    /// Makes a message in flight visible again, in its old place.
    pub(crate) fn put_back(&mut self, group: &str, sequence: u64) {
        if let Some(of_group) = self.groups.get_mut(group) {
            of_group.in_flight = of_group.in_flight.saturating_sub(1);
        }
        self.show(group, sequence);
    }

    /// Restores a removed message in its old place.
    pub(crate) fn restore(&mut self, group: &str, sequence: u64) {
        self.searched += 1;
        self.show(group, sequence);
    }

    fn show(&mut self, group: &str, sequence: u64) {
        let of_group = self.group(group);
        let place = of_group.place_of(sequence);
        of_group.waiting.insert(place, Waiting { sequence, is_delayed: false });
        self.settle(group);
    }

    /// Removes a message in flight permanently.
    pub(crate) fn remove(&mut self, group: &str) {
        if let Some(of_group) = self.groups.get_mut(group) {
            of_group.in_flight = of_group.in_flight.saturating_sub(1);
        }
        self.settle(group);
        self.searched = self.searched.saturating_sub(1);
        self.search_further();
    }

    /// Returns whether a receive would return a message now.
    pub(crate) fn has_visible(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.groups.clear();
        self.ready.clear();
        self.behind.clear();
        self.searched = 0;
    }

    /// Returns the group `name`, and creates it if it does not exist.
    fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(Arc::from(name)).or_default()
    }

    /// Adds a group to the ready list if it became ready, and removes a group that became empty.
    fn settle(&mut self, name: &str) {
        let Some((name, group)) = self.groups.get_key_value(name) else { return };
        if group.waiting.is_empty() && group.in_flight == 0 {
            let name = Arc::clone(name);
            self.groups.remove(&name);
        } else if group.is_ready() && !group.is_listed {
            let name = Arc::clone(name);
            if let Some(group) = self.groups.get_mut(&name) {
                group.is_listed = true;
            }
            self.ready.push_back(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(messages: &[(&str, u64)]) -> Fifo {
        let mut fifo = Fifo::default();
        for (group, sequence) in messages {
            fifo.add(group, *sequence, false);
        }
        fifo
    }

    #[test]
    fn a_group_is_read_in_order_and_then_not_until_all_of_it_is_settled() {
        let mut fifo = queue(&[("a", 1), ("a", 2), ("a", 3)]);
        assert_eq!(fifo.take(2), [1, 2]);
        assert!(fifo.take(2).is_empty());
        fifo.remove("a");
        assert!(fifo.take(2).is_empty());
        fifo.put_back("a", 2);
        assert_eq!(fifo.take(10), [2, 3]);
    }

    #[test]
    fn groups_take_turns() {
        let mut fifo = queue(&[("a", 1), ("a", 2), ("b", 3)]);
        assert_eq!(fifo.take(1), [1]);
        fifo.remove("a");
        assert_eq!(fifo.take(1), [3]);
        assert_eq!(fifo.take(1), [2]);
    }

    #[test]
    fn a_delayed_message_holds_up_those_behind_it() {
        let mut fifo = Fifo::default();
        fifo.add("a", 1, true);
        fifo.add("a", 2, false);
        assert!(!fifo.has_visible());
        fifo.end_delay("a", 1);
        assert_eq!(fifo.take(10), [1, 2]);
    }

    #[test]
    fn what_was_removed_comes_back_into_its_place_even_if_its_group_was_forgotten() {
        let mut fifo = queue(&[("a", 1), ("a", 2)]);
        assert_eq!(fifo.take(2), [1, 2]);
        fifo.remove("a");
        fifo.remove("a");
        fifo.restore("a", 2);
        fifo.restore("a", 1);
        assert_eq!(fifo.take(2), [1, 2]);
    }

    #[test]
    fn a_group_behind_the_messages_that_are_searched_waits_until_some_of_them_are_gone() {
        let mut fifo = Fifo::searching(3);
        for (group, sequence) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5)] {
            fifo.add(group, sequence, false);
        }
        assert_eq!(fifo.take(2), [1, 2]);
        assert!(fifo.take(2).is_empty(), "what is in flight is searched too, and nothing behind it");
        fifo.remove("a");
        assert_eq!(fifo.take(10), [4]);
        fifo.put_back("a", 2);
        assert_eq!(fifo.take(10), [2, 3]);
        assert!(fifo.take(10).is_empty());
        fifo.remove("b");
        assert_eq!(fifo.take(10), [5]);
    }

    #[test]
    fn a_delay_that_ends_behind_the_messages_that_are_searched_is_over() {
        let mut fifo = Fifo::searching(1);
        fifo.add("a", 1, false);
        fifo.add("b", 2, true);
        fifo.end_delay("b", 2);
        assert_eq!(fifo.take(1), [1]);
        fifo.remove("a");
        assert_eq!(fifo.take(1), [2]);
    }

    #[test]
    fn an_empty_group_is_forgotten() {
        let mut fifo = queue(&[("a", 1)]);
        assert_eq!(fifo.take(1), [1]);
        fifo.remove("a");
        assert!(fifo.groups.is_empty());
        assert!(fifo.ready.is_empty());
    }
}
