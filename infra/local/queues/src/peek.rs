//! What is in a queue, without receiving it.

use serde::Serialize;

use crate::core::{Core, DELAYED, Entry};

/// One message of a queue, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peeked {
    /// `MessageId`.
    pub message_id: String,
    /// `MessageGroupId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it can be received.
    pub place: Place,
    /// When the queue took it in: milliseconds since 1970.
    pub sent_at_ms: u64,
    /// How often it was received.
    pub receive_count: u32,
    /// Its body.
    pub body: String,
}

/// Whether a message can be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// It can be received, or waits behind a message of its group that is in flight.
    Visible,
    /// Its delay is not over.
    Delayed,
    /// A receiver has it, or it is on its way to another queue.
    InFlight,
}

impl Core {
    /// At most `most` messages, the oldest first.
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
