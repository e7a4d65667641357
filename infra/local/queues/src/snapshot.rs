//! Everything as JSON, and back: how queues and topics outlive a process.
//!
//! What is in flight is visible after a restore, as if its receivers had died, which they have: their receipt handles
//! are no good. Delays go on where they were. Counters start again.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attributes::QueueAttributes;
use crate::clock::Moment;
use crate::core::{Core, DELAYED};
use crate::dedupe::Dedupe;
use crate::message::Message;
use crate::queue::Queue;
use crate::service::Service;
use crate::sns::{Subscription, Topic, TopicState};

/// The form of the file; another is not read.
const VERSION: u32 = 1;

/// A snapshot that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is not what [`Service::snapshot`] writes.
    #[error("the snapshot of queues and topics cannot be read: {0}; delete it to start without messages")]
    Form(#[from] serde_json::Error),
    /// It was written by another version of this program.
    #[error("the snapshot of queues and topics has version {found}, and {VERSION} is needed; delete it to start anew")]
    Version {
        /// What it says.
        found: u32,
    },
    /// Its file is out of reach.
    #[error("the file of queues and topics cannot be used: {0}")]
    File(#[from] io::Error),
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    queues: Vec<SavedQueue>,
    topics: Vec<SavedTopic>,
}

#[derive(Serialize, Deserialize)]
struct SavedQueue {
    name: String,
    created_ms: u64,
    attributes: QueueAttributes,
    tags: BTreeMap<String, String>,
    next_sequence: u64,
    next_receipt: u64,
    dedupe: Dedupe,
    /// In order.
    messages: Vec<SavedMessage>,
}

#[derive(Serialize, Deserialize)]
struct SavedMessage {
    #[serde(flatten)]
    message: Message,
    /// Milliseconds since 1970, of a message whose delay is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    visible_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct SavedTopic {
    name: String,
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    subscriptions: BTreeMap<String, Subscription>,
    dedupe: Dedupe,
    last_sequence: u64,
}

impl Service {
    /// Everything but counters, as JSON. Each queue and each topic is as it was at some instant of the call.
    ///
    /// # Errors
    /// None that is known: whatever is kept can be written.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        // Topics first: what is published meanwhile may be in its queue and unknown to its topic, and is never lost.
        let topics = self.topics().all().iter().map(|topic| SavedTopic::of(topic)).collect();
        let queues = self.queues().iter().map(|queue| SavedQueue::of(queue)).collect();
        Ok(serde_json::to_vec(&Snapshot { version: VERSION, queues, topics })?)
    }

    /// Adds what a snapshot has; queues and topics of the same names are replaced.
    ///
    /// # Errors
    /// The snapshot is not one, or of another version; nothing is changed then.
    pub fn restore(&self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        let snapshot: Snapshot = serde_json::from_slice(snapshot)?;
        if snapshot.version != VERSION {
            return Err(SnapshotError::Version { found: snapshot.version });
        }
        let now = self.clock().now();
        for saved in snapshot.queues {
            let created_ms = saved.created_ms;
            self.put_queue(Queue::new(saved.restored(now), self.clock(), created_ms));
        }
        for saved in snapshot.topics {
            let arn = self.config().topic_arn(&saved.name);
            self.topics().remove(&saved.name);
            self.topics().ensure(&saved.name.clone(), &arn, || saved.restored());
        }
        Ok(())
    }

    /// Writes a snapshot to a file, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, file: &Path) -> Result<(), SnapshotError> {
        let unfinished = file.with_extension("unfinished");
        std::fs::write(&unfinished, self.snapshot()?)?;
        Ok(std::fs::rename(&unfinished, file)?)
    }

    /// Restores the snapshot in a file, if there is one; says whether there was.
    ///
    /// # Errors
    /// The file cannot be read, or has something else in it.
    pub fn load(&self, file: &Path) -> Result<bool, SnapshotError> {
        match std::fs::read(file) {
            Ok(snapshot) => self.restore(&snapshot).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
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
            messages: SavedMessage::all_of(core, now),
        })
    }

    fn restored(self, now: Moment) -> Core {
        let mut core = Core::new(&self.name, self.attributes);
        for SavedMessage { message, visible_ms } in self.messages {
            let delay_ms = visible_ms.map(|visible_ms| visible_ms.saturating_sub(now.epoch_ms));
            core.next_sequence = message.sequence;
            core.add(message, delay_ms.map(|delay_ms| now.instant + Duration::from_millis(delay_ms)));
        }
        (core.next_sequence, core.next_receipt) = (self.next_sequence, self.next_receipt);
        (core.tags, core.dedupe) = (self.tags, self.dedupe);
        core
    }
}

impl SavedMessage {
    fn all_of(core: &Core, now: Moment) -> Vec<Self> {
        let mut messages: Vec<Self> = core
            .entries
            .values()
            .map(|entry| {
                let delay = entry.hidden.filter(|hidden| hidden.receipt == DELAYED);
                let delay = delay.map(|hidden| hidden.until.saturating_duration_since(now.instant).as_millis());
                let visible_ms = delay.map(|delay_ms| now.epoch_ms + u64::try_from(delay_ms).unwrap_or(0));
                Self { message: entry.message.clone(), visible_ms }
            })
            .collect();
        messages.sort_unstable_by_key(|saved| saved.message.sequence);
        messages
    }
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

    fn restored(self) -> TopicState {
        TopicState {
            attributes: self.attributes,
            tags: self.tags,
            subscriptions: Arc::new(self.subscriptions),
            dedupe: self.dedupe,
            last_sequence: self.last_sequence,
            ..TopicState::default()
        }
    }
}
