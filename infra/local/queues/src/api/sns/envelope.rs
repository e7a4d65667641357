//! The envelope in which a topic delivers to a queue without raw delivery.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>. Spaces
//! and the order of members are those of AWS.

use jiff::Timestamp;

use crate::model::message::Attributes;

/// The content of an envelope.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    pub(super) base_url: &'a str,
    pub(super) message_id: &'a str,
    /// The sequence number. Only FIFO topics have one; their envelopes are not signed.
    pub(super) sequence_number: Option<&'a str>,
    pub(super) topic_arn: &'a str,
    pub(super) subscription_arn: &'a str,
    pub(super) subject: Option<&'a str>,
    pub(super) message: &'a str,
    /// Milliseconds since 1970.
    pub(super) published_ms: u64,
    pub(super) attributes: &'a Attributes,
}

/// A fixed text instead of a signature, which would need a key of AWS.
const SIGNATURE: &str = "bG9jYWwgbWVzc2FnZXMgYXJlIG5vdCBzaWduZWQ=";

impl Envelope<'_> {
    /// Returns the body of the message for the queue.
    pub(super) fn write(&self) -> String {
        let mut members = vec![("Type", json("Notification")), ("MessageId", json(self.message_id))];
        members.extend(self.sequence_number.map(|number| ("SequenceNumber", json(number))));
        members.push(("TopicArn", json(self.topic_arn)));
        members.extend(self.subject.map(|subject| ("Subject", json(subject))));
        members.push(("Message", json(self.message)));
        members.push(("Timestamp", json(&timestamp(self.published_ms))));
        if self.sequence_number.is_none() {
            let certificate = format!("{}/SimpleNotificationService-local.pem", self.base_url);
            members.push(("SignatureVersion", json("1")));
            members.push(("Signature", json(SIGNATURE)));
            members.push(("SigningCertURL", json(&certificate)));
        }
        let unsubscribe = format!("{}/?Action=Unsubscribe&SubscriptionArn={}", self.base_url, self.subscription_arn);
        members.push(("UnsubscribeURL", json(&unsubscribe)));
        if !self.attributes.is_empty() {
            members.push(("MessageAttributes", attributes(self.attributes)));
        }
        let lines: Vec<String> = members.iter().map(|(name, value)| format!("  \"{name}\" : {value}")).collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}

fn attributes(attributes: &Attributes) -> String {
    let line = |(name, value): (&String, &crate::model::message::AttributeValue)| {
        format!("    {} : {{\"Type\":{},\"Value\":{}}}", json(name), json(&value.data_type), json(&value.shown()))
    };
    let lines: Vec<String> = attributes.iter().map(line).collect();
    format!("{{\n{}\n  }}", lines.join(",\n"))
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Formats a time as `2012-04-25T21:49:25.719Z`, always with three digits after the second.
fn timestamp(epoch_ms: u64) -> String {
    let timestamp = i64::try_from(epoch_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", timestamp.unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::message::AttributeValue;

    fn envelope(attributes: &Attributes) -> Envelope<'_> {
        Envelope {
            base_url: "http://127.0.0.1:4566",
            message_id: "da41e39f-ea4d-435a-b922-c6aae3915ebe",
            sequence_number: None,
            topic_arn: "arn:aws:sns:us-west-2:123456789012:MyTopic",
            subscription_arn: "arn:aws:sns:us-west-2:123456789012:MyTopic:2bcfbf39",
            subject: Some("test"),
            message: "test \"message\"",
            published_ms: 1_335_390_565_719,
            attributes,
        }
    }

    #[test]
    fn the_envelope_is_written_as_aws_writes_it() {
        let attributes = Attributes::from([("kind".to_owned(), AttributeValue::text("String", "news"))]);
        assert_eq!(
            envelope(&attributes).write(),
            r#"{
  "Type" : "Notification",
  "MessageId" : "da41e39f-ea4d-435a-b922-c6aae3915ebe",
  "TopicArn" : "arn:aws:sns:us-west-2:123456789012:MyTopic",
  "Subject" : "test",
  "Message" : "test \"message\"",
  "Timestamp" : "2012-04-25T21:49:25.719Z",
  "SignatureVersion" : "1",
  "Signature" : "bG9jYWwgbWVzc2FnZXMgYXJlIG5vdCBzaWduZWQ=",
  "SigningCertURL" : "http://127.0.0.1:4566/SimpleNotificationService-local.pem",
  "UnsubscribeURL" : "http://127.0.0.1:4566/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-west-2:123456789012:MyTopic:2bcfbf39",
  "MessageAttributes" : {
    "kind" : {"Type":"String","Value":"news"}
  }
}"#
        );
    }

    #[test]
    fn a_fifo_topic_numbers_its_messages_and_does_not_sign_them() {
        let attributes = Attributes::new();
        let envelope =
            Envelope { sequence_number: Some("10000000000000003000"), subject: None, ..envelope(&attributes) };
        let value: serde_json::Value = serde_json::from_str(&envelope.write()).unwrap();
        let members = ["Type", "MessageId", "SequenceNumber", "TopicArn", "Message", "Timestamp", "UnsubscribeURL"];
        assert_eq!(value.as_object().unwrap().len(), members.len());
        assert!(members.iter().all(|member| value[member].is_string()));
    }
}
