//! Tests of the whole pipeline on real processes that measure no time. They are one program,
//! because each program takes long to compile. Tests that compare times with a limit are programs
//! of their own, beside this one, so that few of them run at the same time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod bad_input;
mod classic;
mod doors;
mod faults;
mod ghosts;
mod guests;
mod hostile;
mod main_path;
mod presence;
mod reads;
mod restore;
mod rotation;
mod tokens;
