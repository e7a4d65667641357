//! The outputs of a run: the result, the verdict, JUnit, and the pages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod comparison;
mod dom;
mod made;
mod outputs;
mod page;
