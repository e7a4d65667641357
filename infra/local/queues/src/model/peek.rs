//! Reads the content of a queue without receiving it.

use serde::Serialize;

use crate::model::core::{Core, DELAYED, Entry};

/// A snapshot of one message of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peeked {
    /// The message's `MessageId`.
    pub message_id: String,
    /// The message's `MessageGroupId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The state of the message: visible, delayed or in flight.
    pub place: Place,
    /// Time at which the queue accepted it, in milliseconds since 1970.
    pub sent_at_ms: u64,
    /// Number of receives so far.
    pub receive_count: u32,
    /// The body of the message.
    pub body: String,
}

/// The state of a message in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The message can be received, or waits behind a message of its group that is in flight.
    Visible,
    /// The delay of the message has not ended.
    Delayed,
    /// A receiver has the message, or it is moving to another queue.
    InFlight,
}

impl Core {
    /// Returns at most `most` messages, the oldest first.
    pub(crate) fn peek(&self, most: usize) -> Vec<Peeked> {
        let mut sequences: Vec<u64> = self.entries.keys().copied().collect();
        sequences.sort_unstable();
        sequences.into_iter().take(most).filter_map(|sequence| self.entries.get(&sequence)).map(Peeked::of).collect()
    }
}

impl Peeked {
    fn of(entry: &Entry) -> Self {
        let message = &entry.message;
        let place = match entry.hidden {
            None => Place::Visible,
            Some(hidden) if hidden.receipt == DELAYED => Place::Delayed,
            Some(_) => Place::InFlight,
        };
        Self {
            message_id: message.id.clone(),
            group: message.group.clone(),
            place,
            sent_at_ms: message.sent_ms,
            receive_count: message.receive_count,
            body: message.body.clone(),
        }
    }
}
