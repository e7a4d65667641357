//! Tests a stack in this process and the resources and triggers of its topology.

// Tests and their helpers fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod conflicts;
mod dynamodb;
mod environment;
mod faults;
mod harness;
mod inspector;
mod provisioning;
mod triggers;
