//! `SendMessage` and `SendMessageBatch`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch::{self, Entry, Outcome};
use super::write;
use crate::model::draft::{Draft, Sent, TRACE_HEADER};
use crate::model::error::Error;
use crate::model::limits;
use crate::model::message::{AttributeValue, Attributes};
use crate::store::service::Service;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Send {
    queue_url: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendBatch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<SendEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendEntry {
    id: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    #[serde(default)]
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: Option<Attributes>,
    #[serde(default)]
    message_system_attributes: Option<BTreeMap<String, AttributeValue>>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

impl Entry for SendEntry {
    const NAME: &'static str = "SendMessageBatchRequestEntry";

    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    body_md5: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes_md5: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    system_attributes_md5: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

impl Answer {
    fn new(id: Option<String>, sent: Sent) -> Self {
        let Sent { message_id, body_md5, attributes_md5, system_attributes_md5, sequence_number } = sent;
        Self { id, message_id, body_md5, attributes_md5, system_attributes_md5, sequence_number }
    }
}

impl Content {
    fn draft(self) -> Result<Draft, Error> {
        let mut system = self.message_system_attributes.unwrap_or_default();
        let trace_header = system.remove(TRACE_HEADER);
        if let Some(name) = system.keys().next() {
            return Err(Error::invalid_parameter(format!("Message system attribute name '{name}' is invalid.")));
        }
        Ok(Draft {
            body: self.message_body,
            attributes: self.message_attributes.unwrap_or_default(),
            trace_header,
            group: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
            // A negative delay becomes the largest number, so that it is refused like a delay that
            // is too long.
            delay_s: self.delay_seconds.map(|delay_s| u64::try_from(delay_s).unwrap_or(u64::MAX)),
        })
    }
}

pub(super) fn one(service: &Service, request: Send) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    let checked = request.content.draft()?.check()?;
    let sent = queue.with(|core, now| checked.send(core, now))?;
    write(&Answer::new(None, sent))
}

pub(super) fn batch(service: &Service, request: SendBatch) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    batch::check(&request.entries)?;
    let mut drafts = Vec::with_capacity(request.entries.len());
    for entry in request.entries {
        drafts.push((entry.id, entry.content.draft()));
    }
    let bytes = drafts.iter().filter_map(|(_, draft)| draft.as_ref().ok()).map(Draft::bytes).sum();
    if bytes > limits::SQS_MESSAGE_BYTES {
        return Err(Error::batch_too_long(limits::SQS_MESSAGE_BYTES, bytes));
    }
    let checked: Vec<_> = drafts.into_iter().map(|(id, draft)| (id, draft.and_then(Draft::check))).collect();
    let results = queue.with(|core, now| {
        let send = |(id, checked): (String, Result<crate::model::draft::Checked, Error>)| {
            let sent = checked.and_then(|checked| checked.send(core, now));
            (id, sent)
        };
        checked.into_iter().map(send).collect::<Vec<_>>()
    });
    let mut outcome = Outcome::new();
    for (id, sent) in results {
        outcome.add(&id, sent.map(|sent| Answer::new(Some(id.clone()), sent)));
    }
    write(&outcome)
}
