//! The publish request on its way in, and the immutable message it becomes.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::Data;
use crate::name::{ConnectionId, Key, PublicationId, RoomId, UserId};
use crate::position::Position;
use crate::timestamp::Timestamp;

/// Who may repeat a publication: ids are remembered per publisher, so that nobody can swallow somebody else's.
/// A user's name for clients; a source and a colon before other doors.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Publisher(String);

impl Publisher {
    /// A client, on whatever device.
    #[must_use]
    pub fn user(user: &UserId) -> Self {
        Self(user.to_string())
    }

    /// Backends, through the `events` topics. A `*` cannot stand in a user's name, so nobody can be taken for it.
    #[must_use]
    pub fn events() -> Self {
        Self("*events".to_owned())
    }

    /// Backends, through rows of the outbox.
    #[must_use]
    pub fn outbox() -> Self {
        Self("*outbox".to_owned())
    }

    /// The publisher as text, without `#`.
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

/// One thing to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What the publisher calls it.
    #[serde(rename = "pid")]
    pub id: PublicationId,
    /// What it says.
    pub data: Data,
}

/// An accepted publish request, on its way to the sequencer: what the `publications` queue carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Where to.
    pub room: RoomId,
    /// Who may repeat it.
    pub publisher: Publisher,
    /// Whom the members see as its author.
    pub by: UserId,
    /// From which connection it came, if from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<ConnectionId>,
    /// Whether the sender's own connection hears it live, too.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub echo: bool,
    /// When we took responsibility for it.
    pub accepted_at: Timestamp,
    /// At least one; their order is kept.
    pub items: Vec<Item>,
    /// Whether it is for those who are there and for nobody later: it gets no position and is not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<Ephemeral>,
}

/// What makes a submission ephemeral.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ephemeral {
    /// What it is about: of one author and key only the last one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The gateway's id of the request: each is a new one.
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
    /// The FIFO group: one line per room. A hash, since a room's name may hold what a group id may not.
    #[must_use]
    pub fn group(&self) -> String {
        digest(&[self.room.as_str()])
    }

    /// The queue's deduplication id: a repeat within five minutes is not even queued.
    #[must_use]
    pub fn deduplication_id(&self) -> String {
        if let Some(Ephemeral { request, .. }) = &self.ephemeral {
            let sender = self.sender.as_ref().map_or("", |sender| sender.as_ref());
            return digest(&["ephemeral", sender, request]);
        }
        let ids = self.items.iter().map(|item| item.id.as_ref());
        digest(&[self.publisher.as_str()].into_iter().chain(ids).collect::<Vec<_>>())
    }
}

/// An immutable message at its place in its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its place.
    pub position: Position,
    /// What the publisher calls it.
    pub id: PublicationId,
    /// Its author.
    pub by: UserId,
    /// From which connection it came, if from one.
    pub sender: Option<ConnectionId>,
    /// Whether the sender's own connection hears it live, too.
    pub echo: bool,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it got its place.
    pub sequenced_at: Timestamp,
    /// What it says.
    pub data: Data,
}

impl Publication {
    /// Whether this connection is left out of live blocks about it: it is its own, and it asked for no echo.
    #[must_use]
    pub fn is_silent_for(&self, connection: &ConnectionId) -> bool {
        !self.echo && self.sender.as_ref() == Some(connection)
    }
}

/// A short hexadecimal name for a list of texts: 32 characters, of SHA-256. No two lists share their encoding.
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
        let json = serde_json::to_string(&submission).unwrap();
        assert_eq!(serde_json::from_str::<Submission>(&json).unwrap(), submission);
    }
}
