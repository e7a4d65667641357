//! SQS and SNS in memory.
//!
//! A [`Service`] answers the calls of both services as AWS does. It covers all behaviour that
//! programs can observe and that one machine can imitate: FIFO groups and their locks,
//! deduplication, delays, long polls that wake at once, visibility, redrive, batches with separate
//! results for each entry, envelopes, filter policies, error codes. It opens no port: the caller
//! receives the requests and passes their bodies.
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
//! Known differences from AWS:
//!
//! - Nothing is throttled, sampled or lost: a short poll searches the whole queue, a standard queue
//!   delivers in order of arrival and once per visibility timeout, and approximate counts are
//!   exact.
//! - `ReceiveRequestAttemptId` and the fairness of `MessageGroupId` on standard queues have no
//!   effect. A changed `DelaySeconds` of a FIFO queue applies only to new messages.
//! - `StartMessageMoveTask` answers after all messages have moved. Policies, keys and encryption
//!   are stored and returned, but not applied.
//! - Envelopes are not signed, and filter policies apply at once. Only queues can subscribe to
//!   topics.
//!
//! A module uses its own folder and those below it in this table, and no other.
//!
//! | folder | file | content |
//! | --- | --- | --- |
//! | `api` | `sqs`, `sns` | the two protocols, one file per family of calls |
//! | | `provision` | creates topics and subscriptions from within the process |
//! | `store` | `service` | all queues and topics, and their lookup |
//! | | `queue`, `topic` | one queue or topic: a lock, its journal, a notification for receivers |
//! | | `journal`, `record`, `kept` | the storage of changes in a folder |
//! | `model` | `core` | the behaviour of a queue; callers pass the time |
//! | | `order`, `fifo`, `standard` | selects the next message |
//! | | `timers`, `dedupe`, `receipt` | times of hidden messages, ids of messages, receipt handles |
//! | | `draft`, `message`, `md5` | a message before and after it is accepted, and its checksums |
//! | | `subscription`, `filter`, `matching` | subscriptions of topics, and their filter policies |
//! | | `attributes`, `limits`, `config` | attributes of queues, quotas, the account and its address |
//! | | `observer`, `peek` | events of messages and the content of queues, for observers |
//! | | `change`, `stats`, `error`, `clock` | changes of queues, counters, errors, time |

mod api;
mod model;
mod store;

pub use crate::api::{sns_resource, sqs_resource};
pub use crate::model::config::Config;
pub use crate::model::error::Error;
pub use crate::model::limits;
pub use crate::model::observer::{Happening, Label, Observer};
pub use crate::model::peek::{Peeked, Place};
pub use crate::model::stats::{QueueCounters, QueueStats, Stats, TopicStats};
pub use crate::store::kept::{KeepError, Keeper};
pub use crate::store::service::Service;
