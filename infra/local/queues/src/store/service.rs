//! All queues and topics of one account in one Region.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::journal::Journal;
use super::queue::{Queue, Redriving};
use super::topic::{Topic, TopicState, Topics};
use crate::model::attributes::{QueueAttributes, Redrive};
use crate::model::clock::Clock;
use crate::model::config::{Config, name_in_arn};
use crate::model::core::Core;
use crate::model::error::Error;
use crate::model::limits;
use crate::model::message::Message;
use crate::model::observer::{Observer, Watch};
use crate::model::peek::Peeked;
use crate::model::stats::{QueueStats, Stats};

/// SQS and SNS in memory. Clones are handles to the same queues and topics.
#[derive(Debug, Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    clock: Clock,
    queues: RwLock<BTreeMap<String, Arc<Queue>>>,
    topics: Topics,
    /// The next number for a queue or topic. Each number is used once.
    next_id: AtomicU64,
    journal: Option<Arc<Journal>>,
    watch: Watch,
}

impl Service {
    /// Creates a service without queues and topics. Its state is lost when the process ends; see
    /// [`Service::open`] for one that keeps it.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::kept_in(config, None)
    }

    /// Creates a service without queues and topics that writes its changes to the journal.
    pub(crate) fn kept_in(config: Config, journal: Option<Arc<Journal>>) -> Self {
        let (clock, next_id) = (Clock::start(), AtomicU64::new(1));
        let (queues, topics, watch) = (RwLock::default(), Topics::default(), Watch::default());
        let inner = Inner { config, clock, queues, topics, next_id, journal, watch };
        Self { inner: Arc::new(inner) }
    }

    /// Reports the later events of messages to `observer`. Later calls have no effect.
    pub fn set_observer(&self, observer: Arc<dyn Observer>) {
        self.inner.watch.set(observer);
    }

    /// Returns at most `most` messages of a queue without receiving them, the oldest first.
    ///
    /// Returns `None` if there is no queue of this name.
    #[must_use]
    pub fn peek(&self, name: &str, most: usize) -> Option<Vec<Peeked>> {
        Some(self.queue(name)?.with(|core, _| core.peek(most)))
    }

    /// Creates a queue with the attributes of the API (the name implies `FifoQueue`), or finds it.
    /// Returns its URL.
    ///
    /// # Errors
    /// The name or an attribute is not valid, or the queue exists with other attributes.
    pub fn create_queue(&self, name: &str, attributes: &BTreeMap<String, String>) -> Result<String, Error> {
        let is_fifo = name.ends_with(".fifo");
        check_queue_name(name)?;
        if !is_fifo && attributes.contains_key("FifoQueue") {
            return Err(Error::invalid_parameter("The queue name must end with the .fifo suffix."));
        }
        let mut wanted = QueueAttributes::new(is_fifo);
        for (name, value) in attributes {
            wanted.set(name, value)?;
        }
        self.check_redrive(wanted.redrive.as_ref())?;
        let clock = self.inner.clock;
        let mut queues = self.inner.queues.write().unwrap_or_else(PoisonError::into_inner);
        match queues.get(name).map(Arc::clone) {
            None => {
                let queue = Queue::create(self.next_id(), Core::new(name, wanted), clock, self.journal(), self.watch());
                queues.insert(name.to_owned(), Arc::new(queue));
            }
            Some(existing) => {
                drop(queues);
                check_same(&existing, attributes, &wanted)?;
            }
        }
        Ok(self.inner.config.queue_url(name))
    }

    /// Returns the counters, and the number of messages in each state.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let of_queue = |queue: &Arc<Queue>| {
            let (counts, counters) = queue.with(|core, _| (core.counts(), core.counters));
            QueueStats { visible: counts.visible, in_flight: counts.in_flight, delayed: counts.delayed, counters }
        };
        let queues = self.queues().iter().map(|queue| (queue.name.clone(), of_queue(queue))).collect();
        Stats { queues, topics: self.inner.topics.stats() }
    }

    /// Checks that the dead-letter queue of a new policy exists. It may be deleted later.
    pub(crate) fn check_redrive(&self, redrive: Option<&Redrive>) -> Result<(), Error> {
        match redrive {
            Some(redrive) if self.queue_of_arn(&redrive.target_arn).is_none() => {
                let arn = &redrive.target_arn;
                let is_here = *arn == self.inner.config.queue_arn(&redrive.target_name);
                let elsewhere = "Dead-letter target owner should be same as the source";
                let reason = if is_here { "Dead letter target does not exist" } else { elsewhere };
                let message = format!("Value {arn} for parameter RedrivePolicy is invalid. Reason: {reason}.");
                Err(Error::invalid_parameter(message))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn clock(&self) -> Clock {
        self.inner.clock
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.inner.topics
    }

    /// Returns every queue, by name.
    pub(crate) fn queues(&self) -> Vec<Arc<Queue>> {
        self.inner.queues.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }

    pub(crate) fn queue(&self, name: &str) -> Option<Arc<Queue>> {
        self.inner.queues.read().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone)
    }

    /// Returns the queue at a URL whose path is `/account/name`. Every host is accepted except
    /// AWS's own hosts of another Region, because the machine has many names and a container uses
    /// another one.
    pub(crate) fn queue_at(&self, url: &str) -> Result<Arc<Queue>, Error> {
        let invalid = || Error::invalid_address(url);
        let (host, path) = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).ok_or_else(invalid)?;
        let (account, name) = path.trim_end_matches('/').rsplit_once('/').ok_or_else(invalid)?;
        let config = &self.inner.config;
        if region_of_host(host).is_some_and(|region| region != config.region) {
            return Err(invalid());
        }
        if account != config.account_id {
            return Err(Error::access_denied(url));
        }
        self.queue(name).ok_or_else(Error::queue_does_not_exist)
    }

    /// Returns the queue of an ARN, if the ARN has this Region and account.
    pub(crate) fn queue_of_arn(&self, arn: &str) -> Option<Arc<Queue>> {
        let name = name_in_arn(arn, "sqs")?;
        self.queue(name).filter(|_| arn == self.inner.config.queue_arn(name))
    }

    /// Returns a number that no queue or topic has had.
    pub(crate) fn next_id(&self) -> u64 {
        self.inner.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn watch(&self) -> Watch {
        self.inner.watch.clone()
    }

    pub(crate) fn journal(&self) -> Option<Arc<Journal>> {
        self.inner.journal.clone()
    }

    /// Adds a queue that existed before. It replaces a queue of the same name.
    pub(crate) fn install_queue(&self, id: u64, name: &str, created_ms: u64, core: Core) {
        self.inner.next_id.fetch_max(id + 1, Ordering::Relaxed);
        let queue = Queue::restored(id, core, self.inner.clock, created_ms, self.journal(), self.watch());
        let mut queues = self.inner.queues.write().unwrap_or_else(PoisonError::into_inner);
        queues.insert(name.to_owned(), Arc::new(queue));
    }

    /// Adds a topic that existed before. It replaces a topic of the same name.
    pub(crate) fn install_topic(&self, id: u64, name: &str, state: TopicState) {
        self.inner.next_id.fetch_max(id + 1, Ordering::Relaxed);
        let arn = self.inner.config.topic_arn(name);
        self.inner.topics.install(Topic::restored(id, name, &arn, state, self.journal()));
    }

    pub(crate) fn remove_queue(&self, name: &str) {
        let removed = self.inner.queues.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(queue) = removed {
            queue.close();
        }
    }
}

/// Moves dead letters from one queue to another.
pub(crate) struct DeadLetters<'a> {
    pub(crate) service: &'a Service,
    pub(crate) source: &'a Queue,
}

impl Redriving for DeadLetters<'_> {
    fn exists(&self, policy: &Redrive) -> bool {
        self.service.queue(&policy.target_name).is_some()
    }

    fn bury(&self, dead: Vec<Message>) -> bool {
        let policy = self.source.attributes().0.redrive;
        let Some(target) = policy.and_then(|policy| self.service.queue(&policy.target_name)) else { return false };
        let source_arn = self.service.config().queue_arn(&self.source.name);
        target.with(|core, now| {
            for mut message in dead {
                message.receive_count = 0;
                message.first_received_ms = None;
                message.source_arn = Some(source_arn.clone());
                if core.attributes.is_fifo {
                    // In a FIFO queue the retention period starts again; in a standard queue it
                    // continues. In a FIFO queue the message's id becomes its deduplication id, so
                    // that two messages with the same deduplication id are both kept:
                    // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html>
                    message.sent_ms = now.epoch_ms;
                    message.deduplication_id = Some(message.id.clone());
                }
                core.counters.sent += 1;
                core.add(message, None);
            }
        });
        true
    }
}

/// Returns the Region of a host of SQS: `sqs.eu-west-1.amazonaws.com`, or the older form
/// `eu-west-1.queue.amazonaws.com`.
fn region_of_host(host: &str) -> Option<&str> {
    let host = host.strip_suffix(".amazonaws.com")?;
    match host.strip_prefix("sqs.") {
        Some(region) => Some(region),
        None => host.strip_suffix(".queue").or((host == "queue").then_some("us-east-1")),
    }
}

fn check_queue_name(name: &str) -> Result<(), Error> {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let is_valid = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
    if stem.is_empty() || name.len() > limits::QUEUE_NAME_CHARACTERS || !stem.chars().all(is_valid) {
        let message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(Error::invalid_parameter(message));
    }
    Ok(())
}

/// Checks that a queue has all attributes of a repeated `CreateQueue`.
fn check_same(queue: &Queue, said: &BTreeMap<String, String>, wanted: &QueueAttributes) -> Result<(), Error> {
    let (existing, wanted) = (queue.attributes().0.shown(), wanted.shown());
    match said.keys().find(|name| existing.get(*name) != wanted.get(*name)) {
        Some(name) => Err(Error::queue_name_exists(name)),
        None => Ok(()),
    }
}
