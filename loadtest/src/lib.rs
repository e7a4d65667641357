//! The load test that accounts for every publication and every member. It reports correctness,
//! speed and cost.
//!
//! It uses only the public protocol, so the same command works against a laptop's stack and against
//! AWS. README.md beside this crate explains the scenarios, the numbers and the exit codes.

pub mod cli;
pub mod cost;
pub mod counters;
pub mod hostile;
pub mod ledger;
pub mod measure;
pub mod member;
pub mod publish;
pub mod report;
pub mod run;
pub mod scenario;
pub mod wire;
