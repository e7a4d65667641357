//! Event source mappings: what AWS Lambda does between a queue, a stream or a schedule and a function.
//!
//! [`EventSources::start`] takes mappings, clients and an [`Invoke`], and polls until it is drained. It talks to queues
//! and streams over the wire with the AWS SDK, so it works in front of any endpoint, and knows neither topology nor
//! functions.
//!
//! | file | says |
//! | --- | --- |
//! | `config`, `queue`, `stream`, `schedule` | what a mapping is, and how each kind is run |
//! | `partial` | what an answer with `batchItemFailures` means: pure |
//! | `filter` | which records match an event pattern: pure |
//! | `cut`, `queue/scale` | how large an event, how many pollers: pure |
//! | `stream/retry`, `stream/progress`, `stream/lineage` | the next batch after a failure, how far a shard is, which shard may be read: pure |
//! | `queue/event`, `stream/event`, `schedule/event` | the JSON that a function gets |
//! | `checkpoints` | where a stream is taken up again after a restart |

mod backoff;
mod checkpoints;
mod config;
mod cut;
mod endpoint;
mod event_sources;
mod filter;
mod partial;
mod queue;
mod schedule;
mod stats;
mod stream;

pub use backoff::Backoff;
pub use checkpoints::{Checkpoints, FileCheckpoints, MemoryCheckpoints, OpenError};
pub use config::{Clients, Config, ConfigError, Pace};
pub use event_sources::{Drained, EventSources};
pub use filter::{Filters, InvalidFilter};
pub use local_faults::Faults;
pub use local_invoke::{Error, Invoke};
pub use queue::QueueSource;
pub use schedule::{Expression, InvalidExpression, Schedule};
pub use stats::SourceStats;
pub use stream::{StartingPosition, StreamSource};
