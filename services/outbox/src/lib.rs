//! The outbox function (stream of the rooms table): a row that anyone wrote in their own transaction becomes a
//! publication, in the same queue as everybody's.
//!
//! Streams repeat and functions die: the same row is submitted again under the same id, and the dedupe row of the first
//! time lets it be published once. A row that no try will help goes to the dead-letter queue with the reason, and the
//! stream goes on.

mod config;

use domain::Publisher;
use domain::ports::{Clock, DeadLetter, DeadLetters, Error, Submissions};
use futures::{StreamExt, stream};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Records;
use protocol::backend::{Reason, read_row};
use protocol::stream::{Event, Image, Record};
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Rows that are worked on at the same time. They have no order among each other.
const AT_ONCE: usize = 10;
/// The sort key of a row of the outbox; the rooms table holds other items too.
const SORT_KEY: &str = "OUTBOX";

/// Publishes rows.
#[derive(Debug)]
pub struct Outbox<Q, C> {
    queues: Q,
    clock: C,
}

/// What became of a record.
enum Outcome {
    /// That many publications are queued.
    Published(u64),
    /// It is in the dead-letter queue.
    Buried,
    /// It is no new row.
    Passed,
    /// Not now: its sequence number.
    Later(String),
}

impl<Q: Submissions + DeadLetters, C: Clock> Outbox<Q, C> {
    /// Over these ports.
    #[must_use]
    pub fn new(queues: Q, clock: C) -> Self {
        Self { queues, clock }
    }

    async fn one(&self, record: Record) -> Outcome {
        let Some(row) = new_row(&record) else { return Outcome::Passed };
        let done = match read_row(row) {
            Err(reason) => self.bury(&record, row, &reason).await.map(|()| Outcome::Buried),
            Ok(broadcast) => {
                let submissions = broadcast.submissions(&Publisher::outbox(), self.clock.now());
                self.queues.submit_all(&submissions).await.map(|()| Outcome::Published(submissions.len() as u64))
            }
        };
        done.unwrap_or_else(|error| {
            tracing::error!({ field::ERROR.0 } = %error, "a row of the outbox comes again");
            Outcome::Later(record.sequence_number)
        })
    }

    async fn bury(&self, record: &Record, row: &Image, reason: &Reason) -> Result<(), Error> {
        tracing::error!({ field::ERROR.0 } = %reason, "a row of the outbox is a dead letter");
        let letter = DeadLetter {
            id: record.event_id.clone(),
            source: "outbox".to_owned(),
            group: None,
            body: protocol::stream::to_text(row),
            reason: reason.to_string(),
            room: None,
            missed: None,
        };
        self.queues.bury_letter(&letter).await
    }
}

/// The row that a record is about, if it is a new one.
fn new_row(record: &Record) -> Option<&Image> {
    let is_row = record.event == Event::Insert && record.keys.get("sk")?.as_text() == Some(SORT_KEY);
    record.new.as_ref().filter(|_| is_row)
}

impl<Q: Submissions + DeadLetters, C: Clock> Records for Outbox<Q, C> {
    async fn handle_records(&self, records: Vec<Record>, _: Deadline, summary: &mut Summary) -> Vec<String> {
        let mut failed = Vec::new();
        let mut outcomes = stream::iter(records).map(|record| self.one(record)).buffered(AT_ONCE);
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Outcome::Published(count) => summary.add(metric::PUBLICATIONS_ACCEPTED, count),
                Outcome::Buried => summary.add(metric::MESSAGES_POISONOUS, 1),
                Outcome::Passed => {}
                Outcome::Later(sequence_number) => failed.push(sequence_number),
            }
        }
        failed
    }
}
