//! Proves promises on real processes: the functions' binaries in the local runner, and members that
//! record what they receive.
//!
//! The members here use only the bytes of the protocol and not the client library (except the key
//! that signs tokens), so they test the server independently.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is for tests: they fail by panicking")]

use std::time::Duration;

pub mod chaos;
pub mod compare;
pub mod conformance;
pub mod costs;
pub mod descriptors;
mod member;
pub mod restore;
mod stack;

/// Longest wait of [`until`]. Nothing takes as long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two reads of a value that reports no changes.
const POLL: Duration = Duration::from_millis(20);

pub use member::{Member, guest_secret, members, token};
pub use stack::{aws, binaries, everything, received, start, tables, topology_with};

/// Reads a table, a counter or a page until `done` returns a value.
///
/// # Panics
/// If no value comes within 2 minutes.
pub async fn until<T>(what: &str, mut done: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(value) = done().await {
                return value;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what} never came"))
}
