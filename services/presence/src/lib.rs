//! The presence function (stream of the connections table, and queue `presence`): cleans up after connections whatever
//! ended them, tells rooms who is there, and backends what happens.
//!
//! The stream says which shards of which rooms changed; what is told is counted. A look that the pace of a room puts off,
//! or that lets the index settle, is a check in the queue. What the stream repeats is looked at again, and tells nothing new.

mod census;
mod config;
mod look;
mod records;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ports::{Activities, Chance, Checks, Clock, Jobs, Memberships, Presences, Rooms, Rosters};
use domain::{Change, Check, Kinds, RoomId};
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::{Batches, Records};
use protocol::stream::Record;
use telemetry::{Summary, field, metric};

pub use config::Config;

use crate::look::Tally;

/// Rooms looked at, and connections cleaned up after, at the same time.
const AT_ONCE: usize = 16;

/// Reads what a record tells; `None` if nobody came or went, an error if it is unreadable.
pub type Reader = fn(&Record) -> Result<Option<Change>, String>;

/// Keeps the presence of rooms.
#[derive(Debug)]
pub struct Keeper<T, Q, A, C, R> {
    tables: T,
    queues: Q,
    topic: A,
    clock: C,
    chance: R,
    read: Reader,
    kinds: Kinds,
}

impl<T, Q, A, C, R> Keeper<T, Q, A, C, R>
where
    T: Memberships + Rooms + Rosters + Presences,
    Q: Jobs + Checks,
    A: Activities,
    C: Clock,
    R: Chance,
{
    /// Over these ports. Backends are told nothing, unless [`Keeper::telling`] says otherwise.
    #[must_use]
    pub fn new(tables: T, queues: Q, topic: A, clock: C, chance: R, read: Reader) -> Self {
        Self { tables, queues, topic, clock, chance, read, kinds: Kinds::default() }
    }

    /// Backends are told of these kinds of activity.
    #[must_use]
    pub fn telling(self, kinds: Kinds) -> Self {
        Self { kinds, ..self }
    }

    /// The checks of one room, one after the other: the second mostly finds nothing to do.
    async fn checks_of(&self, room: RoomId, checks: Vec<(Message, Check)>) -> (Vec<Failed>, Tally) {
        let (mut failed, mut tally) = (Vec::new(), Tally::default());
        for (message, check) in checks {
            let done = if check.compared.is_empty() {
                // One that brings changes is a look by itself, and the room does not wait for it by its moment.
                let due = Some(check.at).filter(|_| check.changed.is_empty());
                self.look(&room, check.changed, due, &mut tally).await
            } else {
                self.compare(&room, &check.compared, &mut tally).await
            };
            if let Err(error) = done {
                tracing::error!({ field::ROOM_ID.0 } = %room, { field::ERROR.0 } = %error, "a check comes back");
                failed.push(message.retry_soon());
            }
        }
        (failed, tally)
    }
}

impl<T, Q, A, C, R> Records for Keeper<T, Q, A, C, R>
where
    T: Memberships + Rooms + Rosters + Presences,
    Q: Jobs + Checks,
    A: Activities,
    C: Clock,
    R: Chance,
{
    async fn handle_records(&self, records: Vec<Record>, _: Deadline, summary: &mut Summary) -> Vec<String> {
        self.changed(records, summary).await
    }
}

impl<T, Q, A, C, R> Batches for Keeper<T, Q, A, C, R>
where
    T: Memberships + Rooms + Rosters + Presences,
    Q: Jobs + Checks,
    A: Activities,
    C: Clock,
    R: Chance,
{
    async fn handle(&self, groups: Vec<Vec<Message>>, _: Deadline, summary: &mut Summary) -> Vec<Failed> {
        let (mut failed, mut rooms) = (Vec::new(), BTreeMap::<RoomId, Vec<(Message, Check)>>::new());
        for message in groups.into_iter().flatten() {
            match protocol::queue::decode::<Check>(&message.body) {
                Ok(check) => rooms.entry(check.room.clone()).or_default().push((message, check)),
                Err(poison) => {
                    // The queue has no order: nobody waits behind it on its way to the dead-letter queue.
                    tracing::error!({ field::MESSAGE_ID.0 } = message.id, { field::ERROR.0 } = %poison, "poison");
                    summary.add(metric::MESSAGES_POISONOUS, 1);
                    failed.push(message.retry_after(Duration::ZERO));
                }
            }
        }
        let looks = stream::iter(rooms).map(|(room, checks)| self.checks_of(room, checks));
        let mut looks = looks.buffer_unordered(AT_ONCE);
        while let Some((back, tally)) = looks.next().await {
            tally.write(summary);
            failed.extend(back);
        }
        failed
    }
}
