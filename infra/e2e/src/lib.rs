//! Promises, proved on real processes: the functions' binaries in the local runner, and members that keep a ledger.
//!
//! The members here know the bytes and nothing of the client library (but for the key that tokens are signed with): what
//! they find out about the server they find out by themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is for tests: they fail by panicking")]

pub mod chaos;
pub mod compare;
mod member;
pub mod restore;
mod stack;

pub use member::{Member, guest_secret, members, token};
pub use stack::{aws, binaries, everything, received, start, tables, topology_with};
