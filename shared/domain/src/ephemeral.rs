//! Ephemeral publications: delivered once to the current members, never stored, without a position,
//! best effort.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::data::Data;
use crate::name::{ConnectionId, Key, UserId};
use crate::publication::{Ephemeral, Submission, digest};
use crate::timestamp::Timestamp;

/// One ephemeral publication, in the form that a job carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The author shown to members.
    pub by: UserId,
    /// The subject of the publication: a later one of the same author and key replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The payload, carried as text: serde cannot keep raw JSON inside a tagged enum, because it
    /// buffers the content.
    #[serde(with = "as_text")]
    pub data: Data,
    /// The connection that published it, if a connection did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ConnectionId>,
    /// True if the publishing connection also receives it.
    pub echo: bool,
}

mod as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::data::Data;

    pub(super) fn serialize<S: Serializer>(data: &Data, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(data.as_json())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Data, D::Error> {
        Data::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The ephemeral publications of one batch of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whisper {
    /// Identifies the batch: a repeat of the same requests has the same id.
    pub id: String,
    /// The time at which the oldest of them was accepted.
    pub at: Timestamp,
    /// The publications that remain after [`latest`].
    pub said: Vec<Said>,
}

/// Gathers the ephemeral submissions of one room. Returns `None` if there are none.
#[must_use]
pub fn whisper<'a>(submissions: impl IntoIterator<Item = &'a Submission>) -> Option<Whisper> {
    let mut requests: Vec<&str> = Vec::new();
    let (mut said, mut at) = (Vec::new(), None::<Timestamp>);
    for submission in submissions {
        let Some(Ephemeral { key, request }) = &submission.ephemeral else { continue };
        requests.push(request);
        at = Some(at.map_or(submission.accepted_at, |oldest| oldest.min(submission.accepted_at)));
        said.extend(submission.items.iter().map(|item| Said {
            by: submission.by.clone(),
            key: key.clone(),
            data: item.data.clone(),
            from: submission.sender.clone(),
            echo: submission.echo,
        }));
    }
    Some(Whisper { id: digest(&requests), at: at?, said: latest(said) })
}

/// Keeps the last publication of each author and key, in the original order.
#[must_use]
pub fn latest(said: Vec<Said>) -> Vec<Said> {
    let mut seen = HashSet::new();
    let mut kept: Vec<Said> =
        said.into_iter().rev().filter(|said| seen.insert((said.by.clone(), said.key.clone()))).collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(by: &str, key: Option<&str>, n: usize) -> Said {
        Said {
            by: UserId::parse(by).unwrap(),
            key: key.map(|key| Key::parse(key).unwrap()),
            data: Data::parse(&n.to_string()).unwrap(),
            from: None,
            echo: true,
        }
    }

    proptest! {
        #[test]
        fn the_last_of_each_author_and_key_is_left_in_order(list in prop::collection::vec((0_usize..3, 0_usize..3), 0..20)) {
            let (who, keys) = (["ada", "bob", "eve"], [None, Some("typing"), Some("cursor")]);
            let all: Vec<Said> = list.iter().enumerate().map(|(n, (by, key))| said(who[*by], keys[*key], n)).collect();
            let left = latest(all.clone());
            for one in &all {
                let last = all.iter().rfind(|other| (&other.by, &other.key) == (&one.by, &one.key)).unwrap();
                prop_assert_eq!(left.iter().filter(|other| *other == last).count(), 1);
            }
            let numbers: Vec<usize> = left.iter().map(|said| said.data.as_json().parse().unwrap()).collect();
            prop_assert!(numbers.is_sorted() && left.len() <= 9);
        }
    }
}
