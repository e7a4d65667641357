//! An SQS queue.

use crate::at::At;
use crate::limits;

/// A queue with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Name of the queue, without `.fifo`.
    pub name: String,
    /// True if order is kept per message group, and repeats are dropped for five minutes.
    pub fifo: bool,
    /// True if limits and deduplication are per message group (`DeduplicationScope: messageGroup`,
    /// `FifoThroughputLimit: perMessageGroupId`).
    pub high_throughput: bool,
    /// True if the deduplication id is the hash of the body if the sender gives none.
    pub content_based_deduplication: bool,
    /// Seconds for which a received message is hidden from other receivers.
    pub visibility_timeout_s: u32,
    /// Seconds for which a message is retained.
    pub retention_s: u32,
    /// Seconds for which a new message is hidden.
    pub delay_s: u32,
    /// The dead-letter queue for messages that were received too often.
    pub dead_letter: Option<DeadLetter>,
}

/// The dead-letter queue for messages that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Name of the dead-letter queue.
    pub queue: String,
    /// Number of receives after which a message is moved.
    pub maximum_receive_count: u32,
}

impl Queue {
    /// Returns the queue's name in SQS, with `.fifo` for a FIFO queue.
    #[must_use]
    pub fn physical_name(&self) -> String {
        if self.fifo { format!("{}.fifo", self.name) } else { self.name.clone() }
    }

    pub(crate) fn read(name: &str, at: &At<'_>) -> Self {
        let fields = at.fields(&[
            "fifo",
            "high_throughput",
            "content_based_deduplication",
            "visibility_timeout_s",
            "retention_s",
            "delay_s",
            "dead_letter",
        ]);
        let queue = Self {
            name: name.to_owned(),
            fifo: fields.boolean("fifo", false),
            high_throughput: fields.boolean("high_throughput", false),
            content_based_deduplication: fields.boolean("content_based_deduplication", false),
            visibility_timeout_s: fields.integer("visibility_timeout_s", &limits::VISIBILITY_TIMEOUT_S, 30),
            retention_s: fields.integer("retention_s", &limits::RETENTION_S, 345_600),
            delay_s: fields.integer("delay_s", &limits::DELAY_S, 0),
            dead_letter: fields.optional("dead_letter").map(|field| {
                let fields = field.fields(&["queue", "maximum_receive_count"]);
                DeadLetter {
                    queue: fields.required_text("queue"),
                    maximum_receive_count: fields
                        .required_integer("maximum_receive_count", &limits::MAXIMUM_RECEIVE_COUNT),
                }
            }),
        };
        for (name, set) in [
            ("high_throughput", queue.high_throughput),
            ("content_based_deduplication", queue.content_based_deduplication),
        ] {
            if let Some(field) = fields.optional(name).filter(|_| set && !queue.fifo) {
                field.mistake("only a FIFO queue has this: add `fifo: true`, or remove it");
            }
        }
        queue
    }
}
