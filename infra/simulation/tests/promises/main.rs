//! Each promise of GUARANTEES.md, under the name it has there, over many runs that exercise it. The
//! test of the same name in `infra/e2e` proves it on real processes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod backends;
mod members;
mod others;
mod proof;
mod publications;
mod tokens;
