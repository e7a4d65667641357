//! Builds the record of a message as a function receives it.
//!
//! Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event>

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::QueueSource;

/// Returns the JSON of one message.
pub(super) fn record(message: &Message, source: &QueueSource, region: &str) -> String {
    let system_attributes = message.attributes().into_iter().flatten();
    let attributes = message.message_attributes().into_iter().flatten();
    let record = Record {
        message_id: message.message_id().unwrap_or_default(),
        receipt_handle: message.receipt_handle().unwrap_or_default(),
        body: message.body().unwrap_or_default(),
        attributes: system_attributes.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        message_attributes: attributes.map(|(name, value)| (name.as_str(), Attribute::of(value))).collect(),
        md5_of_message_attributes: md5_of_attributes(message, source),
        md5_of_body: message.md5_of_body().unwrap_or_default(),
        event_source: "aws:sqs",
        event_source_arn: &source.queue_arn,
        aws_region: region,
    };
    // Serialising strings and maps of strings never fails.
    serde_json::to_string(&record).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: BTreeMap<&'a str, &'a str>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<Option<&'a str>>,
    md5_of_body: &'a str,
    event_source: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    string_list_values: [&'a str; 0],
    binary_list_values: [&'a str; 0],
    data_type: &'a str,
}

impl<'a> Attribute<'a> {
    fn of(value: &'a MessageAttributeValue) -> Self {
        Self {
            string_value: value.string_value(),
            binary_value: value.binary_value().map(|binary| STANDARD.encode(binary)),
            string_list_values: [],
            binary_list_values: [],
            data_type: value.data_type(),
        }
    }
}

/// Returns the digest of the message attributes. For a message without attributes the field is
/// missing, or null if the mapping has a window, as on AWS.
fn md5_of_attributes<'a>(message: &'a Message, source: &QueueSource) -> Option<Option<&'a str>> {
    match message.md5_of_message_attributes() {
        None if source.batch_window.is_zero() => None,
        md5 => Some(md5),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_lambda_events::sqs::SqsMessage;
    use aws_sdk_sqs::primitives::Blob;
    use aws_sdk_sqs::types::MessageSystemAttributeName;
    use serde_json::{Value, json};

    use super::*;

    fn source() -> QueueSource {
        QueueSource::new("http://q", "arn:aws:sqs:us-east-2:123456789012:my-queue", "f")
    }

    fn message() -> aws_sdk_sqs::types::builders::MessageBuilder {
        Message::builder()
            .message_id("059f36b4-87a3-44ab-83d2-661975830a7d")
            .receipt_handle("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a")
            .body("Test message.")
            .md5_of_body("e4e68fb7bd0e697a0ae8f1bb342846b3")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "1")
            .attributes(MessageSystemAttributeName::SentTimestamp, "1545082649183")
            .attributes(MessageSystemAttributeName::SenderId, "AIDAIENQZJOLO23YVJ4VO")
            .attributes(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp, "1545082649185")
    }

    fn string(value: &str) -> MessageAttributeValue {
        MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
    }

    fn json_of(message: &Message, source: &QueueSource) -> Value {
        serde_json::from_str(&record(message, source, "us-east-2")).unwrap()
    }

    #[test]
    fn a_standard_message_is_written_as_on_aws() {
        let message = message()
            .message_attributes("Author", string("John"))
            .md5_of_message_attributes("d25a6aea97eb8f585bfa92d314504a92")
            .build();
        let expected = json!({
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": "Test message.",
            "attributes": {
                "ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1545082649185",
            },
            "messageAttributes": {"Author": {
                "stringValue": "John", "stringListValues": [], "binaryListValues": [], "dataType": "String",
            }},
            "md5OfMessageAttributes": "d25a6aea97eb8f585bfa92d314504a92",
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
            "awsRegion": "us-east-2",
        });
        assert_eq!(json_of(&message, &source()), expected);
    }

    #[test]
    fn a_fifo_message_carries_its_group_sequence_and_deduplication_id() {
        let message = message()
            .attributes(MessageSystemAttributeName::MessageGroupId, "1")
            .attributes(MessageSystemAttributeName::SequenceNumber, "18849496460467696128")
            .attributes(MessageSystemAttributeName::MessageDeduplicationId, "2")
            .build();
        let attributes = json_of(&message, &source())["attributes"].take();
        assert_eq!(attributes["MessageGroupId"], "1");
        assert_eq!(attributes["SequenceNumber"], "18849496460467696128");
        assert_eq!(attributes["MessageDeduplicationId"], "2");
    }

    #[test]
    fn without_attributes_their_digest_is_missing_or_null_if_there_is_a_window() {
        let message = message().build();
        assert_eq!(json_of(&message, &source()).get("md5OfMessageAttributes"), None);
        let with_window = QueueSource { batch_window: Duration::from_secs(1), ..source() };
        assert_eq!(json_of(&message, &with_window).get("md5OfMessageAttributes"), Some(&Value::Null));
    }

    #[test]
    fn a_binary_attribute_is_base64() {
        let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new(*b"\x00\xff"));
        let message = message().message_attributes("raw", binary.build().unwrap()).build();
        let attribute = json_of(&message, &source())["messageAttributes"]["raw"].take();
        assert_eq!(attribute["binaryValue"], "AP8=");
        assert_eq!(attribute.get("stringValue"), None);
    }

    #[test]
    fn the_rust_types_of_aws_read_it() {
        let message = message().message_attributes("Author", string("John")).build();
        let read: SqsMessage = serde_json::from_str(&record(&message, &source(), "us-east-2")).unwrap();
        assert_eq!(read.body.as_deref(), Some("Test message."));
        assert_eq!(read.event_source_arn.as_deref(), Some("arn:aws:sqs:us-east-2:123456789012:my-queue"));
    }
}
