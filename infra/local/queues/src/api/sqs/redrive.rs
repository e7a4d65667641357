//! Dead letters: lists the source queues of a dead-letter queue, and moves messages back.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{manage, write};
use crate::model::config::name_in_arn;
use crate::model::error::Error;
use crate::model::message::Message;
use crate::store::queue::Queue;
use crate::store::service::Service;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Sources {
    queue_url: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    /// Lower case, unlike in any other answer.
    #[serde(rename = "queueUrls")]
    queue_urls: Vec<String>,
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Start {
    source_arn: String,
    destination_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Started {
    task_handle: String,
}

pub(super) fn sources(service: &Service, request: Sources) -> Result<Bytes, Error> {
    let dead = service.queue_at(&request.queue_url)?;
    let after = request.next_token.unwrap_or_default();
    let names = sources_of(service, &dead.name).into_iter().filter(|name| *name > after).collect();
    let (names, next_token) = manage::page(names, request.max_results);
    write(&Listed { queue_urls: names.iter().map(|name| service.config().queue_url(name)).collect(), next_token })
}

fn sources_of(service: &Service, dead: &str) -> Vec<String> {
    let is_source = |queue: &Queue| queue.attributes().0.redrive.is_some_and(|redrive| redrive.target_name == dead);
    service.queues().iter().filter(|queue| is_source(queue)).map(|queue| queue.name.clone()).collect()
}

/// Moves all visible messages before it answers. AWS moves them over time.
pub(super) fn start(service: &Service, request: Start) -> Result<Bytes, Error> {
    let missing =
        || Error::resource_not_found("The resource that you specified for the SourceArn parameter doesn't exist.");
    let dead = service.queue_of_arn(&request.source_arn).ok_or_else(missing)?;
    if sources_of(service, &dead.name).is_empty() {
        return Err(Error::invalid_parameter("Source queue must be configured as a Dead Letter Queue."));
    }
    let destination = request.destination_arn.map(|arn| {
        let missing = "The resource that you specified for the DestinationArn parameter doesn't exist.";
        service.queue_of_arn(&arn).ok_or_else(|| Error::resource_not_found(missing))
    });
    let destination = destination.transpose()?;
    if destination.as_ref().is_some_and(|queue| is_fifo(queue) != is_fifo(&dead)) {
        return Err(Error::invalid_parameter("The source queue and the destination queue must be of the same type."));
    }
    for message in dead.with(|core, now| core.begin_move_of_all(now.instant)) {
        let source = || service.queue(name_in_arn(message.source_arn.as_deref()?, "sqs")?);
        let (sequence, target) = (message.sequence, destination.clone().or_else(source));
        let has_arrived = target.map(|queue| put(&queue, message)).is_some();
        // A message whose source queue is unknown stays.
        dead.with(|core, _| core.end_move(sequence, has_arrived));
    }
    write(&Started { task_handle: Uuid::new_v4().hyphenated().to_string() })
}

fn is_fifo(queue: &Queue) -> bool {
    queue.name.ends_with(".fifo")
}

/// Adds a moved message. It is a new message with a new id and a new age.
///
/// Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html>
fn put(queue: &Queue, mut message: Message) {
    message.id = Uuid::new_v4().hyphenated().to_string();
    message.receive_count = 0;
    message.first_received_ms = None;
    message.source_arn = None;
    queue.with(|core, now| {
        message.sent_ms = now.epoch_ms;
        core.counters.sent += 1;
        core.add(message, None);
    });
}
