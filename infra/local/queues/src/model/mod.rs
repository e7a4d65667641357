//! Queues, messages, filters and errors, without storage and without protocols.

pub(crate) mod attributes;
pub(crate) mod change;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod core;
pub(crate) mod dedupe;
pub(crate) mod draft;
pub(crate) mod error;
pub(crate) mod fifo;
pub(crate) mod filter;
pub mod limits;
mod matching;
pub(crate) mod md5;
pub(crate) mod message;
pub(crate) mod observer;
pub(crate) mod order;
pub(crate) mod peek;
pub(crate) mod receipt;
pub(crate) mod standard;
pub(crate) mod stats;
pub(crate) mod subscription;
pub(crate) mod timers;
