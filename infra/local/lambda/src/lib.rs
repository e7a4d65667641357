//! AWS Lambda on one machine: the Runtime API, and a pool of processes for each function.
//!
//! [`Lambda::start`] takes functions (a program, its environment, its limits) and knows nothing else about them.
//! [`Lambda::invoke`] hands an event to a process: to the one that was used last if one is idle, to a new one while
//! the function is below its concurrency, and otherwise refuses it as AWS does. A process is any program that speaks
//! the Runtime API; it sees only the environment that AWS would give it, runs one invocation at a time, is killed at
//! its timeout, replaced when it dies, and never outlives the runner (see [`supervise_main`]).
//!
//! | file | says |
//! | --- | --- |
//! | `config` | what the runner states |
//! | `pool` | which process runs what: a pure function from state and event to actions |
//! | `session` | which Runtime API call is allowed when, also pure |
//! | `environment` | what a process sees |
//! | `host` | one function: pool, sessions and invocations under one lock |
//! | `process`, `spawner`, `supervise` | one operating system process from birth to burial |
//! | `runtime_api` | the HTTP calls |
//! | `logs`, `lines` | what is passed on to the runner |
//! | `failure` | what the invoker is told when there is no answer |

mod config;
mod environment;
mod failure;
mod host;
mod lambda;
mod lines;
mod logs;
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
