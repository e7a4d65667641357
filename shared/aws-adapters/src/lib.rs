//! The ports of `domain` over DynamoDB, SQS, SNS, Secrets Manager and API Gateway's management API: the only crate that names an AWS SDK.
//!
//! [`Account`] holds what the clients share. [`Tables`], [`Queues`], [`Topics`], [`SecretStore`] and [`Management`] implement the ports;
//! [`change_of`] reads the stream of the connections.
//! Each stored item has one file: its keys, its attributes, both directions, and a law that they agree.

mod account;
mod attributes;
mod changes;
mod charges;
mod conflicts;
mod connections;
mod directory;
mod errors;
mod gateway;
mod items;
mod keys;
mod memberships;
mod presences;
mod queues;
mod renewals;
mod rooms;
mod secrets;
mod tables;
mod topics;

pub use account::{Account, CONNECT_TIMEOUT, Incomplete};
pub use changes::{UnreadableRecord, change_of};
pub use gateway::{Management, PROBE_TIMEOUT};
pub use queues::{QUEUE_TIMEOUT, Queues};
pub use secrets::{READ_TIMEOUT, SecretStore};
pub use tables::{TABLE_TIMEOUT, Tables};
pub use topics::{TOPIC_TIMEOUT, Topics};
