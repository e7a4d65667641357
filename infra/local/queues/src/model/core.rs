//! The behaviour of a queue, without a lock and without a clock: callers pass the time to every
//! call.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use crate::model::attributes::QueueAttributes;
use crate::model::change::{Change, Changes};
use crate::model::clock::Moment;
use crate::model::dedupe::{Accepted, Dedupe};
use crate::model::error::Error;
use crate::model::limits;
use crate::model::message::Message;
use crate::model::observer::{Happening, Watch};
use crate::model::order::Order;
use crate::model::receipt::Receipt;
use crate::model::stats::QueueCounters;
use crate::model::timers::{Timer, Timers};

/// The messages of one queue and their state.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) name: String,
    pub(crate) attributes: QueueAttributes,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) counters: QueueCounters,
    pub(crate) dedupe: Dedupe,
    pub(crate) next_sequence: u64,
    pub(crate) next_receipt: u64,
    pub(crate) entries: HashMap<u64, Entry>,
    pub(crate) changes: Changes,
    pub(crate) watch: Watch,
    order: Order,
    timers: Timers,
    in_flight: usize,
    delayed: usize,
    leaving: usize,
}

/// A message and its visibility.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) message: Message,
    pub(crate) hidden: Option<Hidden>,
}

/// The state of a message that is not visible: delayed, in flight, or moving to another queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub(crate) until: Instant,
    /// The receive that hides the message. `DELAYED` for a message that was never received,
    /// `LEAVING` for one that is being moved.
    pub(crate) receipt: u64,
}

/// Stands for a receipt: the message is delayed.
pub(crate) const DELAYED: u64 = 0;
/// Stands for a receipt: the message is being moved.
const LEAVING: u64 = u64::MAX;

/// The result of one receive.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) deliveries: Vec<(Message, Receipt)>,
    /// Messages that were received too often and must be moved. Each leaves the queue when
    /// [`Core::end_move`] is called for it.
    pub(crate) dead: Vec<Message>,
}

/// The number of messages in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visible: usize,
    pub(crate) in_flight: usize,
    pub(crate) delayed: usize,
}

impl Core {
    pub(crate) fn new(name: &str, attributes: QueueAttributes) -> Self {
        Self {
            name: name.to_owned(),
            order: Order::new(attributes.is_fifo),
            attributes,
            tags: BTreeMap::new(),
            counters: QueueCounters::default(),
            dedupe: Dedupe::default(),
            next_sequence: 1,
            next_receipt: DELAYED + 1,
            entries: HashMap::new(),
            changes: Changes::default(),
            watch: Watch::default(),
            timers: Timers::default(),
            in_flight: 0,
            delayed: 0,
            leaving: 0,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let visible = self.entries.len() - self.in_flight - self.delayed - self.leaving;
        Counts { visible, in_flight: self.in_flight, delayed: self.delayed }
    }

    /// Returns whether a receive might return a message now.
    pub(crate) fn has_visible(&self) -> bool {
        self.order.has_visible()
    }

    /// Returns the time at which the next hidden message becomes visible.
    pub(crate) fn next_due(&mut self) -> Option<Instant> {
        let entries = &self.entries;
        self.timers.next_due(|timer| is_live(entries, timer))
    }

    /// Makes the messages visible whose time has come.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            if is_live(&self.entries, &timer) {
                self.show(timer.sequence);
            }
        }
    }

    /// Adds a message at the end, visible after its delay. Returns its sequence.
    pub(crate) fn add(&mut self, mut message: Message, delayed_until: Option<Instant>) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        message.sequence = sequence;
        self.order.add(message.group.as_deref(), sequence, delayed_until.is_some());
        self.watch.report(&self.name, || Happening::Sent { message: message.label(), body: &message.body });
        self.entries.insert(sequence, Entry { message, hidden: None });
        self.changes.note(|| Change::Added { sequence });
        if let Some(until) = delayed_until {
            self.delayed += 1;
            self.hide(sequence, Hidden { until, receipt: DELAYED });
        }
        sequence
    }

    /// Records a deduplication id that is free.
    pub(crate) fn remember(&mut self, key: String, accepted: Accepted, at_ms: u64) {
        self.changes.note(|| Change::Remembered { key: key.clone(), accepted: accepted.clone(), at_ms });
        self.dedupe.remember(key, accepted, at_ms);
    }

    pub(crate) fn set_attributes(&mut self, attributes: QueueAttributes) {
        self.attributes = attributes;
        self.changes.note(|| Change::Settings);
    }

    pub(crate) fn set_tags(&mut self, tags: BTreeMap<String, String>) {
        self.tags = tags;
        self.changes.note(|| Change::Settings);
    }

    /// Receives up to `most` messages and hides them until `until`. A message that was already
    /// received `most_receives` times is moved instead.
    pub(crate) fn receive(
        &mut self,
        most: usize,
        until: Instant,
        now: Moment,
        most_receives: Option<u32>,
    ) -> Result<Received, Error> {
        let mut received = Received::default();
        if self.in_flight >= limits::IN_FLIGHT {
            return if self.attributes.is_fifo { Ok(received) } else { Err(Error::over_limit()) };
        }
        while received.deliveries.len() < most {
            let taken = self.order.take(most - received.deliveries.len());
            if taken.is_empty() {
                break;
            }
            for sequence in taken {
                self.take(sequence, until, now, most_receives, &mut received);
            }
        }
        if until <= now.instant {
            received.deliveries.iter().for_each(|(message, _)| self.show(message.sequence));
        }
        Ok(received)
    }

    /// Handles one message from the order: delivers it, marks it as dead, or expires it.
    fn take(
        &mut self,
        sequence: u64,
        until: Instant,
        now: Moment,
        most_receives: Option<u32>,
        received: &mut Received,
    ) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        let retention_ms = self.attributes.retention_s * 1000;
        let is_expired = entry.message.sent_ms + retention_ms <= now.epoch_ms;
        let is_dead = most_receives.is_some_and(|most| entry.message.receive_count >= most);
        if is_expired {
            self.counters.expired += 1;
            self.watch.report(&self.name, || Happening::Expired { message: entry.message.label() });
            self.order.remove(entry.message.group.as_deref());
            return self.forget(sequence);
        }
        if is_dead {
            self.counters.dead_lettered += 1;
            let to = self.attributes.redrive.as_ref().map_or("", |redrive| &redrive.target_name);
            self.watch.report(&self.name, || Happening::DeadLettered { message: entry.message.label(), to });
            received.dead.extend(self.begin_move(sequence, now.instant));
            return;
        }
        entry.message.receive_count += 1;
        let first_received_ms = *entry.message.first_received_ms.get_or_insert(now.epoch_ms);
        let (receive, receive_count) = (self.next_receipt, entry.message.receive_count);
        let receipt = Receipt { sequence, receive };
        self.watch.report(&self.name, || Happening::Received { message: entry.message.label(), receive_count });
        received.deliveries.push((entry.message.clone(), receipt));
        self.next_receipt += 1;
        self.in_flight += 1;
        self.counters.received += 1;
        self.changes.note(|| Change::Received { sequence, receive, receive_count, first_received_ms });
        self.hide(sequence, Hidden { until, receipt: receive });
    }

    /// Deletes a message if `receipt` is its newest receipt. `handle` is used in the text of the
    /// error.
    pub(crate) fn delete(&mut self, receipt: Receipt, handle: &str) -> Result<(), Error> {
        let Some(entry) = self.entries.get(&receipt.sequence) else { return Ok(()) };
        let is_newest = entry.hidden.is_some_and(|hidden| hidden.receipt == receipt.receive);
        if self.attributes.is_fifo && !is_newest {
            return Err(Error::stale_receipt_handle(handle, "The receipt handle has expired"));
        }
        if entry.hidden.is_some() && !is_newest {
            return Ok(());
        }
        if is_newest {
            self.in_flight -= 1;
            self.order.remove(entry.message.group.as_deref());
        }
        self.counters.deleted += 1;
        self.watch.report(&self.name, || Happening::Deleted { message: entry.message.label() });
        self.forget(receipt.sequence);
        Ok(())
    }

    /// Hides a message in flight until another time, or makes it visible at once.
    pub(crate) fn change_visibility(
        &mut self,
        receipt: Receipt,
        handle: &str,
        until: Instant,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(entry) = self.entries.get(&receipt.sequence) else {
            let reason = "Message does not exist or is not available for visibility timeout change";
            return Err(Error::stale_receipt_handle(handle, reason));
        };
        match entry.hidden {
            Some(hidden) if hidden.receipt == receipt.receive => {}
            _ if self.attributes.is_fifo => {
                return Err(Error::stale_receipt_handle(handle, "The receipt handle has expired"));
            }
            _ => return Err(Error::not_in_flight()),
        }
        self.hide(receipt.sequence, Hidden { until, receipt: receipt.receive });
        if until <= now {
            self.show(receipt.sequence);
        }
        Ok(())
    }

    /// Removes all messages, hidden or not. Deduplication ids are kept.
    pub(crate) fn purge(&mut self) {
        self.entries.clear();
        self.order.clear();
        self.timers.clear();
        (self.in_flight, self.delayed, self.leaving) = (0, 0, 0);
        let below = self.next_sequence;
        self.changes.note(|| Change::Purged { below });
    }

    /// Starts to move every visible message, in order.
    pub(crate) fn begin_move_of_all(&mut self, now: Instant) -> Vec<Message> {
        let mut leaving = Vec::new();
        loop {
            let taken = self.order.take(limits::BATCH_ENTRIES);
            if taken.is_empty() {
                return leaving;
            }
            let begun = leaving.len();
            leaving.extend(taken.into_iter().filter_map(|sequence| self.begin_move(sequence, now)));
            for message in &leaving[begun..] {
                self.watch.report(&self.name, || Happening::Redriven { message: message.label() });
            }
        }
    }

    /// Starts to move a message from the order to another queue. The message stays hidden in this
    /// queue until it has arrived there. If the process dies in between, the message exists twice
    /// and is never lost.
    fn begin_move(&mut self, sequence: u64, now: Instant) -> Option<Message> {
        let entry = self.entries.get_mut(&sequence)?;
        entry.hidden = Some(Hidden { until: now, receipt: LEAVING });
        self.leaving += 1;
        self.order.remove(entry.message.group.as_deref());
        Some(entry.message.clone())
    }

    /// Ends a move. The message is removed if it has arrived in the other queue. It becomes visible
    /// here again if that queue does not exist.
    pub(crate) fn end_move(&mut self, sequence: u64, has_arrived: bool) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        if entry.hidden.take_if(|hidden| hidden.receipt == LEAVING).is_none() {
            return;
        }
        self.leaving -= 1;
        if has_arrived {
            self.forget(sequence);
        } else {
            self.order.restore(entry.message.group.as_deref(), sequence);
        }
    }

    fn forget(&mut self, sequence: u64) {
        self.entries.remove(&sequence);
        self.changes.note(|| Change::Removed { sequence });
    }

    fn hide(&mut self, sequence: u64, hidden: Hidden) {
        let live = self.in_flight + self.delayed;
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.hidden = Some(hidden);
        }
        let entries = &self.entries;
        let timer = Timer { due: hidden.until, sequence, receipt: hidden.receipt };
        self.timers.add(timer, live, |timer| is_live(entries, timer));
    }

    fn show(&mut self, sequence: u64) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        let group = entry.message.group.as_deref();
        match entry.hidden.take() {
            Some(Hidden { receipt: DELAYED, .. }) => {
                self.delayed -= 1;
                self.order.end_delay(group, sequence);
            }
            Some(_) => {
                self.in_flight -= 1;
                self.order.put_back(group, sequence);
            }
            None => {}
        }
    }
}

fn is_live(entries: &HashMap<u64, Entry>, timer: &Timer) -> bool {
    let hidden = entries.get(&timer.sequence).and_then(|entry| entry.hidden);
    hidden == Some(Hidden { until: timer.due, receipt: timer.receipt })
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
