//! The promises of the client rules, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod bench;
mod connecting;
mod hearing;
mod model;
mod promises;
mod publishing;
mod recorded;
mod renewing;
mod rotating;
mod vectors;
mod world;
