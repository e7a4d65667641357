//! Counters of queues and topics.

use std::collections::BTreeMap;

use serde::Serialize;

/// All counters, by the names of queues and topics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Counters of each queue by its name.
    pub queues: BTreeMap<String, QueueStats>,
    /// Counters of each topic by its name.
    pub topics: BTreeMap<String, TopicStats>,
}

/// The current state of a queue, and its counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueStats {
    /// Messages that can be received, or that wait behind a message in flight.
    pub visible: usize,
    /// Messages that were received and are neither deleted nor visible again.
    pub in_flight: usize,
    /// Messages whose delay has not ended.
    pub delayed: usize,
    /// Counters since the queue was created.
    #[serde(flatten)]
    pub counters: QueueCounters,
}

/// Numbers of messages since a queue was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QueueCounters {
    /// Messages accepted from senders, topics and other queues.
    pub sent: u64,
    /// Messages that were answered as sent but dropped as duplicates.
    pub deduplicated: u64,
    /// Receives of messages. A message may be received several times.
    pub received: u64,
    /// Messages that their receiver deleted.
    pub deleted: u64,
    /// Messages moved to the dead-letter queue.
    pub dead_lettered: u64,
    /// Messages that exceeded the queue's retention period.
    pub expired: u64,
}

/// Counters of a topic since it was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TopicStats {
    /// Current number of subscriptions.
    pub subscriptions: usize,
    /// Publications that were accepted.
    pub published: u64,
    /// Publications that were dropped as duplicates.
    pub deduplicated: u64,
    /// Messages that were added to queues.
    pub delivered: u64,
    /// Messages that a filter policy excluded from a queue.
    pub filtered: u64,
    /// Messages whose queue does not exist.
    pub undeliverable: u64,
}
