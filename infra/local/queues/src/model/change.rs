//! The changes of a queue that are written to the journal.

use crate::model::dedupe::Accepted;

/// One change that must survive a restart. Changes that only depend on the time are not included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The queue was created, or its attributes or tags changed.
    Settings,
    /// A message was added. Its entry still exists when this change is written.
    Added { sequence: u64 },
    /// A deduplication id was accepted.
    Remembered { key: String, accepted: Accepted, at_ms: u64 },
    /// A receiver received a message.
    Received { sequence: u64, receive: u64, receive_count: u32, first_received_ms: u64 },
    /// A message was removed permanently.
    Removed { sequence: u64 },
    /// Every message before this sequence was removed.
    Purged { below: u64 },
}

/// The changes since the last [`Changes::take`]. Empty if there is no journal.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    is_kept: bool,
    list: Vec<Change>,
}

impl Changes {
    /// Records changes from now on.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Records a change, if changes are recorded at all.
    pub(crate) fn note(&mut self, change: impl FnOnce() -> Change) {
        if self.is_kept {
            self.list.push(change());
        }
    }

    /// Removes and returns the recorded changes, in order.
    pub(crate) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.list)
    }
}
