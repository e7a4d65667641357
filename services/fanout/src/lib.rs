//! The fanout function (queues `deliveries` and `deliveries-wide`, one group a shard): one shard, one range, one frame a
//! connection.
//!
//! Jobs of a shard that wait together become one range. A member gets two tries and half a second on the main line; then
//! it goes to the shard's late line, and the others do not wait. Who is gone is forgotten at the first 410. Jobs that carry
//! their content (who is there) are posted once, never late.

mod config;
mod dead;
mod frames;
mod late;
mod once;
mod posts;
mod shard;
mod tally;

use domain::ports::{self, Chance, Clock, Connections, DeadLetters, Gateway, Jobs, Memberships, Rooms};
use domain::{Job, Limits, Work};
use futures::future::join_all;
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::poison::{self, Opened};
use lambda_kit::start::Batches;
use telemetry::{Summary, field};

pub use config::Config;

use crate::posts::Posts;
use crate::tally::Tally;

/// Delivers.
#[derive(Debug)]
pub struct Fanout<T, Q, G, C, R> {
    tables: T,
    queues: Q,
    gateway: G,
    clock: C,
    chance: R,
    posts: Posts,
    limits: Limits,
}

/// What the work of one invocation shares.
struct Shift<'a> {
    posts: &'a Posts,
    deadline: Deadline,
}

impl<T, Q, G, C, R> Fanout<T, Q, G, C, R>
where
    T: Connections + Memberships + Rooms,
    Q: Jobs + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    /// Over these ports.
    #[must_use]
    pub fn new(tables: T, queues: Q, gateway: G, clock: C, chance: R) -> Self {
        let limits = Limits::default();
        Self { tables, queues, gateway, clock, chance, posts: Posts::new(limits), limits }
    }

    /// With other limits than those of [`domain::limits`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { posts: Posts::new(limits), limits, ..self }
    }

    /// Works off one group: a shard's main line, or its late line.
    async fn group(&self, messages: Vec<Message>, shift: &Shift<'_>) -> (Vec<Failed>, Tally) {
        let mut tally = Tally::default();
        let Opened { good, mut failed, poisonous } = poison::open::<Job>(messages, &self.queues).await;
        tally.poison += poisonous;
        let (mut main, mut late, mut once) = (Vec::new(), Vec::new(), Vec::new());
        for (message, job) in good {
            match job.work {
                Work::Shard { .. } => main.push((message, job)),
                Work::Late { .. } => late.push((message, job)),
                Work::Ephemeral { .. } | Work::Presence { .. } => once.push((message, job)),
            }
        }
        failed.extend(self.main_line(main, shift, &mut tally).await);
        failed.extend(self.once(once, shift, &mut tally).await);
        failed.extend(self.late_line(late, shift, &mut tally).await);
        (failed, tally)
    }
}

impl<T, Q, G, C, R> Batches for Fanout<T, Q, G, C, R>
where
    T: Connections + Memberships + Rooms,
    Q: Jobs + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    async fn handle(&self, groups: Vec<Vec<Message>>, deadline: Deadline, summary: &mut Summary) -> Vec<Failed> {
        let shift = Shift { posts: &self.posts, deadline };
        let mut failed = Vec::new();
        for (back, tally) in join_all(groups.into_iter().map(|messages| self.group(messages, &shift))).await {
            failed.extend(back);
            tally.write(summary);
        }
        failed
    }
}

/// Something we depend on did not answer: the log says about which shard, and the messages come back soon.
fn come_back(job: &Job, messages: impl IntoIterator<Item = Message>, error: &ports::Error) -> Vec<Failed> {
    tracing::error!(
        { field::ROOM_ID.0 } = %job.room,
        { field::ROOM_SHARD.0 } = job.shard.get(),
        { field::PUBLICATION_SEQUENCE.0 } = job.work.range().map(|range| range.through.get()),
        { field::ERROR.0 } = %error,
        "a shard's jobs come back"
    );
    messages.into_iter().map(Message::retry_soon).collect()
}
