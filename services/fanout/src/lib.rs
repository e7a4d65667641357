//! The fanout function (queues `deliveries` and `deliveries-wide`, one group per shard) posts a
//! range of publications to the members of one shard, as one frame per connection.
//!
//! Jobs of a shard that wait together become one range. A member gets two tries and half a second
//! on the main line; then it goes to the shard's late line, and the other members do not wait. The
//! first 410 for a connection removes the connection and its memberships. Jobs that carry their
//! content (presence, ephemeral publications) are posted once, never late.
//!
//! The groups of a batch share the time of the invocation, and each has a share of its posts. No
//! post begins unless there is time for it to end, and to queue late jobs for the members that were
//! not reached.

mod config;
mod content;
mod dead_letters;
mod frames;
mod late_line;
mod main_line;
mod posts;
mod shift;
mod tally;

use domain::ports::{Chance, Clock, Connections, DeadLetters, Gateway, Jobs, Memberships, Rooms};
use domain::{Job, Limits, Work};
use lambda_kit::batch::{self, Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::poison::{self, Opened};
use lambda_kit::start::Batches;
use telemetry::Summary;

pub use config::Config;

use crate::content::Content;
use crate::late_line::LateLine;
use crate::main_line::MainLine;
use crate::posts::Posts;
use crate::shift::Shift;
use crate::tally::Tally;

/// The ports of the fan-out, as types.
pub trait Ports: Send + Sync {
    /// Tables of connections, memberships and room logs.
    type Tables: Connections + Memberships + Rooms;
    /// Queues of jobs and dead letters.
    type Queues: Jobs + DeadLetters;
    /// The gateway's management API.
    type Gateway: Gateway;
    /// The clock that deadlines and pauses are measured by.
    type Clock: Clock;
    /// The source of random numbers, for pauses.
    type Chance: Chance;
}

impl<T, Q, G, C, R> Ports for (T, Q, G, C, R)
where
    T: Connections + Memberships + Rooms,
    Q: Jobs + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    type Tables = T;
    type Queues = Q;
    type Gateway = G;
    type Clock = C;
    type Chance = R;
}

/// Delivers jobs to the members of shards.
pub struct Fanout<P: Ports> {
    tables: P::Tables,
    queues: P::Queues,
    gateway: P::Gateway,
    clock: P::Clock,
    chance: P::Chance,
    posts: Posts,
    limits: Limits,
}

impl<T, Q, G, C, R> Fanout<(T, Q, G, C, R)>
where
    (T, Q, G, C, R): Ports<Tables = T, Queues = Q, Gateway = G, Clock = C, Chance = R>,
{
    /// Creates the function over these ports.
    #[must_use]
    pub fn new(tables: T, queues: Q, gateway: G, clock: C, chance: R) -> Self {
        let limits = Limits::default();
        Self { tables, queues, gateway, clock, chance, posts: Posts::new(limits), limits }
    }
}

impl<P: Ports> Fanout<P> {
    /// Sets other limits than those of [`domain::limits`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { posts: Posts::new(limits), limits, ..self }
    }

    /// Works off one group: a shard's main line, or its late line.
    async fn group(&self, messages: Vec<Message>, deadline: Deadline) -> (Vec<Failed>, Tally) {
        let shift = Shift::new(self, deadline);
        let Opened { good, mut failed, poisonous } = poison::open::<Job>(messages, &self.queues).await;
        let mut tally = Tally { poison: poisonous, ..Tally::default() };
        tally.shard = good.first().map(|(_, job)| (job.room.clone(), job.shard));
        let (mut main, mut late, mut content) = (Vec::new(), Vec::new(), Vec::new());
        for (message, job) in good {
            match job.work {
                Work::Shard { .. } => main.push((message, job)),
                Work::Late { .. } => late.push((message, job)),
                Work::Ephemeral { .. } | Work::Presence { .. } => content.push((message, job)),
            }
        }
        for (returned, counts) in [
            MainLine::new(&shift).work_off(main).await,
            Content::new(&shift).work_off(content).await,
            LateLine::new(&shift).work_off(late).await,
        ] {
            failed.extend(returned);
            tally.add(&counts);
        }
        tally.bytes = shift.bytes_delivered();
        (failed, tally)
    }
}

impl<P: Ports> Batches for Fanout<P> {
    async fn handle(&self, groups: Vec<Vec<Message>>, deadline: Deadline, summary: &mut Summary) -> Vec<Failed> {
        let work = |messages| self.group(messages, deadline);
        let (failed, tallies) = batch::work_off(groups, deadline, &self.clock, work).await;
        tallies.iter().for_each(|tally| tally.write(summary));
        failed
    }
}
