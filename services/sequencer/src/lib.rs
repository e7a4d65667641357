//! The sequencer function (queues `publications` and `publications-held`, one group a room): gives
//! each publication its position.
//!
//! For each room of a batch it reads the head, drops repeats, and writes the head, the log rows and
//! the dedupe rows in one transaction. Then it queues one job for each shard for the sequences
//! after `sent`, even if the batch had only repeats. It moves `sent` last. After a crash at any
//! step, the next delivery of the same messages completes the work.
//!
//! While the shards of a room are far behind, it gets a reminder instead of jobs (`reminders.rs`).
//!
//! Held publications are sequenced at the rate of their room, after every publication that was
//! submitted before the hold (`held.rs`).

mod config;
mod held;
mod reminders;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::ports::{
    Appended, Chance, Charges, Clock, DeadLetter, DeadLetters, Error, Holds, Jobs, Rooms, Submissions,
};
use domain::{
    Append, DedupeKey, Dispatch, Epoch, Head, Held, Job, Limits, Position, Remembered, RoomId, Submission, Whisper,
    Work, plan, whisper,
};
use futures::future::join;
use lambda_kit::batch::{self, Failed, GivenBack, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::poison::{self, Opened};
use lambda_kit::start::Batches;
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Attempts to sequence a batch. Another invocation may change the head during each of them.
const RACES: u32 = 4;
/// The longest pause between two attempts.
const RACE_PAUSE: Duration = Duration::from_millis(40);

/// Assigns positions to publications, and queues the jobs that deliver them.
#[derive(Debug)]
pub struct Sequencer<T, Q, C, R> {
    tables: T,
    queues: Q,
    clock: C,
    chance: R,
    limits: Limits,
}

/// The head changed on each attempt.
#[derive(Debug, thiserror::Error)]
#[error("the head of the room changed on each of {RACES} attempts")]
struct Raced;

/// The result of the transactions of a batch.
enum Progress {
    /// All are stored. Contains the head after the last one.
    Done(Head),
    /// Another invocation has changed the head.
    Raced,
    /// The log has rows beyond the head, which is at this position.
    Occupied(Position),
}

/// The remaining time was too short for another transaction and its jobs.
#[derive(Debug, thiserror::Error)]
#[error("the deadline of the invocation is too near to begin a transaction")]
struct OutOfTime;

/// The counts of the batch of one room.
#[derive(Debug, Default)]
struct Tally {
    sequenced: u64,
    deduped: u64,
    conflicts: u64,
    jobs: u64,
    dead: u64,
    slowest_ms: u64,
    /// The publication ids that got positions. Their ranges are in `ranges`.
    ids: Vec<String>,
    ranges: Vec<String>,
}

impl Tally {
    /// Returns the sum of both tallies.
    fn and(self, other: Self) -> Self {
        Self {
            sequenced: self.sequenced + other.sequenced,
            deduped: self.deduped + other.deduped,
            conflicts: self.conflicts + other.conflicts,
            jobs: self.jobs + other.jobs,
            dead: self.dead + other.dead,
            slowest_ms: self.slowest_ms.max(other.slowest_ms),
            ids: [self.ids, other.ids].concat(),
            ranges: [self.ranges, other.ranges].concat(),
        }
    }
}

impl<T, Q, C, R> Sequencer<T, Q, C, R>
where
    T: Charges + Holds + Rooms,
    Q: Jobs + Submissions + DeadLetters,
    C: Clock,
    R: Chance,
{
    /// Creates the function over these ports.
    #[must_use]
    pub fn new(tables: T, queues: Q, clock: C, chance: R) -> Self {
        Self { tables, queues, clock, chance, limits: Limits::default() }
    }

    /// Sets other limits than those of [`domain::limits`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    async fn group(&self, messages: Vec<Message>, deadline: Deadline) -> (Vec<Failed>, Tally) {
        let Opened { mut good, mut failed, poisonous } = poison::open::<Submission>(messages, &self.queues).await;
        let mut tally = Tally { dead: poisonous, ..Tally::default() };
        // A group has the messages of one room, unless the names of two rooms have the same hash.
        while let Some(room) = good.first().map(|(_, submission)| submission.room.clone()) {
            let (ours, others): (Vec<_>, Vec<_>) = good.into_iter().partition(|(_, other)| other.room == room);
            good = others;
            let (whispered, ours): (Vec<_>, Vec<_>) =
                ours.into_iter().partition(|(_, submission)| submission.ephemeral.is_some());
            let whispered: Vec<Submission> = whispered.into_iter().map(|(_, submission)| submission).collect();
            tally.jobs += self.whisper(&room, &whispered).await;
            let (reminders, ours): (Vec<_>, Vec<_>) =
                ours.into_iter().partition(|(_, submission)| submission.reminder.is_some());
            let (returned, counts) = self.work_off_reminders(&room, reminders).await;
            failed.extend(returned);
            tally = tally.and(counts);
            let (gates, ours): (Vec<_>, Vec<_>) =
                ours.into_iter().partition(|(_, submission)| matches!(submission.held, Some(Held::Gate(_))));
            let is_held = ours.first().is_some_and(|(message, _)| held::is_held(message));
            let (mut returned, mut counts) = if is_held {
                self.work_off_held(&room, ours, deadline).await
            } else {
                self.work_off(&room, ours, deadline).await
            };
            returned = self.pass_gates(&room, gates, returned, &mut counts).await;
            failed.extend(returned);
            tally = tally.and(counts);
        }
        (failed, tally)
    }

    /// Sequences all messages together. If that is refused, sequences each message by itself. The
    /// first message that fails ends the work and holds back the messages behind it.
    async fn work_off(
        &self,
        room: &RoomId,
        ours: Vec<(Message, Submission)>,
        deadline: Deadline,
    ) -> (Vec<Failed>, Tally) {
        let (mut tally, result) = self.room(room, ours.iter().map(|(_, submission)| submission), deadline).await;
        let Err(error) = result else { return (Vec::new(), tally) };
        if error.is_transient() || ours.len() == 1 {
            let GivenBack { failed, buried } = self.give_back(room, ours, &error).await;
            tally.dead += buried;
            return (failed, tally);
        }
        let mut ours = ours.into_iter();
        while let Some((message, submission)) = ours.next() {
            let (counts, result) = self.room(room, [&submission], deadline).await;
            tally = tally.and(counts);
            let Err(error) = result else { continue };
            let given_back = self.give_back(room, vec![(message, submission)], &error).await;
            tally.dead += given_back.buried;
            return (given_back.with_behind(ours.map(|(message, _)| message)), tally);
        }
        (Vec::new(), tally)
    }

    /// Returns failed messages to their queue, in order. Messages that are given up become dead
    /// letters.
    async fn give_back(&self, room: &RoomId, ours: Vec<(Message, Submission)>, error: &Error) -> GivenBack {
        let items = ours.iter().flat_map(|(_, submission)| &submission.items);
        let ids: Vec<&str> = items.take(telemetry::LISTED).map(|item| item.id.as_ref()).collect();
        let ids = ids.join(" ");
        let bury = |message: Message, _| async move {
            let reason = format!("tried {} times; at last: {error}", message.receives);
            let letter = DeadLetter { room: Some(room.clone()), ..message.letter(reason) };
            message.bury(letter, &self.queues).await
        };
        let given_back = batch::give_back(ours, error, self.clock.now(), bury).await;
        if !given_back.failed.is_empty() {
            tracing::error!(
                { field::ROOM_ID.0 } = %room,
                { field::PUBLICATION_ID.0 } = ids,
                { field::ERROR.0 } = %error,
                "sequencing failed; {} messages return to the queue",
                given_back.failed.len()
            );
        }
        given_back
    }

    async fn room(
        &self,
        room: &RoomId,
        submissions: impl IntoIterator<Item = &Submission>,
        deadline: Deadline,
    ) -> (Tally, Result<(), Error>) {
        let submissions: Vec<Submission> = submissions.into_iter().cloned().collect();
        let mut tally = Tally::default();
        if submissions.is_empty() {
            return (tally, Ok(()));
        }
        let done = async {
            let (head, time) = self.sequence(room, &submissions, deadline, &mut tally).await?;
            let must_wait = time != Dispatch::Now && head.unsent().is_some();
            if !must_wait || !self.remind(room, &head).await {
                tally.jobs += self.queue_jobs(room, &head).await?;
            }
            Ok(())
        };
        let result = done.await;
        (tally, result)
    }

    /// Queues one job for each shard for the sequences after `sent`. Returns the number of jobs.
    async fn queue_jobs(&self, room: &RoomId, head: &Head) -> Result<u64, Error> {
        let jobs = head.jobs(room);
        if jobs.is_empty() {
            return Ok(0);
        }
        self.queues.dispatch(&jobs).await?;
        if let Err(error) = self.tables.mark_sent(room, &head.epoch, head.sequence, self.clock.now()).await {
            tracing::warn!(
                { field::ROOM_ID.0 } = %room,
                { field::ERROR.0 } = %error,
                "could not update HEAD.sent after dispatch; the next batch queues these jobs again"
            );
        }
        Ok(jobs.len() as u64)
    }

    /// Queues ephemeral publications for the current members. Returns the number of jobs. If this
    /// fails, the ephemeral publications are lost, and no other work is affected.
    async fn whisper(&self, room: &RoomId, submissions: &[Submission]) -> u64 {
        let Some(Whisper { id, at, said }) = whisper(submissions) else { return 0 };
        let told = async {
            // Connections may be in a room before it has a head.
            let head = self.tables.head(room).await?.unwrap_or_else(|| Head::none(room));
            let jobs = Job::for_each_shard(room, head.shards, &Work::Ephemeral { id, at, said });
            self.queues.dispatch(&jobs).await?;
            // No transaction writes the head for ephemeral publications, so their use of the room's
            // rate is stored here.
            let publishers = submissions.iter().map(|submission| &submission.publisher);
            self.tables.note_room_busy(room, &head.load_after(publishers, self.clock.now())).await?;
            Ok::<u64, Error>(jobs.len() as u64)
        };
        told.await.unwrap_or_else(|error| {
            tracing::warn!(
                { field::ROOM_ID.0 } = %room,
                { field::ERROR.0 } = %error,
                "dispatch of ephemeral publications failed; they are lost"
            );
            0
        })
    }

    /// Puts what is new into the log. Returns the head as it then stands, and the time of its jobs.
    async fn sequence(
        &self,
        room: &RoomId,
        submissions: &[Submission],
        deadline: Deadline,
        tally: &mut Tally,
    ) -> Result<(Head, Dispatch), Error> {
        let keys: Vec<DedupeKey> = submissions.iter().flat_map(DedupeKey::of).collect();
        let mut occupied: Option<Position> = None;
        for _ in 0..RACES {
            let mut head = self.head(room).await?;
            // If the head is not at that position any more, another invocation has renewed it.
            if occupied.as_ref() == Some(&head.position()) {
                head = head.renewed(Epoch::from_random(self.chance.bits()));
            }
            // Side by side, so that the progress of the shards costs no time.
            let (known, time) = join(self.known(room, &keys), self.time_of_jobs(room, &head)).await;
            let known = known?;
            let per_transaction = self.limits.publications_per_transaction;
            let appends = plan(&head, &known, submissions, self.clock.now(), per_transaction);
            match self.append_all(head, &appends, deadline, tally).await? {
                Progress::Done(head) => {
                    tally.deduped += (keys.len() as u64).saturating_sub(tally.sequenced);
                    return Ok((head, time));
                }
                Progress::Raced => {}
                Progress::Occupied(at) => {
                    tracing::error!(
                        { field::ROOM_ID.0 } = %room,
                        "the log has rows beyond the head, as after a restore; the room goes on in another epoch"
                    );
                    occupied = Some(at);
                }
            }
            tally.conflicts += 1;
            self.clock.sleep(RACE_PAUSE.mul_f64(self.chance.fraction())).await;
        }
        Err(Error::Unavailable { operation: "sequencing", source: Raced.into() })
    }

    /// Returns the ids that were used before. An id counts as new if its log row is missing and
    /// must exist: a restore brought back the id without the row.
    async fn known(&self, room: &RoomId, keys: &[DedupeKey]) -> Result<HashSet<DedupeKey>, Error> {
        let mut known = self.tables.known(keys).await?;
        let now = self.clock.now();
        let expected = known.values().filter(|remembered| remembered.must_be_in_log(now));
        let expected: Vec<Position> = expected.map(|remembered| remembered.position.clone()).collect();
        if !expected.is_empty() {
            let logged = self.tables.logged(room, &expected).await?;
            let is_lost = |_: &DedupeKey, remembered: &mut Remembered| {
                remembered.must_be_in_log(now) && !logged.contains(&remembered.position)
            };
            let lost: HashMap<DedupeKey, Remembered> = known.extract_if(is_lost).collect();
            if !lost.is_empty() {
                tracing::error!(
                    { field::ROOM_ID.0 } = %room,
                    "{} publication ids have no row in the log, as after a restore; their repeats are published again",
                    lost.len()
                );
                self.tables.forget_ids(&lost).await?;
            }
        }
        Ok(known.into_keys().collect())
    }

    /// Stores the transactions one after the other, up to the first that cannot be stored. The next
    /// attempt finds the stored publications among the known ids and plans the rest again.
    async fn append_all(
        &self,
        head: Head,
        appends: &[Append],
        deadline: Deadline,
        tally: &mut Tally,
    ) -> Result<Progress, Error> {
        let mut head = head;
        for append in appends {
            if deadline.left(self.clock.now(), self.limits.hand_over).is_zero() {
                return Err(Error::Unavailable { operation: "sequencing", source: OutOfTime.into() });
            }
            match self.tables.append(append).await? {
                Appended::Stored => {}
                Appended::Stale => return Ok(Progress::Raced),
                Appended::Occupied => return Ok(Progress::Occupied(head.position())),
            }
            head = append.head_after();
            tally.sequenced += append.publications.len() as u64;
            tally.ids.extend(append.publications.iter().map(|(publication, _)| publication.id.to_string()));
            let first = append.publications.first().map_or(head.sequence, |(first, _)| first.position.sequence);
            tally.ranges.push(format!("{} {}.{}-{}", append.room, head.epoch, first, head.sequence));
            let took = |publication: &domain::Publication| publication.sequenced_at.since(publication.accepted_at);
            let slowest = append.publications.iter().map(|(publication, _)| took(publication)).max();
            tally.slowest_ms = tally.slowest_ms.max(slowest.unwrap_or_default().as_millis() as u64);
        }
        Ok(Progress::Done(head))
    }

    /// Returns the head of a room, or a new head if none is stored. The first append stores it.
    async fn head(&self, room: &RoomId) -> Result<Head, Error> {
        let head = self.tables.head(room).await?;
        Ok(head.unwrap_or_else(|| Head::new(room, Epoch::from_random(self.chance.bits()))))
    }
}

impl<T, Q, C, R> Batches for Sequencer<T, Q, C, R>
where
    T: Charges + Holds + Rooms,
    Q: Jobs + Submissions + DeadLetters,
    C: Clock,
    R: Chance,
{
    async fn handle(&self, groups: Vec<Vec<Message>>, deadline: Deadline, summary: &mut Summary) -> Vec<Failed> {
        let work = |messages| self.group(messages, deadline);
        let (failed, tallies) = batch::work_off(groups, deadline, &self.clock, work).await;
        let tally = tallies.into_iter().fold(Tally::default(), Tally::and);
        summary.add(metric::MESSAGES_POISONOUS, tally.dead);
        summary.add(metric::PUBLICATIONS_SEQUENCED, tally.sequenced);
        summary.add(metric::PUBLICATIONS_DEDUPED, tally.deduped);
        summary.add(metric::TRANSACTIONS_CONFLICTED, tally.conflicts);
        summary.add(metric::JOBS_QUEUED, tally.jobs);
        summary.most(metric::SEQUENCING_TOOK_MS, tally.slowest_ms);
        tally.ids.into_iter().for_each(|id| summary.list(field::PUBLICATION_ID, id));
        tally.ranges.into_iter().for_each(|range| summary.list(field::PUBLICATION_RANGE, range));
        failed
    }
}
