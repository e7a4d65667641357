//! The whole pipeline in one process, under every fault and in every order of steps.
//!
//! The functions are the deployed ones, and each invocation is a task that can be killed. The
//! tables, the queues and the gateway are in memory, and the clients are the real client library.
//! One thread runs everything with a clock that the run turns, and one seed decides every choice,
//! so each run can be repeated exactly. A model that is too simple to be wrong checks what each
//! member must receive and what it may receive ([`check`]).

mod age;
mod backend;
mod belonging;
pub mod campaign;
mod chance;
pub mod check;
pub mod cli;
mod core;
mod curious;
mod due;
mod ephemeral;
mod executor;
pub mod faults;
mod feeds;
mod flood;
mod gateway;
mod hand;
mod hands;
pub mod kind;
mod leaves;
mod life;
mod members;
mod mistake;
mod mistaken;
mod ordered;
mod owed;
mod pipeline;
mod reads;
mod replies;
pub mod report;
mod rights;
mod routes;
pub mod run;
pub mod scale;
mod script;
mod served;
mod service;
mod setup;
pub mod shrink;
pub mod silent;
mod socket;
mod sources;
pub mod stake;
mod step;
mod steps;
pub mod story;
mod tokens;
mod trouble;
mod wire;

pub use faults::Fault;
pub use feeds::AT_ONCE;
pub use kind::Kind;
pub use life::Life;
pub use mistake::Mistake;
pub use report::{Options, Report};
pub use run::run;
pub use stake::Stake;
pub use trouble::Trouble;
