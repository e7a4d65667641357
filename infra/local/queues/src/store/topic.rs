//! Topics and their subscriptions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::journal::Journal;
use super::record::Record;
use crate::model::dedupe::{Accepted, Dedupe};
use crate::model::error::Error;
use crate::model::limits;
use crate::model::stats::TopicStats;
use crate::model::subscription::Subscription;

/// Every topic, by name.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
}

/// A topic, with its subscriptions.
#[derive(Debug)]
pub(crate) struct Topic {
    /// Unique number. No other queue or topic ever has it, not even one of the same name.
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) arn: String,
    /// The journal to which changes are written before their calls are answered.
    journal: Option<Arc<Journal>>,
    state: Mutex<TopicState>,
}

/// The changeable state of a topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct TopicState {
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Subscriptions by the last part of their ARN. A publication holds a reference while it is
    /// delivered.
    pub(crate) subscriptions: Arc<BTreeMap<String, Subscription>>,
    pub(crate) dedupe: Dedupe,
    pub(crate) last_sequence: u64,
    pub(crate) stats: TopicStats,
}

impl Topics {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }

    /// Returns the topic `name`. Calls `create` if it does not exist.
    pub(crate) fn ensure(&self, name: &str, create: impl FnOnce() -> Topic) -> Arc<Topic> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(topics.entry(name.to_owned()).or_insert_with(|| Arc::new(create())))
    }

    /// Adds a topic that existed before. It replaces a topic of the same name.
    pub(crate) fn install(&self, topic: Topic) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.insert(topic.name.clone(), Arc::new(topic));
    }

    pub(crate) fn remove(&self, name: &str) {
        let removed = self.topics.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(topic) = removed {
            topic.write(Record::Gone);
        }
    }

    pub(crate) fn stats(&self) -> BTreeMap<String, TopicStats> {
        let stats = |topic: &Arc<Topic>| {
            let state = topic.state();
            TopicStats { subscriptions: state.subscriptions.len(), ..state.stats }
        };
        self.all().iter().map(|topic| (topic.name.clone(), stats(topic))).collect()
    }
}

impl Topic {
    /// Creates a topic that existed before.
    pub(crate) fn restored(id: u64, name: &str, arn: &str, state: TopicState, journal: Option<Arc<Journal>>) -> Self {
        Self { id, name: name.to_owned(), arn: arn.to_owned(), journal, state: Mutex::new(state) }
    }

    /// Creates a new topic.
    pub(crate) fn create(id: u64, name: &str, arn: &str, state: TopicState, journal: Option<Arc<Journal>>) -> Self {
        let topic = Self::restored(id, name, arn, state, journal);
        topic.change(|_| ());
        topic
    }

    /// Changes attributes, tags or subscriptions.
    pub(crate) fn change<R>(&self, act: impl FnOnce(&mut TopicState) -> R) -> R {
        let mut state = self.state();
        let result = act(&mut state);
        self.write(Record::Topic {
            name: Cow::Borrowed(&self.name),
            attributes: Cow::Borrowed(&state.attributes),
            tags: Cow::Borrowed(&state.tags),
            subscriptions: Cow::Borrowed(&state.subscriptions),
        });
        result
    }

    /// Records a deduplication id after its publication is in every queue. If it were recorded
    /// earlier, a publisher without an answer could not publish again.
    pub(crate) fn remember(&self, state: &mut TopicState, key: String, accepted: Accepted, at_ms: u64) {
        self.write(Record::Remembered { key: Cow::Borrowed(&key), accepted: Cow::Borrowed(&accepted), at_ms });
        state.dedupe.remember(key, accepted, at_ms);
    }

    fn write(&self, record: Record<'_>) {
        if let Some(journal) = &self.journal {
            journal.write(self.id, [record].into_iter());
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, TopicState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

impl TopicState {
    /// Sets an attribute of a topic. Attributes without an effect here are stored and returned.
    pub(crate) fn set(&mut self, is_fifo: bool, name: &str, value: &str) -> Result<(), Error> {
        let known = match name {
            "DisplayName" | "Policy" | "DeliveryPolicy" | "KmsMasterKeyId" | "SignatureVersion" | "TracingConfig" => {
                true
            }
            "FifoTopic" if (value == "true") == is_fifo => true,
            "FifoTopic" => return Err(Error::sns_invalid("Fifo Topic names must end with .fifo, and no others")),
            "ContentBasedDeduplication" | "FifoThroughputScope" | "ArchivePolicy" => is_fifo,
            _ => false,
        };
        if !known {
            return Err(Error::sns_invalid(format!("AttributeName {name}")));
        }
        self.attributes.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    pub(crate) fn deduplicates_by_content(&self) -> bool {
        self.attributes.get("ContentBasedDeduplication").is_some_and(|value| value == "true")
    }

    pub(crate) fn deduplicates_by_group(&self) -> bool {
        self.attributes.get("FifoThroughputScope").is_some_and(|value| value == "MessageGroup")
    }
}

/// Checks a topic's name: letters, digits, `-` and `_`, up to 256 characters, and `.fifo` for FIFO
/// topics.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let is_valid = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
    if stem.is_empty() || name.len() > limits::TOPIC_NAME_CHARACTERS || !stem.chars().all(is_valid) {
        return Err(Error::sns_invalid("Topic Name"));
    }
    Ok(())
}
