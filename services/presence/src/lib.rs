//! The presence function (stream of the connections table, and queue `presence`) removes the
//! memberships and the directory entries of ended connections, announces counts and users to rooms,
//! and publishes activity to backends.
//!
//! The stream names the shards of rooms that changed, and the announced numbers are counted. An
//! update that the pace of a room delays, or that waits until the index has settled, is a check in
//! the queue. A repeated record causes another update, which announces nothing new.
//!
//! A refused call does not hold up the stream: its work becomes a check that names the room and its
//! shards, the connections, or the activity. The queue moves a check that never succeeds to
//! `presence-dead`.

mod census;
mod config;
mod look;
mod records;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ports::{
    Activities, Chance, Checks, Clock, Directory, Error, Jobs, Memberships, Presences, Rooms, Rosters,
};
use domain::{Change, Check, Kinds, RoomId};
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::{Batches, Records};
use protocol::stream::Record;
use telemetry::{Summary, field, metric};

pub use config::Config;

use crate::look::Tally;

/// Rooms that are updated, and connections that are cleaned up after, at the same time.
const AT_ONCE: usize = 16;

/// Reads the change that a record reports. `None` if no connection and no member came or went, an
/// error if the record is unreadable.
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
    T: Directory + Memberships + Rooms + Rosters + Presences,
    Q: Jobs + Checks,
    A: Activities,
    C: Clock,
    R: Chance,
{
    /// Creates the function over these ports. No activity is published to backends, unless
    /// [`Keeper::telling`] sets its kinds.
    #[must_use]
    pub fn new(tables: T, queues: Q, topic: A, clock: C, chance: R, read: Reader) -> Self {
        Self { tables, queues, topic, clock, chance, read, kinds: Kinds::default() }
    }

    /// Sets the kinds of activity that are published to backends.
    #[must_use]
    pub fn telling(self, kinds: Kinds) -> Self {
        Self { kinds, ..self }
    }

    /// Works off the checks of one room, one after the other: the second mostly finds nothing to
    /// do.
    async fn checks_of(&self, room: RoomId, checks: Vec<(Message, Check)>) -> (Vec<Failed>, Tally) {
        let (mut failed, mut tally) = (Vec::new(), Tally::default());
        for (message, check) in checks {
            if let Err(error) = self.work_off(&room, check, &mut tally).await {
                tracing::error!({ field::ROOM_ID.0 } = %room, { field::ERROR.0 } = %error, "could not update the presence of a room; the check returns to the queue");
                failed.push(message.retry_soon());
            }
        }
        (failed, tally)
    }

    async fn work_off(&self, room: &RoomId, check: Check, tally: &mut Tally) -> Result<(), Error> {
        if !check.ended.is_empty() {
            tally.add_forgotten(self.clean_up_again(&check.ended).await?);
            return Ok(());
        }
        if !check.untold.is_empty() {
            self.topic.tell(&check.untold).await?;
            tally.add_activities(check.untold.len() as u64);
            return Ok(());
        }
        if check.compared.is_empty() {
            // A check that names changes is an update by itself. The room does not wait for it at
            // its time.
            let due = Some(check.at).filter(|_| check.changed.is_empty());
            return self.look(room, check.changed, due, tally).await;
        }
        self.compare(room, &check.compared, tally).await
    }
}

impl<T, Q, A, C, R> Records for Keeper<T, Q, A, C, R>
where
    T: Directory + Memberships + Rooms + Rosters + Presences,
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
    T: Directory + Memberships + Rooms + Rosters + Presences,
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
                    // The queue has no order: no message waits behind this one on its way to the
                    // dead-letter queue.
                    tracing::error!({ field::MESSAGE_ID.0 } = message.id, { field::ERROR.0 } = %poison, "could not parse a check; it returns to its queue until SQS moves it to presence-dead");
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
