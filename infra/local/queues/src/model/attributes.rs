//! The attributes of a queue: their names, their limits and their defaults.
//!
//! Source:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::model::config::name_in_arn;
use crate::model::error::Error;
use crate::model::limits;

/// The attributes of one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueueAttributes {
    pub(crate) is_fifo: bool,
    pub(crate) visibility_timeout_s: u64,
    pub(crate) delay_s: u64,
    pub(crate) wait_s: u64,
    pub(crate) retention_s: u64,
    pub(crate) message_bytes: usize,
    pub(crate) content_based_deduplication: bool,
    /// True if deduplication is per group (`DeduplicationScope` is `messageGroup`) instead of per
    /// queue.
    pub(crate) deduplicates_by_group: bool,
    pub(crate) redrive: Option<Redrive>,
    /// Attributes that are stored and returned but have no effect: policies, keys, the FIFO
    /// throughput limit.
    pub(crate) others: BTreeMap<String, String>,
}

/// The dead-letter queue for messages that were received too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Redrive {
    pub(crate) target_name: String,
    pub(crate) target_arn: String,
    pub(crate) most_receives: u32,
}

impl QueueAttributes {
    /// Creates the attributes with AWS's defaults.
    pub(crate) fn new(is_fifo: bool) -> Self {
        Self {
            is_fifo,
            visibility_timeout_s: 30,
            delay_s: 0,
            wait_s: 0,
            retention_s: 4 * 24 * 60 * 60,
            message_bytes: limits::SQS_MESSAGE_BYTES,
            content_based_deduplication: false,
            deduplicates_by_group: false,
            redrive: None,
            others: BTreeMap::new(),
        }
    }

    /// Sets one attribute by its name in the API.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "VisibilityTimeout" => self.visibility_timeout_s = number(name, value, 0..=limits::VISIBILITY_TIMEOUT_S)?,
            "DelaySeconds" => self.delay_s = number(name, value, 0..=limits::DELAY_S)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait_s = number(name, value, 0..=limits::WAIT_S)?,
            "MessageRetentionPeriod" => {
                self.retention_s = number(name, value, limits::LEAST_RETENTION_S..=limits::RETENTION_S)?;
            }
            "MaximumMessageSize" => self.message_bytes = message_bytes(name, value)?,
            "ContentBasedDeduplication" if self.is_fifo => self.content_based_deduplication = truth(name, value)?,
            "DeduplicationScope" if self.is_fifo => {
                self.deduplicates_by_group = choice(name, value, ["queue", "messageGroup"])?;
            }
            "FifoThroughputLimit" if self.is_fifo => {
                choice(name, value, ["perQueue", "perMessageGroupId"])?;
                self.others.insert(name.to_owned(), value.to_owned());
            }
            "FifoQueue" if self.is_fifo && value == "true" => {}
            "FifoQueue" => return Err(Error::invalid_attribute_value(name)),
            "RedrivePolicy" => self.redrive = redrive(value, self.is_fifo)?,
            "Policy"
            | "RedriveAllowPolicy"
            | "KmsMasterKeyId"
            | "KmsDataKeyReusePeriodSeconds"
            | "SqsManagedSseEnabled" => {
                self.keep(name, value);
            }
            _ => return Err(Error::invalid_attribute_name(name)),
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            self.others.remove(name);
        } else {
            self.others.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Returns every settable attribute in the form of the API.
    pub(crate) fn shown(&self) -> BTreeMap<String, String> {
        let mut shown = self.others.clone();
        let mut show = |name: &str, value: String| drop(shown.insert(name.to_owned(), value));
        show("VisibilityTimeout", self.visibility_timeout_s.to_string());
        show("DelaySeconds", self.delay_s.to_string());
        show("ReceiveMessageWaitTimeSeconds", self.wait_s.to_string());
        show("MessageRetentionPeriod", self.retention_s.to_string());
        show("MaximumMessageSize", self.message_bytes.to_string());
        if let Some(redrive) = &self.redrive {
            let policy = serde_json::json!({
                "deadLetterTargetArn": redrive.target_arn,
                "maxReceiveCount": redrive.most_receives,
            });
            show("RedrivePolicy", policy.to_string());
        }
        if self.is_fifo {
            show("FifoQueue", "true".to_owned());
            show("ContentBasedDeduplication", self.content_based_deduplication.to_string());
            let scope = if self.deduplicates_by_group { "messageGroup" } else { "queue" };
            show("DeduplicationScope", scope.to_owned());
            shown.entry("FifoThroughputLimit".to_owned()).or_insert_with(|| "perQueue".to_owned());
        }
        shown.entry("SqsManagedSseEnabled".to_owned()).or_insert_with(|| "true".to_owned());
        shown
    }
}

fn number(name: &str, value: &str, allowed: RangeInclusive<u64>) -> Result<u64, Error> {
    value.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(|| Error::invalid_attribute_value(name))
}

fn message_bytes(name: &str, value: &str) -> Result<usize, Error> {
    let allowed = limits::SQS_LEAST_MESSAGE_BYTES..=limits::SQS_MESSAGE_BYTES;
    let bytes = value.parse().ok().filter(|bytes| allowed.contains(bytes));
    bytes.ok_or_else(|| Error::invalid_attribute_value(name))
}

fn truth(name: &str, value: &str) -> Result<bool, Error> {
    choice(name, value, ["false", "true"])
}

/// Parses a value that must be one of two choices. Returns whether it is the second.
fn choice(name: &str, value: &str, choices: [&str; 2]) -> Result<bool, Error> {
    let place = choices.iter().position(|choice| *choice == value);
    place.map(|place| place == 1).ok_or_else(|| Error::invalid_attribute_value(name))
}

/// Parses a redrive policy. AWS accepts `maxReceiveCount` as a number and as a string. The
/// dead-letter queue of a FIFO queue must be a FIFO queue, and that of a standard queue a standard
/// queue.
fn redrive(value: &str, is_fifo: bool) -> Result<Option<Redrive>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    let invalid = |reason: &str| {
        Error::invalid_parameter(format!("Value {value} for parameter RedrivePolicy is invalid. Reason: {reason}."))
    };
    let policy: serde_json::Value =
        serde_json::from_str(value).map_err(|_| invalid("Redrive policy is not a valid JSON map"))?;
    let target_arn = policy.get("deadLetterTargetArn").and_then(|arn| arn.as_str());
    let target_arn = target_arn
        .ok_or_else(|| invalid("Redrive policy does not contain mandatory attribute: deadLetterTargetArn"))?;
    let target_name =
        name_in_arn(target_arn, "sqs").ok_or_else(|| invalid("deadLetterTargetArn is not the ARN of a queue"))?;
    if target_name.ends_with(".fifo") != is_fifo {
        return Err(invalid("Dead-letter queue must be same type of queue as the source"));
    }
    let count = policy.get("maxReceiveCount");
    let count = count.ok_or_else(|| invalid("Redrive policy does not contain mandatory attribute: maxReceiveCount"))?;
    let most_receives =
        count.as_u64().or_else(|| count.as_str()?.parse().ok()).and_then(|count| u32::try_from(count).ok());
    let most_receives = most_receives.filter(|count| (1..=limits::RECEIVE_COUNT).contains(count));
    let most_receives = most_receives.ok_or_else(|| invalid("Invalid value for maxReceiveCount, it is 1 to 1000"))?;
    Ok(Some(Redrive { target_name: target_name.to_owned(), target_arn: target_arn.to_owned(), most_receives }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_shown() {
        let mut attributes = QueueAttributes::new(true);
        for (name, value) in [
            ("VisibilityTimeout", "43200"),
            ("DelaySeconds", "900"),
            ("DeduplicationScope", "messageGroup"),
            ("FifoThroughputLimit", "perMessageGroupId"),
            ("ContentBasedDeduplication", "true"),
        ] {
            attributes.set(name, value).unwrap();
            assert_eq!(attributes.shown()[name], value);
        }
    }

    #[test]
    fn values_out_of_range_and_unknown_names_are_refused() {
        let mut attributes = QueueAttributes::new(false);
        for (name, value) in [("VisibilityTimeout", "43201"), ("DelaySeconds", "-1"), ("MessageRetentionPeriod", "59")]
        {
            assert_eq!(attributes.set(name, value).unwrap_err().shape, "InvalidAttributeValue");
        }
        assert_eq!(attributes.set("Color", "blue").unwrap_err().shape, "InvalidAttributeName");
        assert_eq!(attributes.set("ContentBasedDeduplication", "true").unwrap_err().shape, "InvalidAttributeName");
    }

    #[test]
    fn a_redrive_policy_takes_its_count_as_a_number_or_as_text_and_is_removed_by_nothing() {
        let mut attributes = QueueAttributes::new(false);
        for count in ["5", "\"5\""] {
            let policy = format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:r:1:dead","maxReceiveCount":{count}}}"#);
            attributes.set("RedrivePolicy", &policy).unwrap();
            let redrive = attributes.redrive.clone().unwrap();
            assert_eq!((redrive.target_name.as_str(), redrive.most_receives), ("dead", 5));
        }
        let fifo = r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:dead.fifo","maxReceiveCount":1}"#;
        assert!(attributes.set("RedrivePolicy", fifo).unwrap_err().message.contains("same type"));
        attributes.set("RedrivePolicy", "").unwrap();
        assert_eq!(attributes.redrive, None);
    }
}
