//! The promises, one function each; the list in [`contract_tests!`](crate::contract_tests) names
//! them all. The compiler reports a promise that is missing from the list as an unused function.
#![allow(missing_docs, reason = "a promise is a sentence: its name")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "promises are tests that every adapter runs")]

pub(super) mod activities;
pub(super) mod bans;
pub(super) mod charges;
pub(super) mod checks;
pub(super) mod connections;
pub(super) mod entrances;
pub(super) mod gateway;
pub(super) mod holds;
pub(super) mod jobs;
pub(super) mod memberships;
pub(super) mod presences;
pub(super) mod renewals;
pub(super) mod retries;
pub(super) mod rooms;
pub(super) mod rosters;
pub(super) mod submissions;
