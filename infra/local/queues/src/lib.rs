//! SQS and SNS in memory.
//!
//! A [`Service`] answers the calls of both as AWS does, for everything that programs can see and that a runner on one
//! machine can imitate: FIFO groups and their locks, deduplication, delays, long polls that wake at once, visibility,
//! redrive, batches whose entries fail one by one, envelopes, filter policies, error codes. It has no port of its own:
//! whoever has one passes on bodies.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! use local_queues::{Config, Service};
//!
//! let service = Service::new(Config {
//!     account_id: "000000000000".to_owned(),
//!     region: "us-east-1".to_owned(),
//!     base_url: "http://127.0.0.1:4566".to_owned(),
//! });
//! let url = service.create_queue("work", &Default::default()).unwrap();
//! let body = format!(r#"{{"QueueUrl":"{url}","MessageBody":"hello"}}"#);
//! let response = service.handle_sqs("SendMessage", body.into()).await;
//! assert!(response.status().is_success());
//! # });
//! ```
//!
//! What differs from AWS, knowingly:
//!
//! - Nothing is throttled, sampled or lost: a short poll sees the whole queue, a standard queue delivers in order of
//!   arrival and once per visibility timeout, and approximate counts are exact.
//! - `ReceiveRequestAttemptId` and the fairness of `MessageGroupId` on standard queues have no effect; a changed
//!   `DelaySeconds` of a FIFO queue holds for new messages only.
//! - `StartMessageMoveTask` is done before it answers. Policies, keys and encryption are kept and shown, not applied.
//! - Envelopes are not signed, and filter policies apply at once. Only queues can subscribe to topics.
//!
//! | file | says |
//! | --- | --- |
//! | `service`, `provision` | what there is, and who finds it |
//! | `queue` | one queue: a lock, and a bell for those who wait |
//! | `core` | what a queue does, told the time |
//! | `order`, `fifo`, `standard` | which message is next |
//! | `timers`, `dedupe`, `receipt` | when hidden messages show, what was sent before, who received what |
//! | `draft`, `message`, `md5` | a message before and after it is accepted, and its checksums |
//! | `attributes`, `limits`, `config` | what can be set, what cannot be exceeded, where it pretends to be |
//! | `sqs`, `sns` | the two protocols, one file per family of calls |
//! | `observer`, `peek` | what happens to messages and what is in a queue, for a program that watches |
//! | `change`, `kept` | what happened, and how it outlives the process |
//! | `stats`, `error`, `clock` | what was counted, how calls are refused, what time it is |

mod attributes;
mod change;
mod clock;
mod config;
mod core;
mod dedupe;
mod draft;
mod error;
mod fifo;
mod kept;
pub mod limits;
mod md5;
mod message;
mod observer;
mod order;
mod peek;
mod provision;
mod queue;
mod receipt;
mod service;
mod sns;
mod sqs;
mod standard;
mod stats;
mod timers;

pub use crate::config::Config;
pub use crate::error::Error;
pub use crate::kept::{KeepError, Keeper};
pub use crate::observer::{Happening, Label, Observer};
pub use crate::peek::{Peeked, Place};
pub use crate::provision::{sns_resource, sqs_resource};
pub use crate::service::Service;
pub use crate::stats::{QueueCounters, QueueStats, Stats, TopicStats};
