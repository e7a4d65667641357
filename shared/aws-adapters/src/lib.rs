//! The ports of `domain` over DynamoDB, SQS, SNS, Secrets Manager and API Gateway's management API.
//! No other crate names an AWS SDK.
//!
//! [`Account`] holds the settings that the clients share. [`Tables`], [`Queues`], [`Topics`],
//! [`CommandTopic`], [`SecretStore`] and [`Management`] implement the ports. [`change_of`] reads
//! the stream of the connections table. Each stored item has one file, with its keys, its
//! attributes, both directions of its codec, and a property that they agree.

mod account;
mod attributes;
mod bans;
mod changes;
mod charges;
mod commands;
mod conflicts;
mod connections;
mod directory;
mod errors;
mod gateway;
mod holds;
mod items;
mod json_calls;
mod keys;
mod memberships;
#[cfg(feature = "operator")]
mod operator;
mod presences;
mod queues;
mod renewals;
mod rooms;
mod secrets;
mod tables;
mod topics;

pub use account::{Account, CONNECT_TIMEOUT, Incomplete};
pub use changes::{UnreadableRecord, change_of};
pub use commands::CommandTopic;
pub use gateway::{Management, PROBE_TIMEOUT};
#[cfg(feature = "operator")]
pub use operator::{
    FunctionLogs, LogLine, LogPage, LogQuery, MessageCopy, OperatorQueues, QueueState, ShardProgress, StoredMessage,
    StreamRecords, TableSettings,
};
pub use queues::{QUEUE_TIMEOUT, Queues};
pub use secrets::{READ_TIMEOUT, SecretStore};
pub use tables::{TABLE_TIMEOUT, Tables};
pub use topics::{TOPIC_TIMEOUT, Topics};
