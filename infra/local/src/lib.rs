//! The local runner: any topology of Lambda functions on one machine.
//!
//! [`Stack::start`] reads a topology, takes its ports, opens the embedded AWS endpoint, creates what the topology
//! names, starts the functions, and connects them to a WebSocket gateway, to queues, streams and schedules. It knows
//! nothing of any particular function. The binary `roomcast-local` (`cargo dev`) puts a command line around it; tests
//! may hold a stack in their own process:
//!
//! ```no_run
//! # async fn example() -> Result<(), local::Error> {
//! let options = local::Options::for_tests("infra/topology.yaml", "target/debug");
//! let stack = local::Stack::start(options).await?;
//! let websocket = stack.addresses().websocket.as_ref().map(|websocket| websocket.ws_url.clone());
//! println!("{websocket:?} {}", stack.addresses().aws_endpoint);
//! stack.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! | file | says |
//! | --- | --- |
//! | `stack` | what starts in which order, and stops in which |
//! | `options`, `cli`, `settings` | what can be chosen: by a program, by a person, by `infra/local.yaml` |
//! | `compile` | how binaries come about |
//! | `ports`, `place` | where things listen, and where they pretend to be |
//! | `aws` | the endpoint: protocols, callers, grants, DynamoDB; SQS and SNS are `local-queues` |
//! | `cloud` | the endpoint's life, or somebody else's endpoint |
//! | `provision`, `clients` | what is created there, through the AWS SDK |
//! | `functions`, `environment`, `account` | the functions: how they run, what they see, how many at once |
//! | `front`, `triggers` | what invokes them: `local-gateway` and `local-event-sources` |
//! | `lines`, `banner`, `statistics` | what people and programs see of it |
//! | `command`, `signals` | a command beside the stack, and being asked to stop |
//!
//! `GET /_local/stats` on the AWS endpoint has the counters of everything as JSON: `calls` by caller and action,
//! `gateway`, `functions`, `triggers`, and `messaging`: queues and topics.

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
pub use options::Options;
pub use stack::{Addresses, STOPS_WITHIN, Stack, Websocket};

/// The hidden subcommand by which the runner starts a process that must not outlive it.
pub const SUPERVISE: &str = "supervise";
