//! Messages that cannot be read: they become dead letters at once, so that no message waits behind
//! them.

use domain::limits;
use domain::ports::{DeadLetter, DeadLetters};
use protocol::queue::{Poison, decode};
use serde::de::DeserializeOwned;
use telemetry::field;

use crate::batch::{Failed, Message};

/// The messages of a batch, parsed.
#[derive(Debug)]
pub struct Opened<T> {
    /// Messages with their parsed content, in the queue's order.
    pub good: Vec<(Message, T)>,
    /// Messages that return to their queue.
    pub failed: Vec<Failed>,
    /// The number of messages that could not be read.
    pub poisonous: u64,
}

impl Message {
    /// Builds the dead letter of this message.
    #[must_use]
    pub fn letter(&self, reason: impl std::fmt::Display) -> DeadLetter {
        DeadLetter {
            id: self.id.clone(),
            source: self.receipt.queue.clone(),
            group: Some(self.group.clone()).filter(|group| !group.is_empty()),
            body: self.body.clone(),
            reason: reason.to_string(),
            room: None,
            missed: None,
        }
    }

    /// Moves the message to the dead-letter queue. If that fails, the message returns to its queue.
    pub async fn bury(self, letter: DeadLetter, letters: &impl DeadLetters) -> Option<Failed> {
        tracing::error!(
            { field::MESSAGE_ID.0 } = self.id,
            { field::ROOM_ID.0 } = letter.room.as_ref().map(tracing::field::display),
            { field::ERROR.0 } = letter.reason,
            "a message is given up; it moves to the dead-letter queue"
        );
        let error = letters.bury_letter(&letter).await.err()?;
        tracing::error!(
            { field::MESSAGE_ID.0 } = self.id,
            { field::ERROR.0 } = %error,
            "could not write a dead letter; the message returns to the queue"
        );
        Some(self.retry_soon())
    }
}

/// Parses messages. A message that cannot be read becomes a dead letter at once. A message of
/// another version returns a few times first: during a deployment the next function that receives
/// it may be of that version.
pub async fn open<T: DeserializeOwned>(messages: Vec<Message>, letters: &impl DeadLetters) -> Opened<T> {
    let mut opened = Opened { good: Vec::new(), failed: Vec::new(), poisonous: 0 };
    for message in messages {
        match decode(&message.body) {
            Ok(said) => opened.good.push((message, said)),
            Err(Poison::Version(_)) if message.receives < limits::RECEIVES_IF_REFUSED => {
                opened.failed.push(message.retry_soon());
            }
            Err(poison) => {
                opened.poisonous += 1;
                let letter = message.letter(poison);
                opened.failed.extend(message.bury(letter, letters).await);
            }
        }
    }
    opened
}
