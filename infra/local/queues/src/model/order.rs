//! The order of a queue of either kind.

use crate::model::fifo::Fifo;
use crate::model::standard::Standard;

/// Selects the next visible message.
#[derive(Debug)]
pub(crate) enum Order {
    /// A standard queue: the next message is the first visible one, whatever its group.
    Standard(Standard),
    /// A FIFO queue: messages are in order within their groups.
    Fifo(Fifo),
}

impl Order {
    pub(crate) fn new(is_fifo: bool) -> Self {
        if is_fifo { Self::Fifo(Fifo::default()) } else { Self::Standard(Standard::default()) }
    }

    /// Adds a new message. Messages of standard queues may have groups, which do not affect their
    /// order.
    pub(crate) fn add(&mut self, group: Option<&str>, sequence: u64, is_delayed: bool) {
        match self {
            Self::Standard(_) if is_delayed => {}
            Self::Standard(order) => order.show(sequence),
            Self::Fifo(order) => order.add(group.unwrap_or_default(), sequence, is_delayed),
        }
    }

    /// Ends the delay of a message.
    pub(crate) fn end_delay(&mut self, group: Option<&str>, sequence: u64) {
        match self {
            Self::Standard(order) => order.show(sequence),
            Self::Fifo(order) => order.end_delay(group.unwrap_or_default(), sequence),
        }
    }

    /// Takes up to `most` next messages, and at least one if there is any. Messages of a standard
    /// queue may have been removed already.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u64> {
        match self {
            Self::Standard(order) => std::iter::from_fn(|| order.take()).take(most).collect(),
            Self::Fifo(order) => order.take(most),
        }
    }

    /// Makes a taken message visible again.
    pub(crate) fn put_back(&mut self, group: Option<&str>, sequence: u64) {
        match self {
            Self::Standard(order) => order.show(sequence),
            Self::Fifo(order) => order.put_back(group.unwrap_or_default(), sequence),
        }
    }

    /// Removes a taken message permanently.
    pub(crate) fn remove(&mut self, group: Option<&str>) {
        if let Self::Fifo(order) = self {
            order.remove(group.unwrap_or_default());
        }
    }

    /// Restores a removed message.
    pub(crate) fn restore(&mut self, group: Option<&str>, sequence: u64) {
        match self {
            Self::Standard(order) => order.show(sequence),
            Self::Fifo(order) => order.restore(group.unwrap_or_default(), sequence),
        }
    }

    pub(crate) fn has_visible(&self) -> bool {
        match self {
            Self::Standard(order) => order.has_visible(),
            Self::Fifo(order) => order.has_visible(),
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::Standard(order) => order.clear(),
            Self::Fifo(order) => order.clear(),
        }
    }
}
