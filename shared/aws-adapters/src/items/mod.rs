//! What is stored: one file per item, both directions side by side.

pub(crate) mod connection;
pub(crate) mod dedupe;
pub(crate) mod delivered;
pub(crate) mod head;
pub(crate) mod log_row;
pub(crate) mod member;
pub(crate) mod presence;
pub(crate) mod tombstone;
