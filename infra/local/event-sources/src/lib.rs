//! Event source mappings: the work of AWS Lambda between a queue, a stream or a schedule and a
//! function.
//!
//! [`EventSources::start`] takes mappings, clients and an [`Invoke`], and polls until it is
//! drained. It calls queues and streams over the wire with the AWS SDK, so it works with any
//! endpoint. It depends neither on the topology nor on the functions.
//!
//! | file | content |
//! | --- | --- |
//! | `config`, `settings`, `refusal` | all mappings, what they share, and what AWS would refuse |
//! | `queue`, `stream`, `schedule` | the settings of one mapping, and its tasks |
//! | `partial` | parses an answer with `batchItemFailures`: pure |
//! | `filter` | selects the records that match an event pattern: pure |
//! | `cut`, `queue/scale` | the size of an event, the number of pollers: pure |
//! | `stream/retry` | the next batch after a failure: pure |
//! | `stream/progress`, `stream/lineage` | the position in a shard, the shards that may be read: pure |
//! | `queue/event`, `stream/event`, `schedule/event` | the JSON that a function receives |
//! | `checkpoints` | the position in each stream after a restart |

mod backoff;
mod checkpoints;
mod config;
mod cut;
mod endpoint;
mod event_sources;
mod filter;
mod partial;
mod queue;
mod refusal;
mod schedule;
mod settings;
mod stats;
mod stream;

pub use backoff::Backoff;
pub use checkpoints::{Checkpoints, FileCheckpoints, MemoryCheckpoints, OpenError};
pub use config::Config;
pub use event_sources::{Drained, EventSources};
pub use filter::{Filters, InvalidFilter};
pub use local_faults::Faults;
pub use local_invoke::{Error, Invoke};
pub use queue::QueueSource;
pub use refusal::ConfigError;
pub use schedule::{Expression, InvalidExpression, Schedule};
pub use settings::{Clients, Pace, Settings};
pub use stats::SourceStats;
pub use stream::{StartingPosition, StreamSource};
