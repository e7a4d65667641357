//! The stored items: one file for each, with both directions of its codec side by side.

pub(crate) mod connection;
pub(crate) mod dedupe;
pub(crate) mod delivered;
pub(crate) mod head;
pub(crate) mod hold;
pub(crate) mod log_row;
pub(crate) mod member;
pub(crate) mod presence;
pub(crate) mod tombstone;
