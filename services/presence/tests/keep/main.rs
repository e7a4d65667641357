//! Presence for rooms, activity for backends, and the removal of gone connections.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod backends;
mod crashes;
mod rooms;
mod scene;
