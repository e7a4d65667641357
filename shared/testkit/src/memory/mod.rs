//! In-memory adapters of every port: a test can inspect their state and choose their answers.

mod bans;
mod bugs;
mod charges;
mod conflicts;
mod connections;
mod delayed;
mod directory;
mod fifo;
mod gateway;
mod holds;
mod index;
mod memberships;
mod meter;
mod presence;
mod queues;
mod renewals;
mod rooms;
mod store;
mod topic;

pub use bugs::Bug;
pub use conflicts::TRANSACTION_HOLD;
pub use delayed::Delayed;
pub use fifo::{DEDUPLICATION, Fifo, MESSAGES_PER_RECEIVE, Message, VISIBILITY};
pub use gateway::{Behaviour, Gateway, Post};
pub use index::Lag;
pub use meter::{Asked, Meter, Read};
pub use queues::Queues;
pub use store::Store;
pub use topic::Topic;

use domain::ports::Error;

/// The error of a real service for a call that may be tried again.
fn unavailable(operation: &'static str, why: impl Into<String>) -> Error {
    Error::Unavailable { operation, source: why.into().into() }
}

/// The refusal of a real service, with its reason.
fn refused(operation: &'static str, why: impl Into<String>) -> Error {
    Error::Refused { operation, source: why.into().into() }
}
