//! Adapters of every port in memory: what a use case does to them can be looked at, and how they answer can be chosen.

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

/// What a real service would answer to somebody who may try again.
fn unavailable(operation: &'static str, why: impl Into<String>) -> Error {
    Error::Unavailable { operation, source: why.into().into() }
}

/// What a real service would refuse, with the sentence that says why.
fn refused(operation: &'static str, why: impl Into<String>) -> Error {
    Error::Refused { operation, source: why.into().into() }
}
