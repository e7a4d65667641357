//! Publish requests, and the immutable publications that they become.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::Data;
use crate::name::{ConnectionId, Key, PublicationId, RoomId, UserId};
use crate::position::Position;
use crate::timestamp::Timestamp;

/// The owner of publication ids. Ids are remembered for each publisher, so that a publisher cannot
/// suppress the publication of another one. The name is that of the user for clients, and a name
/// that starts with `*` for backends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Publisher(String);

impl Publisher {
    /// The publisher of a user's clients, on every device.
    #[must_use]
    pub fn user(user: &UserId) -> Self {
        Self(user.to_string())
    }

    /// The publisher of the `events` topics. A user's name cannot contain `*`, so no user can have
    /// this name.
    #[must_use]
    pub fn events() -> Self {
        Self("*events".to_owned())
    }

    /// The publisher of outbox rows.
    #[must_use]
    pub fn outbox() -> Self {
        Self("*outbox".to_owned())
    }

    /// A backend that publishes over HTTP. Each backend has ids of its own, and no other publisher
    /// has this name.
    #[must_use]
    pub fn http(backend: &UserId) -> Self {
        Self(format!("*http:{backend}"))
    }

    /// The publisher of gates: the sequencer.
    fn gate() -> Self {
        Self("*gate".to_owned())
    }

    /// True for a publisher that is no user.
    #[must_use]
    pub fn is_backend(&self) -> bool {
        self.0.starts_with('*')
    }

    /// The sequencer, of reminders.
    fn reminder() -> Self {
        Self("*reminder".to_owned())
    }

    /// The publisher as text. It never contains `#`, which separates the parts of a stored key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One publication of a publish request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The publisher's id for the publication.
    #[serde(rename = "pid")]
    pub id: PublicationId,
    /// The payload, as JSON text.
    pub data: Data,
}

/// An accepted publish request: the message of the `publications` queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The room to publish to.
    pub room: RoomId,
    /// The owner of the publication ids.
    pub publisher: Publisher,
    /// The author that members see.
    pub by: UserId,
    /// The connection that sent the request, if a connection did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<ConnectionId>,
    /// True if the sender's own connection receives these publications in live blocks.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub echo: bool,
    /// The time at which Roomcast accepted the request.
    pub accepted_at: Timestamp,
    /// At least one publication, except in a gate or a reminder. Their order is kept.
    pub items: Vec<Item>,
    /// Present if the publications are ephemeral: they get no position and are not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<Ephemeral>,
    /// Present if the room of the submission is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Present in a reminder: it carries no publication, but asks for the jobs of its room through
    /// this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<Position>,
}

/// A part of a hold: see [`crate::Hold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The submission goes into the queue of held publications. This is the number of its last
    /// publication among the held publications of the room.
    Number(u64),
    /// The submission is the gate of the hold that began at this time, and has no publication. In
    /// the queue of publications, everything submitted to the room before the hold is before it.
    Gate(Timestamp),
}

/// The data of an ephemeral submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ephemeral {
    /// The subject: only the last publication of each author and key is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The gateway's id of the request, different for each request.
    pub request: String,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_yes(echo: &bool) -> bool {
    *echo
}

impl Submission {
    /// The gate of a hold.
    #[must_use]
    pub fn gate(room: &RoomId, began: Timestamp) -> Self {
        Self {
            room: room.clone(),
            publisher: Publisher::gate(),
            by: UserId::of_gates(),
            sender: None,
            echo: true,
            accepted_at: began,
            items: Vec::new(),
            ephemeral: None,
            held: Some(Held::Gate(began)),
            reminder: None,
        }
    }

    /// The reminder that jobs of a room through a position are not queued yet.
    #[must_use]
    pub fn reminder(room: &RoomId, through: Position, now: Timestamp) -> Self {
        Self {
            room: room.clone(),
            publisher: Publisher::reminder(),
            by: UserId::of_gates(),
            sender: None,
            echo: true,
            accepted_at: now,
            items: Vec::new(),
            ephemeral: None,
            held: None,
            reminder: Some(through),
        }
    }

    /// Its number among the publications that its room held, if it is one of them.
    #[must_use]
    pub fn held_number(&self) -> Option<u64> {
        match self.held {
            Some(Held::Number(number)) => Some(number),
            Some(Held::Gate(_)) | None => None,
        }
    }

    /// The FIFO group: one group for each room, and one more for its reminders. It is a hash, since
    /// a room's name may contain characters that a group id may not.
    #[must_use]
    pub fn group(&self) -> String {
        let room = digest(&[self.room.as_str()]);
        if self.reminder.is_some() { room + ".reminders" } else { room }
    }

    /// The queue's deduplication id. The queue drops a repeat within five minutes.
    #[must_use]
    pub fn deduplication_id(&self) -> String {
        if let Some(Ephemeral { request, .. }) = &self.ephemeral {
            let sender = self.sender.as_ref().map_or("", |sender| sender.as_ref());
            return digest(&["ephemeral", sender, request]);
        }
        if let Some(Held::Gate(began)) = self.held {
            return digest(&["gate", &began.as_ms().to_string()]);
        }
        // Each append has a reminder of its own. So none is taken for the repeat of a reminder that
        // was worked off before the append.
        if let Some(Position { epoch, sequence }) = &self.reminder {
            return digest(&["reminder", epoch.as_str(), &sequence.to_string()]);
        }
        let ids = self.items.iter().map(|item| item.id.as_ref());
        digest(&[self.publisher.as_str()].into_iter().chain(ids).collect::<Vec<_>>())
    }
}

/// An immutable publication at its position in its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The publication's position.
    pub position: Position,
    /// The publisher's id for the publication.
    pub id: PublicationId,
    /// The author that members see.
    pub by: UserId,
    /// The connection that published it, if a connection did.
    pub sender: Option<ConnectionId>,
    /// True if the sender's own connection receives it in live blocks.
    pub echo: bool,
    /// The time at which Roomcast accepted it.
    pub accepted_at: Timestamp,
    /// The time at which it got its position.
    pub sequenced_at: Timestamp,
    /// The payload, as JSON text.
    pub data: Data,
}

impl Publication {
    /// Returns true if live blocks to this connection leave the publication out: the connection
    /// sent it, and asked for no echo.
    #[must_use]
    pub fn is_silent_for(&self, connection: &ConnectionId) -> bool {
        !self.echo && self.sender.as_ref() == Some(connection)
    }
}

/// Encodes a list of texts as 32 hexadecimal characters of SHA-256. Different lists hash different
/// bytes.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(publisher: &str, ids: &[&str]) -> Submission {
        let item = |id: &&str| Item { id: PublicationId::parse(*id).unwrap(), data: Data::parse("1").unwrap() };
        Submission {
            room: RoomId::parse("lobby").unwrap(),
            publisher: Publisher(publisher.to_owned()),
            by: UserId::parse("ada").unwrap(),
            sender: None,
            echo: true,
            ephemeral: None,
            held: None,
            reminder: None,
            accepted_at: Timestamp::from_ms(1),
            items: ids.iter().map(item).collect(),
        }
    }

    #[test]
    fn a_repeat_has_the_same_deduplication_id_and_nothing_else_has() {
        let one = submission("ada", &["a", "b"]).deduplication_id();
        assert_eq!(one, submission("ada", &["a", "b"]).deduplication_id());
        for other in [submission("bob", &["a", "b"]), submission("ada", &["ab"]), submission("adaa", &["b"])] {
            assert_ne!(one, other.deduplication_id());
        }
    }

    #[test]
    fn a_submission_survives_the_queue() {
        let submission = submission("ada", &["a"]);
        for submission in [Submission { held: Some(Held::Number(7)), ..submission.clone() }, submission] {
            let json = serde_json::to_string(&submission).unwrap();
            assert_eq!(serde_json::from_str::<Submission>(&json).unwrap(), submission);
        }
    }

    #[test]
    fn a_gate_survives_the_queue_and_is_repeated_by_its_hold_alone() {
        let gate = |ms| Submission::gate(&RoomId::parse("lobby").unwrap(), Timestamp::from_ms(ms));
        let json = serde_json::to_string(&gate(5)).unwrap();
        assert_eq!(serde_json::from_str::<Submission>(&json).unwrap(), gate(5));
        assert_eq!(gate(5).group(), submission("ada", &["a"]).group());
        assert_ne!(gate(5).deduplication_id(), gate(6).deduplication_id());
    }

    #[test]
    fn a_reminder_survives_the_queue_and_waits_beside_the_publications_of_its_room() {
        let room = RoomId::parse("lobby").unwrap();
        let at = |epoch: &str, sequence| Position {
            epoch: crate::Epoch::parse(epoch).unwrap(),
            sequence: crate::Sequence::new(sequence),
        };
        let reminder = |at| Submission::reminder(&room, at, Timestamp::from_ms(5));
        let json = serde_json::to_string(&reminder(at("e", 7))).unwrap();
        assert_eq!(serde_json::from_str::<Submission>(&json).unwrap(), reminder(at("e", 7)));
        assert_ne!(reminder(at("e", 7)).group(), submission("ada", &["a"]).group());
        assert_eq!(reminder(at("e", 7)).group(), reminder(at("f", 8)).group());
        for other in [at("e", 8), at("f", 7)] {
            assert_ne!(reminder(at("e", 7)).deduplication_id(), reminder(other).deduplication_id());
        }
    }
}
