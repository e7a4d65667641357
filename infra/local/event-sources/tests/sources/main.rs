//! Tests mappings over the wire with real endpoints and a scripted function.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod queues;
mod refused;
mod schedules;
mod script;
mod stack;
mod streams;
