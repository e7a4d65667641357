//! The outbox function (stream of the table `outbox`) publishes the rows that backends write in
//! transactions of their own. No function of Roomcast may write to this table.
//!
//! Rows are published in the order of the stream within each room. A row comes at least once; its
//! id is that of its key, so it is published once. A row that can never be published becomes a dead
//! letter with its reason, by this function itself, and counts as done: the rest of the stream does
//! not wait for it.
//!
//! Publications beyond the rate of their room are held, up to a limit for each room
//! (`domain::flow::admit`). So the rows of other rooms do not wait behind them.

mod config;

use std::collections::BTreeMap;

use domain::flow::{Admitted, admit};
use domain::ports::{Clock, DeadLetter, DeadLetters, Error, Holds, Submissions};
use domain::{PublicationId, Publisher};
use futures::future::{join, join_all};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Records;
use protocol::backend::{Broadcast, Reason, read_row};
use protocol::stream::{Event, Image, Record, to_text};
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Rows that are published at the same time: a batch of the stream. Those of one room take a call
/// for ten of them, one call after the other.
const ROWS_AT_ONCE: usize = 100;
/// The time before the deadline that is reserved for rows in progress: a queue call may take 2 s.
const RESERVE: std::time::Duration = std::time::Duration::from_millis(2_500);

/// Publishes the rows of the outbox.
#[derive(Debug)]
pub struct Outbox<T, Q, C> {
    tables: T,
    queues: Q,
    clock: C,
}

/// The result for a row.
enum Outcome {
    /// That many publications are queued.
    Published(u64),
    /// It is a dead letter, or its key is in the log.
    Buried,
    /// It could not be published now.
    Later,
}

/// The results for the records of a batch.
struct Published {
    /// In the order of the records.
    outcomes: Vec<Outcome>,
    /// Publications that are held.
    held: u64,
    /// The first publication ids.
    ids: Vec<PublicationId>,
}

/// A record that can be published, and its place in the batch.
struct Row<'a> {
    record: &'a Record,
    broadcast: Broadcast,
}

impl<T: Holds, Q: Submissions + DeadLetters, C: Clock> Outbox<T, Q, C> {
    /// Creates the function over these ports.
    #[must_use]
    pub fn new(tables: T, queues: Q, clock: C) -> Self {
        Self { tables, queues, clock }
    }

    /// Publishes records, those of one room in their order.
    async fn publish(&self, records: &[&Record]) -> Published {
        let (mut rows, mut bad) = (BTreeMap::new(), Vec::new());
        for (at, record) in records.iter().enumerate() {
            match read_row(image(record)) {
                Ok(broadcast) => drop(rows.insert(at, Row { record, broadcast })),
                Err(reason) => bad.push(async move { (at, self.bury(record, &reason).await) }),
            }
        }
        let ((published, held), buried) = join(self.submit(&rows), join_all(bad)).await;
        let mut outcomes: BTreeMap<usize, Outcome> = published.into_iter().chain(buried).collect();
        Published {
            outcomes: (0..records.len()).map(|at| outcomes.remove(&at).unwrap_or(Outcome::Later)).collect(),
            held,
            ids: rows.into_values().take(telemetry::LISTED).map(|row| row.broadcast.id).collect(),
        }
    }

    async fn submit(&self, rows: &BTreeMap<usize, Row<'_>>) -> (Vec<(usize, Outcome)>, u64) {
        let now = self.clock.now();
        let (mut places, mut submissions) = (Vec::new(), Vec::new());
        for (at, row) in rows {
            for submission in row.broadcast.submissions(&Publisher::outbox(), now) {
                places.push(*at);
                submissions.push(submission);
            }
        }
        let Admitted { results: admitted, held, unread } = admit(&self.tables, &self.queues, &submissions, now).await;
        if let Some(error) = unread {
            tracing::error!({ field::ERROR.0 } = %error, "could not read the holds of rooms; outbox rows are held, or published at once if their hold cannot be written");
        }
        let mut results: BTreeMap<usize, Vec<Error>> = BTreeMap::new();
        for (at, result) in places.into_iter().zip(admitted) {
            results.entry(at).or_default().extend(result.err());
        }
        let concluded = results.into_iter().map(|(at, errors)| async move {
            let row = &rows[&at];
            (at, self.conclude(row, errors).await)
        });
        (join_all(concluded).await, held)
    }

    async fn conclude(&self, Row { record, broadcast }: &Row<'_>, mut errors: Vec<Error>) -> Outcome {
        if let Some(at) = errors.iter().position(Error::is_transient) {
            let error = errors.swap_remove(at);
            tracing::error!({ field::ERROR.0 } = %error, "could not queue an outbox row; the stream delivers its batch again from this row on");
            return Outcome::Later;
        }
        match errors.first() {
            Some(error) => self.bury(record, &Reason::refused(error)).await,
            None => Outcome::Published(broadcast.rooms.len() as u64),
        }
    }

    /// Makes a row a dead letter: whole if the queue takes it, else by its key. A row whose letter
    /// is refused even so is named in the log and passed over: it still stands in the table, and
    /// other rows do not wait for it.
    async fn bury(&self, record: &Record, reason: &Reason) -> Outcome {
        tracing::error!({ field::MESSAGE_ID.0 } = record.event_id, { field::ERROR.0 } = %reason, "an outbox row can never be published; it becomes a dead letter");
        for body in [to_text(image(record)), to_text(&record.keys)] {
            let letter = DeadLetter {
                id: record.event_id.clone(),
                source: "outbox".to_owned(),
                group: None,
                body,
                reason: reason.to_string(),
                room: None,
                missed: None,
            };
            match self.queues.bury_letter(&letter).await {
                Ok(()) => return Outcome::Buried,
                Err(error) if error.is_transient() => {
                    tracing::error!({ field::ERROR.0 } = %error, "could not queue the dead letter of an outbox row; the stream delivers its batch again from this row on");
                    return Outcome::Later;
                }
                Err(error) => {
                    tracing::error!({ field::ERROR.0 } = %error, "the dead letter of an outbox row was refused");
                }
            }
        }
        let key = to_text(&record.keys);
        tracing::error!(
            { field::OUTBOX_KEY.0 } = key,
            "skipped an outbox row without a dead letter; write the row again after the cause is removed"
        );
        Outcome::Buried
    }
}

/// Reports whether a record is of a new row.
fn is_new_row(record: &Record) -> bool {
    record.event == Event::Insert && record.new.is_some()
}

/// Returns the attributes of a row, or at least its key.
fn image(record: &Record) -> &Image {
    record.new.as_ref().unwrap_or(&record.keys)
}

impl<T: Holds, Q: Submissions + DeadLetters, C: Clock> Records for Outbox<T, Q, C> {
    async fn handle_records(&self, records: Vec<Record>, deadline: Deadline, summary: &mut Summary) -> Vec<String> {
        let rows: Vec<&Record> = records.iter().filter(|record| is_new_row(record)).collect();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            if deadline.left(self.clock.now(), RESERVE).is_zero() {
                return vec![rows[0].sequence_number.clone()];
            }
            let mut first_failed = None;
            let Published { outcomes, held, ids } = self.publish(rows).await;
            summary.add(metric::PUBLICATIONS_HELD, held);
            ids.iter().for_each(|id| summary.list(field::PUBLICATION_ID, id.to_string()));
            for (record, outcome) in rows.iter().zip(outcomes) {
                match outcome {
                    Outcome::Published(count) => summary.add(metric::PUBLICATIONS_ACCEPTED, count),
                    Outcome::Buried => summary.add(metric::MESSAGES_POISONOUS, 1),
                    Outcome::Later => first_failed = first_failed.or(Some(&record.sequence_number)),
                }
            }
            // Everything from the first failure on comes again: later rows must not overtake it.
            if let Some(sequence_number) = first_failed {
                return vec![sequence_number.clone()];
            }
        }
        Vec::new()
    }
}
