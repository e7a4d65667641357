//! Rooms are told who is there, backends what happens, and nobody stays behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod backends;
mod crashes;
mod rooms;
mod scene;
