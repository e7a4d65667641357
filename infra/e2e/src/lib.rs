//! Proves promises on real processes: the functions' binaries in the local runner, and members that
//! record what they receive.
//!
//! The members here use only the bytes of the protocol and not the client library (except the key
//! that signs tokens), so they test the server independently.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is for tests: they fail by panicking")]

pub mod chaos;
pub mod compare;
pub mod conformance;
mod member;
pub mod restore;
mod stack;

pub use member::{Member, guest_secret, members, token};
pub use stack::{aws, binaries, everything, received, start, tables, topology_with};
