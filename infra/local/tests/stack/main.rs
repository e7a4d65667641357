//! A stack in this process, and what the topology makes of it.

// Tests fail by panicking, helpers of tests too.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod conflicts;
mod dynamodb;
mod environment;
mod faults;
mod harness;
mod inspector;
mod provisioning;
mod triggers;
