//! Creates, finds, lists, configures, purges and deletes queues.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{NOTHING, QueueOnly, write};
use crate::model::error::Error;
use crate::store::queue::Queue;
use crate::store::service::Service;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    queue_name: String,
    attributes: Option<BTreeMap<String, String>>,
    /// The only member of the API with a lower-case first letter. Older models have it in upper
    /// case.
    #[serde(rename = "tags", alias = "Tags")]
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Url {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    queue_name_prefix: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    queue_url: String,
    #[serde(default)]
    attribute_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Set {
    queue_url: String,
    attributes: BTreeMap<String, String>,
}

/// Most queues in one answer, unless the request has a lower limit.
const PAGE: usize = 1000;

pub(super) fn create(service: &Service, request: Create) -> Result<Bytes, Error> {
    let attributes = request.attributes.unwrap_or_default();
    if request.queue_name.ends_with(".fifo") && !attributes.contains_key("FifoQueue") {
        return Err(Error::invalid_parameter(
            "Only FIFO queues may be named so: their attribute FifoQueue must be true. Other names can only include \
             alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ));
    }
    let queue_url = service.create_queue(&request.queue_name, &attributes)?;
    if let Some(tags) = request.tags {
        service
            .queue_at(&queue_url)?
            .with(|core, _| core.set_tags(core.tags.clone().into_iter().chain(tags).collect()));
    }
    write(&Url { queue_url })
}

pub(super) fn url(service: &Service, request: Named) -> Result<Bytes, Error> {
    let queue = service.queue(&request.queue_name).ok_or_else(Error::queue_does_not_exist)?;
    write(&Url { queue_url: service.config().queue_url(&queue.name) })
}

pub(super) fn list(service: &Service, request: List) -> Result<Bytes, Error> {
    let prefix = request.queue_name_prefix.unwrap_or_default();
    let after = request.next_token.unwrap_or_default();
    let names = service.queues().into_iter().map(|queue| queue.name.clone());
    let names = names.filter(|name| name.starts_with(&prefix) && *name > after).collect();
    let (names, next_token) = page(names, request.max_results);
    write(&Listed { queue_urls: names.iter().map(|name| service.config().queue_url(name)).collect(), next_token })
}

/// Returns the first names, and the last of them as a token if there are more. The API returns a
/// token only to requests with a limit.
pub(super) fn page(mut names: Vec<String>, most: Option<usize>) -> (Vec<String>, Option<String>) {
    let has_more = names.len() > most.unwrap_or(PAGE);
    names.truncate(most.unwrap_or(PAGE));
    let next_token = names.last().filter(|_| has_more && most.is_some()).cloned();
    (names, next_token)
}

pub(super) fn delete(service: &Service, request: &QueueOnly) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    service.remove_queue(&queue.name);
    Ok(NOTHING)
}

pub(super) fn purge(service: &Service, request: &QueueOnly) -> Result<Bytes, Error> {
    service.queue_at(&request.queue_url)?.purge()?;
    Ok(NOTHING)
}

pub(super) fn set_attributes(service: &Service, request: Set) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    let changes = request.attributes.iter().map(|(name, value)| (&**name, &**value));
    let says_redrive = request.attributes.contains_key("RedrivePolicy");
    queue
        .configure(changes, |attributes| service.check_redrive(attributes.redrive.as_ref().filter(|_| says_redrive)))?;
    Ok(NOTHING)
}

pub(super) fn attributes(service: &Service, request: Get) -> Result<Bytes, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<String, String>,
    }
    let queue = service.queue_at(&request.queue_url)?;
    let wanted = request.attribute_names.unwrap_or_default();
    if let Some(unknown) = wanted.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(Error::invalid_attribute_name(unknown));
    }
    let mut attributes = all_attributes(service, &queue);
    if !wanted.iter().any(|name| name == "All") {
        attributes.retain(|name, _| wanted.contains(name));
    }
    write(&Answer { attributes })
}

fn all_attributes(service: &Service, queue: &Queue) -> BTreeMap<String, String> {
    let (attributes, modified_ms) = queue.attributes();
    let counts = queue.with(|core, _| core.counts());
    let mut shown = attributes.shown();
    let mut show = |name: &str, value: String| drop(shown.insert(name.to_owned(), value));
    show("QueueArn", service.config().queue_arn(&queue.name));
    show("CreatedTimestamp", (queue.created_ms / 1000).to_string());
    show("LastModifiedTimestamp", (modified_ms / 1000).to_string());
    show("ApproximateNumberOfMessages", counts.visible.to_string());
    show("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string());
    show("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string());
    shown
}

/// The attributes that a caller may ask for. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>
const KNOWN: [&str; 22] = [
    "All",
    "Policy",
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
];
