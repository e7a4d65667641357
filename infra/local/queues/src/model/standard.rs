//! The order of a standard queue: the message that became visible first is next. A message that
//! becomes visible again goes to the end.

use std::collections::VecDeque;

/// Visible messages in the order in which they became visible. Some may have been deleted since.
#[derive(Debug, Default)]
pub(crate) struct Standard {
    visible: VecDeque<u64>,
}

impl Standard {
    /// Adds a message that became visible, for the first time or again.
    pub(crate) fn show(&mut self, sequence: u64) {
        self.visible.push_back(sequence);
    }

    /// Takes the next message.
    pub(crate) fn take(&mut self) -> Option<u64> {
        self.visible.pop_front()
    }

    /// Returns whether a receive might return a message now.
    pub(crate) fn has_visible(&self) -> bool {
        !self.visible.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.visible.clear();
    }
}
