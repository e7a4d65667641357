//! Records of a table's stream, and the report of those that failed.

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use telemetry::{Summary, metric};

/// An event that a function cannot read: it has neither records of a stream nor messages of a
/// queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    /// No record of the event names its source.
    #[error("the event has no Records with an eventSource: is this function's trigger a stream or a queue?")]
    NoSource,
    /// The event comes from another source.
    #[error("the event comes from {0}; this function takes aws:dynamodb and aws:sqs")]
    Source(String),
}

/// The source of an event's records, taken from the first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Stream,
    Queue,
}

impl Source {
    pub(crate) fn of(event: &serde_json::Value) -> Result<Self, Unknown> {
        match event["Records"][0]["eventSource"].as_str() {
            Some("aws:dynamodb") => Ok(Self::Stream),
            Some("aws:sqs") => Ok(Self::Queue),
            Some(other) => Err(Unknown::Source(other.to_owned())),
            None => Err(Unknown::NoSource),
        }
    }
}

/// Reports the failed records to Lambda, which delivers the first of them and everything after it
/// again.
pub(crate) fn report(failed: Vec<String>, summary: &mut Summary) -> DynamoDbEventResponse {
    summary.add(metric::RECORDS_FAILED, failed.len() as u64);
    let mut response = DynamoDbEventResponse::default();
    for sequence_number in failed {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(sequence_number);
        response.batch_item_failures.push(failure);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_told_by_its_first_record() {
        let from = |source: &str| Source::of(&json!({ "Records": [{ "eventSource": source }] }));
        assert_eq!(from("aws:dynamodb").unwrap(), Source::Stream);
        assert_eq!(from("aws:sqs").unwrap(), Source::Queue);
        assert!(from("aws:kinesis").unwrap_err().to_string().contains("aws:kinesis"));
        assert!(Source::of(&json!({})).is_err());
    }

    #[test]
    fn failures_are_named_as_lambda_reads_them() {
        let response = report(vec!["7".to_owned()], &mut Summary::new("presence"));
        assert_eq!(
            serde_json::to_value(response).unwrap(),
            json!({ "batchItemFailures": [{ "itemIdentifier": "7" }] })
        );
    }
}
