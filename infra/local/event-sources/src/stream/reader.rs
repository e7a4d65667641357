//! Reads a stream over the wire: the list of its shards, and the records of one shard.

use std::io;
use std::sync::Arc;

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::{Record, ShardIteratorType};
use local_invoke::Invoke;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, timeout};

use super::lineage::Listed;
use super::{Mapping, StartingPosition};
use crate::endpoint::{CALL_LIMIT, chain};

/// Records in one read. DynamoDB returns at most 1,000.
const MAX_PAGE: usize = 1_000;

/// Lists all shards of a stream.
pub(super) async fn shards(client: &Client, stream_arn: &str) -> io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    let mut from = None;
    loop {
        let request = client.describe_stream().stream_arn(stream_arn).set_exclusive_start_shard_id(from);
        let answer = timeout(CALL_LIMIT, request.send()).await?.map_err(|error| chain(&error))?;
        let Some(description) = answer.stream_description else { return Ok(listed) };
        let shards = description.shards.unwrap_or_default().into_iter();
        listed
            .extend(shards.filter_map(|shard| Some(Listed { shard: shard.shard_id?, parent: shard.parent_shard_id })));
        from = description.last_evaluated_shard_id;
        if from.is_none() {
            return Ok(listed);
        }
    }
}

/// The position of the next read of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    Start(StartingPosition),
    After(String),
}

/// A shard that is being read.
struct Cursor {
    shard: String,
    position: Position,
    iterator: Option<String>,
}

/// The result of a read.
enum Found {
    Records(Vec<Record>),
    /// The last records of the shard.
    Last(Vec<Record>),
    /// The iterator is no longer valid. The next read requests a new one.
    Nothing,
}

impl<I: Invoke> Mapping<I> {
    /// Reads a shard at the mapping's pace and sends its records to `pages`, until the shard ends
    /// or the receiver is dropped.
    pub(super) async fn read(self: Arc<Self>, shard: String, position: Position, pages: mpsc::Sender<Vec<Record>>) {
        let mut cursor = Cursor { shard, position, iterator: None };
        let mut polls = tokio::time::interval(self.pace.stream_poll);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut failures, mut is_full) = (0, false);
        loop {
            // A full page means that more records are waiting, so the next read follows at once.
            if !is_full {
                polls.tick().await;
            }
            let (records, is_last) = match self.read_page(&mut cursor).await {
                Ok(Found::Records(records)) => (records, false),
                Ok(Found::Last(records)) => (records, true),
                Ok(Found::Nothing) => (Vec::new(), false),
                Err(error) => {
                    failures += 1;
                    let pause = self.endpoint_failed("read a shard", &error, failures);
                    tokio::time::sleep(pause).await;
                    continue;
                }
            };
            failures = 0;
            is_full = records.len() >= MAX_PAGE;
            if (!records.is_empty() && pages.send(records).await.is_err()) || is_last {
                return;
            }
        }
    }

    async fn read_page(&self, cursor: &mut Cursor) -> io::Result<Found> {
        let iterator = match cursor.iterator.take() {
            Some(iterator) => iterator,
            None => match self.iterator(cursor).await? {
                Some(iterator) => iterator,
                None => return Ok(Found::Last(Vec::new())),
            },
        };
        let request = self.clients.streams.get_records().shard_iterator(&iterator);
        let answer = match timeout(CALL_LIMIT, request.send()).await? {
            Ok(answer) => answer,
            Err(error) => {
                let service_error = error.as_service_error();
                if service_error.is_some_and(|error| error.is_trimmed_data_access_exception()) {
                    cursor.position = Position::Start(StartingPosition::TrimHorizon);
                    return Ok(Found::Nothing);
                }
                if service_error.is_some_and(|error| error.is_expired_iterator_exception()) {
                    return Ok(Found::Nothing);
                }
                cursor.iterator = Some(iterator);
                return Err(chain(&error));
            }
        };
        let records = answer.records.unwrap_or_default();
        let last = records.last().and_then(|record| record.dynamodb()?.sequence_number());
        if let Some(sequence_number) = last {
            cursor.position = Position::After(sequence_number.to_owned());
        }
        cursor.iterator = answer.next_shard_iterator;
        Ok(if cursor.iterator.is_some() { Found::Records(records) } else { Found::Last(records) })
    }

    /// Requests an iterator. Returns `None` if the shard no longer exists.
    async fn iterator(&self, cursor: &mut Cursor) -> io::Result<Option<String>> {
        let (kind, sequence_number) = match &cursor.position {
            Position::Start(StartingPosition::TrimHorizon) => (ShardIteratorType::TrimHorizon, None),
            Position::Start(StartingPosition::Latest) => (ShardIteratorType::Latest, None),
            Position::After(sequence_number) => (ShardIteratorType::AfterSequenceNumber, Some(sequence_number.clone())),
        };
        let request = self.clients.streams.get_shard_iterator();
        let request = request.stream_arn(&self.source.stream_arn).shard_id(&cursor.shard);
        let request = request.shard_iterator_type(kind).set_sequence_number(sequence_number);
        match timeout(CALL_LIMIT, request.send()).await? {
            Ok(answer) => Ok(answer.shard_iterator),
            Err(error) => {
                let service_error = error.as_service_error();
                if service_error.is_some_and(|error| error.is_resource_not_found_exception()) {
                    return Ok(None);
                }
                // The records after the checkpoint were trimmed. Reading continues at the oldest
                // record.
                if service_error.is_some_and(|error| error.is_trimmed_data_access_exception()) {
                    cursor.position = Position::Start(StartingPosition::TrimHorizon);
                }
                Err(chain(&error))
            }
        }
    }
}
