//! What the operator's program needs and no function does: to look at queues and move their
//! messages, to read settings of tables, and to read records of a stream again.

mod queues;
mod streams;
mod tables;

pub use queues::{MessageCopy, OperatorQueues, QueueState, StoredMessage};
pub use streams::StreamRecords;
pub use tables::{ShardProgress, TableSettings};
