//! The quotas of SQS and SNS that a program can reach.
//!
//! Sources:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>,
//! <https://docs.aws.amazon.com/general/latest/gr/sns.html>.

use std::time::Duration;

/// Largest size of body and attributes of one message, and of all messages of one batch together,
/// in bytes.
pub const SQS_MESSAGE_BYTES: usize = 1024 * 1024;
/// Smallest value of `MaximumMessageSize`, in bytes.
pub const SQS_LEAST_MESSAGE_BYTES: usize = 1024;
/// Largest size of body and attributes of one publication, and of all publications of one batch
/// together, in bytes.
pub const SNS_MESSAGE_BYTES: usize = 256 * 1024;
/// Most entries of a batch, and most messages of one receive.
pub const BATCH_ENTRIES: usize = 10;
/// Most message attributes of one message.
pub const MESSAGE_ATTRIBUTES: usize = 10;
/// Longest visibility timeout: 12 hours.
pub const VISIBILITY_TIMEOUT_S: u64 = 12 * 60 * 60;
/// Longest delay: 15 minutes.
pub const DELAY_S: u64 = 15 * 60;
/// Longest wait of a long poll.
pub const WAIT_S: u64 = 20;
/// Shortest retention: a minute.
pub const LEAST_RETENTION_S: u64 = 60;
/// Longest retention: 14 days.
pub const RETENTION_S: u64 = 14 * 24 * 60 * 60;
/// How long a deduplication id is kept.
pub const DEDUPLICATION: Duration = Duration::from_secs(5 * 60);
/// Longest name of a queue, including `.fifo`.
pub const QUEUE_NAME_CHARACTERS: usize = 80;
/// Longest name of a topic, including `.fifo`.
pub const TOPIC_NAME_CHARACTERS: usize = 256;
/// Longest deduplication id or group id.
pub const ID_CHARACTERS: usize = 128;
/// Longest id of a batch entry.
pub const ENTRY_ID_CHARACTERS: usize = 80;
/// Most messages in flight of one queue. At this number a standard queue answers `OverLimit`, and a
/// FIFO queue returns nothing.
pub const IN_FLIGHT: usize = 120_000;
/// Number of messages at the front of a FIFO queue that are searched for groups that can be read.
/// Messages behind them wait, whatever their group.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/avoid-backlog-with-the-same-message-group-id.html>
pub const SEARCHED_MESSAGES: usize = 120_000;
/// Largest `maxReceiveCount` of a redrive policy.
pub const RECEIVE_COUNT: u32 = 1000;
/// Most tags of one queue.
pub const TAGS: usize = 50;
/// Most subscriptions or topics on one page of a list.
pub const PAGE: usize = 100;
/// Most keys of one filter policy.
pub const FILTER_KEYS: usize = 5;
