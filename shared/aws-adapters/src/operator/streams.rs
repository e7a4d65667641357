//! Records of a stream, read again: Lambda gave them up, and its message has only their place.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::{AttributeValue, OperationType, ShardIteratorType, StreamRecord};
use domain::Timestamp;
use domain::ports::Result;
use protocol::stream::{Attribute, Event, Image, Record};

use crate::account::{Account, one_retry, service_config, time_limits};
use crate::errors::{translate, unreadable};

const READ_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The principal by which the stream marks items that DynamoDB removed when they expired.
const EXPIRY: &str = "dynamodb.amazonaws.com";

/// Reads streams of tables. DynamoDB keeps their records for 24 h.
#[derive(Debug, Clone)]
pub struct StreamRecords {
    client: Client,
}

impl StreamRecords {
    /// Uses the streams of this account.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        let limits = time_limits(READ_TIMEOUT, ATTEMPT_TIMEOUT);
        let config = service_config!(aws_sdk_dynamodbstreams, account, account.endpoint(), limits, one_retry());
        Self { client: Client::from_conf(config) }
    }

    /// Reads the records of a shard from `first` to `last`, both included.
    ///
    /// # Errors
    /// Errors of DynamoDB Streams: records that are older than 24 h are refused as trimmed.
    pub async fn read(&self, stream_arn: &str, shard: &str, first: &str, last: &str) -> Result<Vec<Record>> {
        const ITERATOR: &str = "DynamoDB Streams GetShardIterator";
        const RECORDS: &str = "DynamoDB Streams GetRecords";
        let call = self.client.get_shard_iterator().stream_arn(stream_arn).shard_id(shard);
        let call = call.shard_iterator_type(ShardIteratorType::AtSequenceNumber).sequence_number(first);
        let mut iterator = call.send().await.map_err(|error| translate(ITERATOR, &error))?.shard_iterator;
        let mut records = Vec::new();
        while let Some(at) = iterator {
            let answer = self.client.get_records().shard_iterator(at).send().await;
            let answer = answer.map_err(|error| translate(RECORDS, &error))?;
            let page = answer.records.unwrap_or_default();
            let is_end = page.is_empty();
            for record in page {
                let record = read(record).map_err(|problem| unreadable(RECORDS, problem))?;
                let is_last = record.sequence_number == last;
                records.push(record);
                if is_last {
                    return Ok(records);
                }
            }
            iterator = answer.next_shard_iterator.filter(|_| !is_end);
        }
        Err(unreadable(RECORDS, format_args!("the shard ends before record {last}")))
    }
}

fn read(record: aws_sdk_dynamodbstreams::types::Record) -> std::result::Result<Record, &'static str> {
    let event = match record.event_name {
        Some(OperationType::Insert) => Event::Insert,
        Some(OperationType::Modify) => Event::Modify,
        Some(OperationType::Remove) => Event::Remove,
        _ => return Err("a record has an unknown event name"),
    };
    let StreamRecord { keys, new_image, old_image, sequence_number, approximate_creation_date_time, .. } =
        record.dynamodb.ok_or("a record has no content")?;
    let at = approximate_creation_date_time.and_then(|at| at.to_millis().ok()).unwrap_or_default();
    Ok(Record {
        event_id: record.event_id.unwrap_or_default(),
        sequence_number: sequence_number.ok_or("a record has no sequence number")?,
        event,
        at: Timestamp::from_ms(u64::try_from(at).unwrap_or_default()),
        keys: keys.map(image).unwrap_or_default(),
        old: old_image.map(image),
        new: new_image.map(image),
        expired: record.user_identity.and_then(|user| user.principal_id).as_deref() == Some(EXPIRY),
    })
}

fn image(item: HashMap<String, AttributeValue>) -> Image {
    item.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

/// Translates a value. Of values of unknown types nothing is known: they become null.
fn attribute(value: AttributeValue) -> Attribute {
    match value {
        AttributeValue::S(text) => Attribute::S(text),
        AttributeValue::N(number) => Attribute::N(number),
        AttributeValue::Bool(is_true) => Attribute::Bool(is_true),
        AttributeValue::Ss(texts) => Attribute::Strings(texts),
        AttributeValue::Ns(numbers) => Attribute::Numbers(numbers),
        AttributeValue::L(values) => Attribute::L(values.into_iter().map(attribute).collect()),
        AttributeValue::M(values) => Attribute::M(image(values)),
        AttributeValue::B(bytes) => Attribute::B(aws_smithy_types::base64::encode(bytes)),
        AttributeValue::Bs(all) => Attribute::Binaries(all.into_iter().map(aws_smithy_types::base64::encode).collect()),
        _ => Attribute::Null(true),
    }
}
