//! The order of a queue, of either kind.

use crate::fifo::Fifo;
use crate::standard::Standard;

/// Which visible message is next.
#[derive(Debug)]
pub(crate) enum Order {
    /// First come, first served.
    Standard(Standard),
    /// In order within groups.
    Fifo(Fifo),
}

impl Order {
    pub(crate) fn new(is_fifo: bool) -> Self {
        if is_fifo { Self::Fifo(Fifo::default()) } else { Self::Standard(Standard::default()) }
    }

    /// A new message. Standard queues may have groups, too, which mean nothing to their order.
    pub(crate) fn add(&mut self, group: Option<&str>, sequence: u64, is_delayed: bool) {
        match self {
            Self::Standard(_) if is_delayed => {}
            Self::Standard(order) => order.show(sequence),
            Self::Fifo(order) => order.add(group.unwrap_or_default(), sequence, is_delayed),
        }
    }

    /// The delay of a message is over.
    pub(crate) fn end_delay(&mut self, group: Option<&str>, sequence: u64) {
        match self {
            Self::Standard(order) => order.show(sequence),
            Self::Fifo(order) => order.end_delay(group.unwrap_or_default(), sequence),
        }
    }

    /// Up to `most` messages that are next; never none if there is any. Those of a standard queue may be gone.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u64> {
        match self {
            Self::Standard(order) => std::iter::from_fn(|| order.take()).take(most).collect(),
            Self::Fifo(order) => order.take(most),
        }
    }

    /// A message that was taken is visible again.
    pub(crate) fn put_back(&mut self, group: Option<&str>, sequence: u64) {
        match self {
            Self::Standard(order) => order.show(sequence),
            Self::Fifo(order) => order.put_back(group.unwrap_or_default(), sequence),
        }
    }

    /// A message that was taken is gone for good.
    pub(crate) fn remove(&mut self, group: Option<&str>) {
        if let Self::Fifo(order) = self {
            order.remove(group.unwrap_or_default());
        }
    }

    /// A message that was removed is there again, after all.
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
