//! The state of all queues and topics as JSON, in the form of the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::attributes::QueueAttributes;
use crate::model::clock::Moment;
use crate::model::core::Core;
use crate::model::dedupe::Dedupe;
use crate::model::message::Message;
use crate::model::subscription::Subscription;
use crate::store::queue::Queue;
use crate::store::record::visible_ms;
use crate::store::service::Service;
use crate::store::topic::Topic;

/// Version of the file's form. Files of another version are refused.
pub(super) const VERSION: u32 = 2;

/// All queues and topics by their unique numbers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) version: u32,
    /// The journal that continues this snapshot.
    pub(super) generation: u64,
    pub(super) queues: BTreeMap<u64, SavedQueue>,
    pub(super) topics: BTreeMap<u64, SavedTopic>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedQueue {
    pub(super) name: String,
    pub(super) created_ms: u64,
    pub(super) attributes: QueueAttributes,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) next_sequence: u64,
    pub(super) next_receipt: u64,
    pub(super) dedupe: Dedupe,
    /// Messages by their sequence.
    pub(super) messages: BTreeMap<u64, SavedMessage>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedMessage {
    #[serde(flatten)]
    pub(super) message: Message,
    /// Time at which the delay of the message ends, in milliseconds since 1970. `None` if it has no
    /// delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) visible_ms: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedTopic {
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) subscriptions: BTreeMap<String, Subscription>,
    pub(super) dedupe: Dedupe,
    pub(super) last_sequence: u64,
}

impl Snapshot {
    /// Copies all queues and topics. Each copy is from some instant during the call.
    pub(super) fn of(service: &Service, generation: u64) -> Self {
        // Topics are copied first. A message that is published meanwhile may be in its queue and
        // unknown to its topic, but is never lost.
        let topics = service.topics().all().iter().map(|topic| (topic.id, SavedTopic::of(topic))).collect();
        let queues = service.queues().iter().map(|queue| (queue.id, SavedQueue::of(queue))).collect();
        Self { version: VERSION, generation, queues, topics }
    }
}

impl SavedQueue {
    fn of(queue: &Queue) -> Self {
        queue.with(|core, now| Self {
            name: queue.name.clone(),
            created_ms: queue.created_ms,
            attributes: core.attributes.clone(),
            tags: core.tags.clone(),
            next_sequence: core.next_sequence,
            next_receipt: core.next_receipt,
            dedupe: core.dedupe.clone(),
            messages: messages(core, now),
        })
    }
}

fn messages(core: &Core, now: Moment) -> BTreeMap<u64, SavedMessage> {
    let saved = core.entries.iter().map(|(sequence, entry)| {
        (*sequence, SavedMessage { message: entry.message.clone(), visible_ms: visible_ms(entry, now) })
    });
    saved.collect()
}

impl SavedTopic {
    fn of(topic: &Topic) -> Self {
        let state = topic.state();
        Self {
            name: topic.name.clone(),
            attributes: state.attributes.clone(),
            tags: state.tags.clone(),
            subscriptions: (*state.subscriptions).clone(),
            dedupe: state.dedupe.clone(),
            last_sequence: state.last_sequence,
        }
    }
}
