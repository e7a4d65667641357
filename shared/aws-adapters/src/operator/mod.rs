//! What the operator's program needs and no function does: to look at queues and move their
//! messages, to read settings of tables, to read records of a stream again, and to read log lines.

mod logs;
mod queues;
mod streams;
mod tables;

pub use logs::{FunctionLogs, LogLine, LogPage, LogQuery};
pub use queues::{MessageCopy, OperatorQueues, QueueState, StoredMessage};
pub use streams::StreamRecords;
pub use tables::{ShardProgress, TableSettings};
