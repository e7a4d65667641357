//! Where a letter goes when it is redriven, and the sending.
//!
//! A repeat publishes nothing twice. A publication keeps its publication id, which the sequencer
//! knows for 15 days. A job names its members and positions, and clients drop positions that they
//! have. The deduplication id of a redrive is that of the letter: new for the queue, and the same
//! if this letter is redriven again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use aws_adapters::{MessageCopy, OperatorQueues, Queues, StoredMessage, StreamRecords, Tables, change_of};
use domain::flow::{admit, leave_all};
use domain::ports::{self, Checks};
use domain::{Change, Check, Publisher, RoomId, Shard};
use protocol::backend::read_row;
use protocol::stream::{Event, Image, Record};
use serde::Deserialize;
use serde_json::Value;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::letters::queue::DeadLetterQueue;
use crate::time::now;

/// The sort key of a row of the outbox.
const OUTBOX: &str = "outbox";

/// The place to which a letter is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The queue that the message came from. The body is sent as it is.
    Queue(String),
    /// The letter is an outbox row: it is published.
    Row,
    /// The letter names a batch of a table's stream. Its records are read again, and handled.
    Stream(StreamBatch),
}

/// A batch of a stream that Lambda gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamBatch {
    /// The name of the table in the topology.
    table: String,
    place: Place,
}

/// The place of a batch in its stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    stream_arn: String,
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) => f.write_str(name),
            Self::Row => f.write_str("publications (the outbox row is published)"),
            Self::Stream(batch) if batch.table == OUTBOX => {
                f.write_str("publications (outbox rows are read from the stream again)")
            }
            Self::Stream(batch) => write!(f, "presence (changes are read from the stream of {} again)", batch.table),
        }
    }
}

impl Destination {
    /// Returns the places to which letters of a queue can go.
    pub(crate) fn all_of(queue: &DeadLetterQueue) -> String {
        let source = queue.source.clone().map(|name| Self::Queue(name).to_string());
        let row = queue.source.is_none().then(|| Self::Row.to_string());
        let streams = queue
            .tables
            .iter()
            .filter(|table| *table != OUTBOX)
            .map(|table| format!("records of the stream of {table}: presence"));
        source.into_iter().chain(row).chain(streams).collect::<Vec<_>>().join("; ")
    }

    /// Chooses the destination of a letter.
    pub(crate) fn of(deployment: &Deployment, queue: &DeadLetterQueue, letter: &StoredMessage) -> Result<Self, Error> {
        let body: Value = serde_json::from_str(&letter.body).unwrap_or_default();
        if let Some(place) = body.get("DDBStreamBatchInfo") {
            let place: Place = serde_json::from_value(place.clone()).map_err(|error| {
                Error::new(
                    format!("letter {} has no readable place of a stream: {error}", letter.id),
                    "roomcast dead-letters show",
                )
            })?;
            let table = deployment.table_of_stream(&place.stream_arn).ok_or_else(|| {
                let cause = format!(
                    "letter {} is of the stream {}, of no table of this deployment",
                    letter.id, place.stream_arn
                );
                Error::new(cause, "roomcast doctor")
            })?;
            return Ok(Self::Stream(StreamBatch { table: table.to_owned(), place }));
        }
        Ok(queue.source.clone().map_or(Self::Row, Self::Queue))
    }
}

/// The ports that a redrive uses.
pub(crate) struct Redrive<'a> {
    deployment: &'a Deployment,
    operator: OperatorQueues,
    queues: Queues,
    tables: Tables,
    streams: StreamRecords,
}

impl<'a> Redrive<'a> {
    pub(crate) fn new(deployment: &'a Deployment) -> Result<Self, Error> {
        Ok(Self {
            deployment,
            operator: deployment.operator_queues(),
            queues: deployment.queues()?,
            tables: deployment.tables()?,
            streams: StreamRecords::new(&deployment.account),
        })
    }

    /// Sends a letter to its destination.
    ///
    /// # Errors
    /// The letter was not sent, or not whole. It must be kept.
    pub(crate) async fn send(&self, letter: &StoredMessage, destination: &Destination) -> Result<(), Error> {
        match destination {
            Destination::Queue(name) => self.send_to_queue(letter, name).await,
            Destination::Row => {
                let row = serde_json::from_str(&letter.body).map_err(|error| {
                    let cause = format!("letter {} is no outbox row: {error}", letter.id);
                    Error::new(cause, "write the row again under another id")
                })?;
                self.publish_row(&row).await
            }
            Destination::Stream(batch) => self.handle_batch(batch).await,
        }
    }

    async fn send_to_queue(&self, letter: &StoredMessage, name: &str) -> Result<(), Error> {
        // A function that buries a message describes it by attributes, which the message had not.
        let is_described = letter.attribute("reason").is_some() && letter.attribute("source").is_some();
        let copy = MessageCopy {
            body: &letter.body,
            group: letter.group.as_deref().unwrap_or(&letter.id),
            deduplication_id: &format!("redrive-{}", letter.id),
            attributes_of: (!is_described).then_some(letter),
        };
        Ok(self.operator.send(self.deployment.queue_url(name)?, &copy).await?)
    }

    /// Publishes an outbox row within the rate of its rooms, as the function does.
    async fn publish_row(&self, row: &Image) -> Result<(), Error> {
        let broadcast = read_row(row).map_err(|reason| {
            Error::new(
                format!("the outbox row can never be published: {reason}"),
                "write the row again, corrected, under another id",
            )
        })?;
        let now = now();
        let submissions = broadcast.submissions(&Publisher::outbox(), now);
        let admitted = admit(&self.tables, &self.queues, &submissions, now).await;
        Ok(admitted.results.into_iter().collect::<ports::Result<()>>()?)
    }

    async fn handle_batch(&self, StreamBatch { table, place }: &StreamBatch) -> Result<(), Error> {
        let Place { stream_arn, shard_id, start_sequence_number, end_sequence_number } = place;
        let records = self.streams.read(stream_arn, shard_id, start_sequence_number, end_sequence_number).await;
        let records = records.map_err(|error| {
            Error::new(
                format!("the records cannot be read again (a stream keeps them for 24 h): {error}"),
                "roomcast doctor",
            )
        })?;
        if table == OUTBOX { self.publish_rows(&records).await } else { self.recount(&records).await }
    }

    async fn publish_rows(&self, records: &[Record]) -> Result<(), Error> {
        let new = records.iter().filter(|record| record.event == Event::Insert);
        for row in new.filter_map(|record| record.new.as_ref()) {
            self.publish_row(row).await?;
        }
        Ok(())
    }

    /// Removes what is left of closed connections, and has the changed rooms counted.
    async fn recount(&self, records: &[Record]) -> Result<(), Error> {
        let mut rooms: BTreeMap<RoomId, BTreeSet<Shard>> = BTreeMap::new();
        for record in records {
            let change = change_of(record).map_err(|error| Error::new(error.to_string(), "roomcast doctor"))?;
            if let Some(Change::Closed { connection, .. }) = &change {
                leave_all(&self.tables, connection).await?;
            }
            if let Some((room, shard)) = change.as_ref().and_then(Change::counts) {
                rooms.entry(room.clone()).or_default().insert(shard);
            }
        }
        for (room, changed) in rooms {
            let check = Check { changed, ..Check::at(&room, now()) };
            self.queues.check_after(&check, Duration::ZERO).await?;
        }
        Ok(())
    }
}
