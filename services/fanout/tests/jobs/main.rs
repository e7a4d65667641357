//! The delivery of jobs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod content;
mod dead;
mod delivery;
mod late;
mod progress;
mod scene;
mod slow;
