//! One line of the journal.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::attributes::QueueAttributes;
use crate::model::change::Change;
use crate::model::clock::Moment;
use crate::model::core::{Core, DELAYED, Entry};
use crate::model::dedupe::Accepted;
use crate::model::message::Message;
use crate::model::subscription::Subscription;

type Texts = BTreeMap<String, String>;

/// A change of one queue or topic. Applying a record twice has the same result as applying it once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record<'a> {
    /// A queue was created or configured.
    Queue { name: Cow<'a, str>, created_ms: u64, attributes: Cow<'a, QueueAttributes>, tags: Cow<'a, Texts> },
    /// A topic was created or configured. Includes its subscriptions.
    Topic {
        name: Cow<'a, str>,
        attributes: Cow<'a, Texts>,
        tags: Cow<'a, Texts>,
        subscriptions: Cow<'a, BTreeMap<String, Subscription>>,
    },
    /// The queue or topic was deleted.
    Gone,
    /// A message was added. A delayed one is visible from `visible_ms` on, in milliseconds since
    /// 1970.
    Added {
        message: Cow<'a, Message>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visible_ms: Option<u64>,
    },
    /// A deduplication id was accepted by the queue or topic.
    Remembered { key: Cow<'a, str>, accepted: Cow<'a, Accepted>, at_ms: u64 },
    /// A receiver received a message.
    Received { sequence: u64, receive: u64, receive_count: u32, first_received_ms: u64 },
    /// A message was deleted, moved or expired.
    Removed { sequence: u64 },
    /// The messages before `below` were purged.
    Purged { below: u64 },
}

impl<'a> Record<'a> {
    /// Builds the record of a change from the current state of the queue. Returns `None` if the
    /// change has been undone since.
    pub(crate) fn of(change: &'a Change, core: &'a Core, created_ms: u64, now: Moment) -> Option<Self> {
        Some(match change {
            Change::Settings => Self::Queue {
                name: Cow::Borrowed(&core.name),
                created_ms,
                attributes: Cow::Borrowed(&core.attributes),
                tags: Cow::Borrowed(&core.tags),
            },
            Change::Added { sequence } => {
                let entry = core.entries.get(sequence)?;
                Self::Added { message: Cow::Borrowed(&entry.message), visible_ms: visible_ms(entry, now) }
            }
            Change::Remembered { key, accepted, at_ms } => {
                Self::Remembered { key: Cow::Borrowed(key), accepted: Cow::Borrowed(accepted), at_ms: *at_ms }
            }
            &Change::Received { sequence, receive, receive_count, first_received_ms } => {
                Self::Received { sequence, receive, receive_count, first_received_ms }
            }
            &Change::Removed { sequence } => Self::Removed { sequence },
            &Change::Purged { below } => Self::Purged { below },
        })
    }
}

/// Returns the time at which the delay of a message ends, in milliseconds since 1970. Returns
/// `None` if it has no delay left.
pub(crate) fn visible_ms(entry: &Entry, now: Moment) -> Option<u64> {
    let delay = entry.hidden.filter(|hidden| hidden.receipt == DELAYED)?;
    let left_ms = delay.until.saturating_duration_since(now.instant).as_millis();
    Some(now.epoch_ms + u64::try_from(left_ms).unwrap_or(0))
}
