//! The ports of `domain` over DynamoDB, SQS and API Gateway's management API: the only crate that names an AWS SDK.
//!
//! [`Account`] holds what the clients share. [`Tables`], [`Queues`] and [`Management`] implement the ports.
//! Each stored item has one file: its keys, its attributes, both directions, and a law that they agree.

mod account;
mod attributes;
mod connections;
mod errors;
mod gateway;
mod items;
mod keys;
mod memberships;
mod queues;
mod rooms;
mod tables;

pub use account::{Account, CONNECT_TIMEOUT, Incomplete};
pub use gateway::{Management, PROBE_TIMEOUT};
pub use queues::{QUEUE_TIMEOUT, Queues};
pub use tables::{TABLE_TIMEOUT, Tables};
