//! The quotas of SQS and SNS that a program can run into.
//!
//! Sources: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>,
//! <https://docs.aws.amazon.com/general/latest/gr/sns.html>.

use std::time::Duration;

/// Body and attributes of one message, and of all messages of one batch together, in bytes.
pub const SQS_MESSAGE_BYTES: usize = 1024 * 1024;
/// The least that `MaximumMessageSize` may be set to, in bytes.
pub const SQS_LEAST_MESSAGE_BYTES: usize = 1024;
/// Body and attributes of one publication, and of all publications of one batch together, in bytes.
pub const SNS_MESSAGE_BYTES: usize = 256 * 1024;
/// Entries of a batch, and messages of one receive.
pub const BATCH_ENTRIES: usize = 10;
/// Message attributes of one message.
pub const MESSAGE_ATTRIBUTES: usize = 10;
/// Longest visibility timeout: 12 hours.
pub const VISIBILITY_TIMEOUT_S: u64 = 12 * 60 * 60;
/// Longest delay: 15 minutes.
pub const DELAY_S: u64 = 15 * 60;
/// Longest long poll.
pub const WAIT_S: u64 = 20;
/// Shortest retention: a minute.
pub const LEAST_RETENTION_S: u64 = 60;
/// Longest retention: 14 days.
pub const RETENTION_S: u64 = 14 * 24 * 60 * 60;
/// For how long a deduplication id is remembered.
pub const DEDUPLICATION: Duration = Duration::from_secs(5 * 60);
/// Length of a queue's name, with `.fifo`.
pub const QUEUE_NAME_CHARACTERS: usize = 80;
/// Length of a topic's name, with `.fifo`.
pub const TOPIC_NAME_CHARACTERS: usize = 256;
/// Length of deduplication ids, group ids and entry names.
pub const ID_CHARACTERS: usize = 128;
/// Length of the id of a batch entry.
pub const ENTRY_ID_CHARACTERS: usize = 80;
/// Messages in flight of one queue; standard queues answer `OverLimit`, FIFO queues return nothing.
pub const IN_FLIGHT: usize = 120_000;
/// Messages at the front of a FIFO queue that are searched for groups that can be read. Messages behind them wait, whatever
/// their group.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/avoid-backlog-with-the-same-message-group-id.html>
pub const SEARCHED_MESSAGES: usize = 120_000;
/// Largest `maxReceiveCount` of a redrive policy.
pub const RECEIVE_COUNT: u32 = 1000;
/// Tags of one queue.
pub const TAGS: usize = 50;
/// Subscriptions or topics on one page of a list.
pub const PAGE: usize = 100;
/// Keys of one filter policy.
pub const FILTER_KEYS: usize = 5;
