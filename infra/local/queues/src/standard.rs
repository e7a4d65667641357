//! The order of a standard queue: first come first served, and whatever comes back goes to the end.

use std::collections::VecDeque;

/// Visible messages in the order in which they became visible. Some may have been deleted since.
#[derive(Debug, Default)]
pub(crate) struct Standard {
    visible: VecDeque<u64>,
}

impl Standard {
    /// A message is visible now, for the first time or again.
    pub(crate) fn show(&mut self, sequence: u64) {
        self.visible.push_back(sequence);
    }

    /// The next message, whoever asks.
    pub(crate) fn take(&mut self) -> Option<u64> {
        self.visible.pop_front()
    }

    /// Whether somebody who asks now might get something.
    pub(crate) fn has_visible(&self) -> bool {
        !self.visible.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.visible.clear();
    }
}
