//! What happens to messages, for a program that watches the queues.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::message::Message;

/// Receives what happens to messages, in the order in which it happens in each queue.
///
/// Called under the lock of the queue: it must not call the service and must not block.
pub trait Observer: Send + Sync + 'static {
    /// Whether [`Observer::observe`] is called. The queues ask for each happening and build nothing otherwise.
    fn is_observing(&self) -> bool;

    /// One thing happened in the queue of this name.
    fn observe(&self, queue: &str, happening: Happening<'_>);
}

/// One thing that happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening<'a> {
    /// The queue took the message in: from a sender, a topic or another queue.
    Sent {
        /// The message.
        message: Label<'a>,
        /// Its body.
        body: &'a str,
    },
    /// The message was handed to a receiver.
    Received {
        /// The message.
        message: Label<'a>,
        /// How often the message was received, this time included.
        receive_count: u32,
    },
    /// The message was deleted by its receiver.
    Deleted {
        /// The message.
        message: Label<'a>,
    },
    /// The message was received too often and moves to the dead-letter queue.
    DeadLettered {
        /// The message.
        message: Label<'a>,
        /// The dead-letter queue.
        to: &'a str,
    },
    /// A move task takes the message to another queue.
    Redriven {
        /// The message.
        message: Label<'a>,
    },
    /// The message is older than the queue retains messages, and is gone.
    Expired {
        /// The message.
        message: Label<'a>,
    },
}

/// What identifies a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label<'a> {
    /// `MessageId`.
    pub id: &'a str,
    /// `MessageGroupId`.
    pub group: Option<&'a str>,
}

/// The observer of a service, once there is one. Clones are handles to the same place.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<OnceLock<Arc<dyn Observer>>>);

impl Watch {
    /// Only the first observer counts.
    pub(crate) fn set(&self, observer: Arc<dyn Observer>) {
        drop(self.0.set(observer));
    }

    /// Reports a happening; builds it only for an observer.
    pub(crate) fn report<'a>(&self, queue: &str, happening: impl FnOnce() -> Happening<'a>) {
        if let Some(observer) = self.0.get().filter(|observer| observer.is_observing()) {
            observer.observe(queue, happening());
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.get().is_some()).finish()
    }
}

impl Message {
    pub(crate) fn label(&self) -> Label<'_> {
        Label { id: &self.id, group: self.group.as_deref() }
    }
}
