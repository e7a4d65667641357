//! Loads a snapshot and its journals into queues and topics.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::snapshot::{SavedMessage, SavedQueue, SavedTopic, Snapshot, VERSION};
use super::{KeepError, SNAPSHOT_FILE, file_error};
use crate::model::clock::Moment;
use crate::model::core::Core;
use crate::model::dedupe::{Accepted, Dedupe};
use crate::store::journal;
use crate::store::record::Record;
use crate::store::service::Service;
use crate::store::topic::TopicState;

/// The loaded state, to which each line of the journals is applied.
#[derive(Debug, Default)]
pub(super) struct State {
    queues: BTreeMap<u64, SavedQueue>,
    topics: BTreeMap<u64, SavedTopic>,
    /// The current time in milliseconds since 1970. Deduplication ids that are too old at this time
    /// are not loaded.
    now_ms: u64,
}

impl State {
    /// Reads all files of a folder. Returns the state and the next free generation.
    pub(super) fn read(folder: &Path) -> Result<(Self, u64), KeepError> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let snapshot = read_snapshot(&folder.join(SNAPSHOT_FILE))?;
        let (queues, topics, first) = snapshot.map_or_else(Default::default, |snapshot| {
            let Snapshot { queues, topics, generation, .. } = snapshot;
            (queues, topics, generation)
        });
        let (mut state, mut free) = (Self { queues, topics, now_ms }, first + 1);
        for (generation, file) in journal::files(folder).map_err(|source| file_error(folder, source))? {
            if generation >= first {
                state.replay(&file)?;
            }
            free = free.max(generation + 1);
        }
        Ok((state, free))
    }

    /// Applies every line of a journal. The last line may be torn; its call was never answered.
    fn replay(&mut self, file: &Path) -> Result<(), KeepError> {
        let lines = std::fs::read(file).map_err(|source| file_error(file, source))?;
        for line in lines.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let (of, record) =
                serde_json::from_slice(line).map_err(|source| KeepError::Form { file: file.to_owned(), source })?;
            self.apply(of, record);
        }
        Ok(())
    }

    fn apply(&mut self, of: u64, record: Record<'static>) {
        match record {
            Record::Queue { name, created_ms, attributes, tags } => {
                let queue = self.queues.entry(of).or_insert_with(|| SavedQueue::new(name.into_owned(), created_ms));
                (queue.attributes, queue.tags) = (attributes.into_owned(), tags.into_owned());
            }
            Record::Topic { name, attributes, tags, subscriptions } => {
                let topic = self.topics.entry(of).or_insert_with(|| SavedTopic::new(name.into_owned()));
                (topic.attributes, topic.tags) = (attributes.into_owned(), tags.into_owned());
                topic.subscriptions = subscriptions.into_owned();
            }
            Record::Gone => drop((self.queues.remove(&of), self.topics.remove(&of))),
            Record::Remembered { key, accepted, at_ms } => self.remember(of, key, accepted.into_owned(), at_ms),
            // A record of a queue that does not exist: the message was sent while the queue was
            // being deleted.
            record => drop(self.queues.get_mut(&of).map(|queue| queue.apply(record))),
        }
    }

    fn remember(&mut self, of: u64, key: Cow<'_, str>, accepted: Accepted, at_ms: u64) {
        if let Some(queue) = self.queues.get_mut(&of) {
            queue.dedupe.take_up(key.into_owned(), accepted, at_ms, self.now_ms);
        } else if let Some(topic) = self.topics.get_mut(&of) {
            topic.last_sequence = topic.last_sequence.max(accepted.sequence);
            topic.dedupe.take_up(key.into_owned(), accepted, at_ms, self.now_ms);
        }
    }

    /// Installs the state in a new service. If several queues or topics have the same name, the
    /// newest replaces the others.
    pub(super) fn install(self, service: &Service) {
        let now = service.clock().now();
        for (id, queue) in self.queues {
            let (name, created_ms) = (queue.name.clone(), queue.created_ms);
            service.install_queue(id, &name, created_ms, queue.restored(now));
        }
        for (id, topic) in self.topics {
            let name = topic.name.clone();
            service.install_topic(id, &name, topic.restored());
        }
    }
}

fn read_snapshot(file: &Path) -> Result<Option<Snapshot>, KeepError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(file, error)),
    };
    let form = |source| KeepError::Form { file: file.to_owned(), source };
    let Versioned { version: found } = serde_json::from_slice(&bytes).map_err(form)?;
    if found != VERSION {
        return Err(KeepError::Version { file: file.to_owned(), found, needed: VERSION });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(form)
}

impl SavedQueue {
    fn new(name: String, created_ms: u64) -> Self {
        let empty = Core::new(&name, crate::model::attributes::QueueAttributes::new(name.ends_with(".fifo")));
        Self {
            name,
            created_ms,
            next_sequence: empty.next_sequence,
            next_receipt: empty.next_receipt,
            attributes: empty.attributes,
            tags: BTreeMap::new(),
            dedupe: Dedupe::default(),
            messages: BTreeMap::new(),
        }
    }

    fn apply(&mut self, record: Record<'static>) {
        match record {
            // A lower sequence belongs to a message that is in the snapshot or was removed already.
            Record::Added { message, visible_ms } if message.sequence >= self.next_sequence => {
                let message = message.into_owned();
                self.next_sequence = message.sequence + 1;
                self.messages.insert(message.sequence, SavedMessage { message, visible_ms });
            }
            Record::Received { sequence, receive, receive_count, first_received_ms } => {
                self.next_receipt = self.next_receipt.max(receive + 1);
                if let Some(SavedMessage { message, .. }) = self.messages.get_mut(&sequence) {
                    message.receive_count = message.receive_count.max(receive_count);
                    message.first_received_ms = Some(first_received_ms);
                }
            }
            Record::Removed { sequence } => drop(self.messages.remove(&sequence)),
            Record::Purged { below } => self.messages = self.messages.split_off(&below),
            _ => {}
        }
    }

    fn restored(self, now: Moment) -> Core {
        let mut core = Core::new(&self.name, self.attributes);
        for (sequence, SavedMessage { message, visible_ms }) in self.messages {
            let delay_ms = visible_ms.map(|visible_ms| visible_ms.saturating_sub(now.epoch_ms));
            core.next_sequence = sequence;
            core.add(message, delay_ms.map(|delay_ms| now.instant + Duration::from_millis(delay_ms)));
        }
        (core.next_sequence, core.next_receipt) = (self.next_sequence, self.next_receipt);
        (core.tags, core.dedupe) = (self.tags, self.dedupe);
        core
    }
}

impl SavedTopic {
    fn new(name: String) -> Self {
        Self {
            name,
            attributes: BTreeMap::new(),
            tags: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            dedupe: Dedupe::default(),
            last_sequence: 0,
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
