//! Deduplication of FIFO queues and topics: an id is kept for five minutes, whatever happened to
//! its message.
//!
//! Source:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::limits::DEDUPLICATION;
use crate::model::md5::hexadecimal;

/// The answer to the first message with an id. Later messages with this id get the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) message_id: String,
    pub(crate) sequence: u64,
}

/// The deduplication ids of the last five minutes.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Dedupe {
    accepted: HashMap<String, Accepted>,
    /// The ids in order of acceptance, with the time in milliseconds since 1970.
    order: VecDeque<(u64, String)>,
}

impl Dedupe {
    /// Returns the answer to the same id within five minutes.
    pub(crate) fn find(&mut self, key: &str, now_ms: u64) -> Option<&Accepted> {
        self.forget_old(now_ms);
        self.accepted.get(key)
    }

    /// Adds an id that [`Self::find`] did not find.
    pub(crate) fn remember(&mut self, key: String, accepted: Accepted, now_ms: u64) {
        self.order.push_back((now_ms, key.clone()));
        self.accepted.insert(key, accepted);
    }

    /// Adds an id that an earlier process accepted, unless it is too old or already known.
    pub(crate) fn take_up(&mut self, key: String, accepted: Accepted, at_ms: u64, now_ms: u64) {
        if at_ms + kept_ms() > now_ms && self.find(&key, now_ms).is_none() {
            self.remember(key, accepted, at_ms);
        }
    }

    fn forget_old(&mut self, now_ms: u64) {
        while let Some((_, key)) = self.order.pop_front_if(|(at_ms, _)| *at_ms + kept_ms() <= now_ms) {
            self.accepted.remove(&key);
        }
    }
}

fn kept_ms() -> u64 {
    u64::try_from(DEDUPLICATION.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the key of an id in its scope: the whole queue, or one group. Neither an id nor a group
/// can contain a newline.
pub(crate) fn key(id: &str, group_scope: Option<&str>) -> String {
    group_scope.map_or_else(|| id.to_owned(), |group| format!("{group}\n{id}"))
}

/// Returns the id of a message that was sent without one: the SHA-256 of its body. Attributes do
/// not count.
pub(crate) fn id_of_content(body: &str) -> String {
    hexadecimal(&Sha256::digest(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_for_five_minutes_from_the_first_message() {
        let mut dedupe = Dedupe::default();
        let accepted = Accepted { message_id: "m".to_owned(), sequence: 1 };
        dedupe.remember(key("id", None), accepted.clone(), 1_000);
        assert_eq!(dedupe.find("id", 300_999), Some(&accepted));
        assert_eq!(dedupe.find("id", 301_000), None);
        assert!(dedupe.order.is_empty());
    }

    #[test]
    fn an_id_of_another_life_is_taken_up_once_and_only_while_it_holds() {
        let mut dedupe = Dedupe::default();
        let accepted = |sequence| Accepted { message_id: "m".to_owned(), sequence };
        dedupe.take_up("old".to_owned(), accepted(1), 1_000, 301_000);
        dedupe.take_up("id".to_owned(), accepted(2), 2_000, 301_000);
        dedupe.take_up("id".to_owned(), accepted(3), 2_000, 301_000);
        assert_eq!(dedupe.find("old", 301_000), None);
        assert_eq!(dedupe.find("id", 301_000), Some(&accepted(2)));
        assert_eq!(dedupe.order.len(), 1);
    }

    #[test]
    fn in_the_scope_of_a_group_the_same_id_is_another() {
        assert_ne!(key("id", Some("a")), key("id", Some("b")));
        assert_ne!(key("id", Some("a")), key("id", None));
    }
}
