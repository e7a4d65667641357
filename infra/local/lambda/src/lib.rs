//! AWS Lambda on one machine: the Runtime API, and a pool of processes for each function.
//!
//! [`Lambda::start`] takes functions (a program, its environment, its limits) and knows nothing
//! else about them. [`Lambda::invoke`] passes an event to the idle process that was used last.
//! Without an idle process it starts a process, if the function is below its concurrency; otherwise
//! it refuses the invocation as AWS does. A process is any program that uses the Runtime API. It
//! has only the environment that AWS would set, and runs one invocation at a time. It is killed at
//! its timeout, replaced when it dies, and never outlives the runner (see [`supervise_main`]).
//!
//! | file | content |
//! | --- | --- |
//! | `config` | the configuration from the runner |
//! | `pool` | assigns invocations to processes: a pure function from state and event to actions |
//! | `session` | the Runtime API calls that a process may make in each state; also pure |
//! | `environment` | the environment of a process |
//! | `host` | one function: pool, sessions and invocations under one lock |
//! | `process`, `spawner`, `supervise` | one operating system process from start to end |
//! | `runtime_api`, `peer` | the HTTP calls, and the process that makes them |
//! | `logs`, `lines` | the output that is passed to the runner |
//! | `failure` | the errors that an invoker receives instead of an answer |

mod config;
mod environment;
mod failure;
mod host;
mod lambda;
mod lines;
mod logs;
mod peer;
mod pool;
mod process;
mod runtime_api;
mod session;
mod spawner;
mod stats;
mod supervise;

pub use config::{Config, Credentials, Function, Supervisor};
pub use failure::StartFailure;
pub use lambda::{CutShort, Lambda, Shutdown, StartError};
pub use local_invoke::{Error, Invoke};
pub use logs::{Output, Record, Report, Sink, Status};
pub use stats::FunctionStats;
pub use supervise::supervise_main;
