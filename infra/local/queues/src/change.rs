//! What happened to a queue, for whoever writes it down.

use crate::dedupe::Accepted;

/// One change that a restart must not undo. What time alone changes is not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The queue was created, or its attributes or tags are others.
    Settings,
    /// A message was taken in. It is still there when this is read.
    Added { sequence: u64 },
    /// A deduplication id is taken.
    Remembered { key: String, accepted: Accepted, at_ms: u64 },
    /// A message was handed out.
    Received { sequence: u64, receive: u64, receive_count: u32, first_received_ms: u64 },
    /// A message is gone for good.
    Removed { sequence: u64 },
    /// Every message before this one is gone.
    Purged { below: u64 },
}

/// Changes since they were taken last; none where nobody writes them down.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    is_kept: bool,
    list: Vec<Change>,
}

impl Changes {
    /// Keeps changes from now on.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Adds a change if somebody wants to know.
    pub(crate) fn note(&mut self, change: impl FnOnce() -> Change) {
        if self.is_kept {
            self.list.push(change());
        }
    }

    /// What was noted since the last time, in order.
    pub(crate) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.list)
    }
}
