#![doc = include_str!("../README.md")]

mod account;
mod aws;
pub mod banner;
pub mod cli;
pub mod clients;
mod cloud;
pub mod command;
pub mod compile;
mod environment;
mod error;
mod front;
mod functions;
mod hooks;
mod inspector;
mod kept;
mod lines;
pub mod options;
pub mod place;
mod ports;
pub mod provision;
pub mod settings;
pub mod signals;
mod stack;
mod statistics;
mod triggers;

pub use error::Error;
pub use local_faults as faults;
pub use options::{Options, TimeLimits};
pub use stack::{Addresses, STOPS_WITHIN, Stack, Websocket};

/// The hidden subcommand with which the runner starts a process that must not outlive it.
pub const SUPERVISE: &str = "supervise";
