//! What queues and topics counted.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything that was counted, by the names of queues and topics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Queues.
    pub queues: BTreeMap<String, QueueStats>,
    /// Topics.
    pub topics: BTreeMap<String, TopicStats>,
}

/// A queue now, and since it was created.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueStats {
    /// Messages that can be received, or wait behind one in flight.
    pub visible: usize,
    /// Messages received and not yet deleted or visible again.
    pub in_flight: usize,
    /// Messages whose delay is not over.
    pub delayed: usize,
    /// Since the queue was created.
    #[serde(flatten)]
    pub counters: QueueCounters,
}

/// Messages since a queue was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QueueCounters {
    /// Taken in, from senders, topics and other queues.
    pub sent: u64,
    /// Answered as sent, but dropped as duplicates.
    pub deduplicated: u64,
    /// Handed out; a message may be so several times.
    pub received: u64,
    /// Deleted by whoever received them.
    pub deleted: u64,
    /// Moved to the dead-letter queue.
    pub dead_lettered: u64,
    /// Older than the queue retains them.
    pub expired: u64,
}

/// A topic since it was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TopicStats {
    /// Subscriptions now.
    pub subscriptions: usize,
    /// Publications accepted.
    pub published: u64,
    /// Publications dropped as duplicates.
    pub deduplicated: u64,
    /// Messages put into queues.
    pub delivered: u64,
    /// Messages that a filter policy kept from a queue.
    pub filtered: u64,
    /// Messages whose queue does not exist.
    pub undeliverable: u64,
}
