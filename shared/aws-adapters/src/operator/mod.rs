//! Calls that only the operator's program makes: inspect queues and move their messages, read the
//! settings of tables, read records of a stream again, and read log lines.

mod logs;
mod queues;
mod streams;
mod tables;

pub use logs::{FunctionLogs, LogLine, LogPage, LogQuery};
pub use queues::{MessageCopy, OperatorQueues, QueueState, StoredMessage};
pub use streams::StreamRecords;
pub use tables::{ShardProgress, TableSettings};
