//! The runner as a person meets it: a program with options, output and an exit status, running somebody else's
//! topology.

// Tests fail by panicking, helpers of tests too.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod data;
mod harness;
mod lifecycle;
mod mistakes;
mod recipe;
mod run;
