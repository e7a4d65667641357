//! What becomes of jobs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod dead;
mod delivery;
mod once;
mod progress;
mod scene;
