//! Sends a message to the on-failure queue about records that were given up.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-errors.html>, "on-failure
//! destinations"

use jiff::Timestamp;
use local_invoke::Invoke;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Mapping;
use super::shard::Read;

/// Attempts to send the message. If all fail, the queue receives no message about the records; the
/// log always has an entry.
const ATTEMPTS: u32 = 5;

/// The reason why records were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

/// The failure of the last invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The invocation failed.
    Unhandled,
    /// The function answered and named failed records.
    Reported,
    /// No invocation reached the function.
    NotInvoked,
}

/// Records that were given up, and the reason.
#[derive(Debug)]
pub(super) struct GivenUp<'a> {
    pub(super) shard: &'a str,
    pub(super) records: &'a [Read],
    pub(super) condition: Condition,
    pub(super) failure: Failure,
    pub(super) invocations: u32,
}

impl<I: Invoke> Mapping<I> {
    /// Gives up records: counts them, logs them, and sends a message to the on-failure queue, if
    /// there is one.
    pub(super) async fn give_up(&self, given_up: GivenUp<'_>) {
        self.counters.discarded.add(given_up.records.len());
        let (function, records) = (&self.source.function, given_up.records.len());
        tracing::warn!(function, records, condition = ?given_up.condition, "records of a stream were given up: they are not delivered again");
        let Some(queue_url) = &self.source.on_failure_queue_url else { return };
        let body = given_up.message(&self.function_arn, &self.source.event_source_arn, Timestamp::now()).to_string();
        for attempt in 1..=ATTEMPTS {
            let sent = self.clients.sqs.send_message().queue_url(queue_url).message_body(&body).send().await;
            let Err(error) = sent else { return };
            let pause = self.endpoint_failed("send to the on-failure queue", &error, attempt);
            tokio::time::sleep(pause).await;
        }
        tracing::error!(
            function,
            body,
            "cannot send to the on-failure queue: the records that were given up are only in this log entry"
        );
    }
}

impl GivenUp<'_> {
    fn message(&self, function_arn: &str, stream_arn: &str, now: Timestamp) -> Value {
        let (first, last) = (self.records.first(), self.records.last());
        let arrival = |record: Option<&Read>| record.map(|record| seconds(record.created_s));
        let mut message = json!({
            "requestContext": {
                "requestId": Uuid::new_v4().to_string(),
                "functionArn": function_arn,
                "condition": format!("{:?}", self.condition),
                "approximateInvokeCount": self.invocations,
            },
            "version": "1.0",
            "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "DDBStreamBatchInfo": {
                "shardId": self.shard,
                "startSequenceNumber": first.map(|record| &record.sequence_number),
                "endSequenceNumber": last.map(|record| &record.sequence_number),
                "approximateArrivalOfFirstRecord": arrival(first),
                "approximateArrivalOfLastRecord": arrival(last),
                "batchSize": self.records.len(),
                "streamArn": stream_arn,
            },
        });
        if self.failure != Failure::NotInvoked {
            let error = (self.failure == Failure::Unhandled).then_some("Unhandled");
            message["responseContext"] =
                json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": error });
        }
        message
    }
}

fn seconds(epoch_s: i64) -> String {
    Timestamp::from_second(epoch_s).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(failure: Failure) -> Value {
        let record = |sequence_number: &str| Read {
            place: 0,
            sequence_number: sequence_number.to_owned(),
            created_s: 1_657_720_081,
            json: String::new(),
        };
        let records = [record("800000000003126276362"), record("800000000003126276363")];
        let given_up = GivenUp {
            shard: "shardId-00000001573689847184-864758bb",
            records: &records,
            condition: Condition::RetryAttemptsExhausted,
            failure,
            invocations: 2,
        };
        let now = "2022-07-13T13:48:01.5Z".parse().unwrap();
        let mut message = given_up.message("arn:aws:lambda:us-east-2:123456789012:function:f", "arn:stream", now);
        assert_eq!(message["requestContext"]["requestId"].take().as_str().map(str::len), Some(36));
        message
    }

    #[test]
    fn it_is_told_as_on_aws() {
        let expected = json!({
            "requestContext": {
                "requestId": null, "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:f",
                "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 2,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0", "timestamp": "2022-07-13T13:48:01.500Z",
            "DDBStreamBatchInfo": {
                "shardId": "shardId-00000001573689847184-864758bb",
                "startSequenceNumber": "800000000003126276362", "endSequenceNumber": "800000000003126276363",
                "approximateArrivalOfFirstRecord": "2022-07-13T13:48:01Z",
                "approximateArrivalOfLastRecord": "2022-07-13T13:48:01Z",
                "batchSize": 2, "streamArn": "arn:stream",
            },
        });
        assert_eq!(message(Failure::Unhandled), expected);
    }

    #[test]
    fn a_reported_failure_has_no_function_error() {
        let context = message(Failure::Reported)["responseContext"].take();
        assert_eq!(context.get("functionError"), Some(&Value::Null));
    }

    #[test]
    fn without_an_invocation_there_is_no_response() {
        assert_eq!(message(Failure::NotInvoked).get("responseContext"), None);
    }
}
