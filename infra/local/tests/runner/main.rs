//! Tests the runner as a program: its options, its output and its exit status, with a topology
//! other than Roomcast's.

// Tests and their helpers fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod data;
mod harness;
mod lifecycle;
mod mistakes;
mod recipe;
mod run;
