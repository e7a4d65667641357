//! The events of messages, for a program that observes the queues.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::model::message::Message;

/// Receives the events of messages, in their order in each queue.
///
/// It is called under the lock of the queue: it must not call the service and must not block.
pub trait Observer: Send + Sync + 'static {
    /// Returns whether the queues call [`Observer::observe`]. They check this before each event and
    /// build nothing if it is `false`.
    fn is_observing(&self) -> bool;

    /// Receives one event of the queue with this name.
    fn observe(&self, queue: &str, happening: Happening<'_>);
}

/// An event of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening<'a> {
    /// The queue accepted the message from a sender, a topic or another queue.
    Sent {
        /// The message that was accepted.
        message: Label<'a>,
        /// The body of the message.
        body: &'a str,
    },
    /// A receiver received the message.
    Received {
        /// The message that was received.
        message: Label<'a>,
        /// Number of receives of the message, including this one.
        receive_count: u32,
    },
    /// The receiver deleted the message.
    Deleted {
        /// The message that was deleted.
        message: Label<'a>,
    },
    /// The message was received too often and moves to the dead-letter queue.
    DeadLettered {
        /// The message that moves.
        message: Label<'a>,
        /// Name of the dead-letter queue.
        to: &'a str,
    },
    /// A move task moves the message to another queue.
    Redriven {
        /// The message that moves.
        message: Label<'a>,
    },
    /// The message exceeded the queue's retention period and was removed.
    Expired {
        /// The message that expired.
        message: Label<'a>,
    },
}

/// The identity of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label<'a> {
    /// The message's `MessageId`.
    pub id: &'a str,
    /// The message's `MessageGroupId`.
    pub group: Option<&'a str>,
}

/// The observer of a service, if one is set. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<OnceLock<Arc<dyn Observer>>>);

impl Watch {
    /// Sets the observer. Later calls have no effect.
    pub(crate) fn set(&self, observer: Arc<dyn Observer>) {
        drop(self.0.set(observer));
    }

    /// Reports an event. Builds it only if an observer wants it.
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
