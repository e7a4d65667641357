//! `ReceiveMessage`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{settle, write};
use crate::model::draft::TRACE_HEADER;
use crate::model::error::Error;
use crate::model::limits;
use crate::model::md5;
use crate::model::message::{AttributeValue, Message};
use crate::model::receipt::{Receipt, shown_sequence};
use crate::store::queue::Ask;
use crate::store::service::{DeadLetters, Service};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receive {
    queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    /// The older name of `MessageSystemAttributeNames`.
    #[serde(default)]
    attribute_names: Option<Vec<String>>,
    #[serde(default)]
    message_system_attribute_names: Option<Vec<String>>,
    #[serde(default)]
    message_attribute_names: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Shown<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown<'a> {
    message_id: &'a str,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    body_md5: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes_md5: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<&'a String, &'a AttributeValue>,
}

/// The sender of every message here. On AWS it is the id of a user or role.
const SENDER_ID: &str = "AIDAIENQZJOLO23YVJ4VO";

pub(super) async fn receive(service: &Service, request: Receive) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    let ask = request.ask()?;
    let received = queue.receive(ask, DeadLetters { service, source: &queue }).await?;
    let wanted = Wanted::of(&request);
    let messages = received.iter().map(|(message, receipt)| wanted.show(message, *receipt, &queue.name)).collect();
    write(&Answer { messages })
}

impl Receive {
    fn ask(&self) -> Result<Ask, Error> {
        let most = self.max_number_of_messages.unwrap_or(1);
        let most =
            usize::try_from(most).ok().filter(|most| (1..=limits::BATCH_ENTRIES).contains(most)).ok_or_else(|| {
                let reason = "Must be between 1 and 10, if provided";
                Error::invalid_parameter(format!(
                    "Value {most} for parameter MaxNumberOfMessages is invalid. Reason: {reason}."
                ))
            })?;
        let visibility_s = self.visibility_timeout.map(settle::visibility).transpose()?;
        let wait_s = self.wait_time_seconds.map(wait).transpose()?;
        Ok(Ask { most, visibility_s, wait_s })
    }
}

fn wait(seconds: i64) -> Result<u64, Error> {
    u64::try_from(seconds).ok().filter(|seconds| *seconds <= limits::WAIT_S).ok_or_else(|| {
        let reason = "Must be >= 0 and <= 20, if provided";
        Error::invalid_parameter(format!("Value {seconds} for parameter WaitTimeSeconds is invalid. Reason: {reason}."))
    })
}

/// The attributes that a receiver requests.
struct Wanted<'a> {
    system: Vec<&'a str>,
    message: Vec<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(request: &'a Receive) -> Self {
        let names = |names: &'a Option<Vec<String>>| names.iter().flatten().map(String::as_str);
        Self {
            system: names(&request.attribute_names).chain(names(&request.message_system_attribute_names)).collect(),
            message: names(&request.message_attribute_names).collect(),
        }
    }

    fn show<'m>(&self, message: &'m Message, receipt: Receipt, queue: &str) -> Shown<'m> {
        let message_attributes: BTreeMap<_, _> =
            message.attributes.iter().filter(|(name, _)| self.wants_message_attribute(name)).collect();
        let attributes_md5 = if message_attributes.len() == message.attributes.len() {
            message.attributes_md5.clone()
        } else {
            md5::of_attributes(message_attributes.iter().map(|(name, value)| (*name, *value)))
        };
        Shown {
            message_id: &message.id,
            receipt_handle: receipt.handle(queue),
            body_md5: &message.body_md5,
            body: &message.body,
            attributes: self.system_attributes(message),
            attributes_md5,
            message_attributes,
        }
    }

    /// Returns whether an attribute was requested: by its name, as `prefix.*`, or with all others.
    fn wants_message_attribute(&self, name: &str) -> bool {
        self.message.iter().any(|wanted| match *wanted {
            "All" | ".*" => true,
            wanted => wanted == name || wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix)),
        })
    }

    fn system_attributes(&self, message: &Message) -> BTreeMap<&'static str, String> {
        let mut shown = BTreeMap::new();
        if self.system.is_empty() {
            return shown;
        }
        let wants_all = self.system.contains(&"All");
        let mut show = |name: &'static str, value: Option<String>| {
            if let Some(value) = value.filter(|_| wants_all || self.system.contains(&name)) {
                shown.insert(name, value);
            }
        };
        show("ApproximateReceiveCount", Some(message.receive_count.to_string()));
        show("ApproximateFirstReceiveTimestamp", message.first_received_ms.map(|epoch_ms| epoch_ms.to_string()));
        show("SentTimestamp", Some(message.sent_ms.to_string()));
        show("SenderId", Some(SENDER_ID.to_owned()));
        show("MessageGroupId", message.group.clone());
        show("MessageDeduplicationId", message.deduplication_id.clone());
        // Standard queues number their messages too, but answers do not contain the number.
        show("SequenceNumber", message.deduplication_id.as_ref().map(|_| shown_sequence(message.sequence)));
        show("DeadLetterQueueSourceArn", message.source_arn.clone());
        show(TRACE_HEADER, message.trace_header.clone());
        shown
    }
}
