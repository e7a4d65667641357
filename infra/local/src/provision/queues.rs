//! Creates queues with their attributes. Redrive policies are set last, when every queue has an
//! ARN.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sqs::types::QueueAttributeName;
use futures::future::try_join_all;
use topology::{Queue, Topology};

use super::{Error, QueueResource, Site};

pub(super) async fn create(topology: &Topology, site: &Site<'_>) -> Result<BTreeMap<String, QueueResource>, Error> {
    let ensured = try_join_all(topology.queues.iter().map(|queue| ensure(queue, site))).await?;
    let resources: BTreeMap<String, QueueResource> = ensured.into_iter().collect();
    try_join_all(topology.queues.iter().map(|queue| configure(queue, &resources, site))).await?;
    Ok(resources)
}

async fn ensure(queue: &Queue, site: &Site<'_>) -> Result<(String, QueueResource), Error> {
    let name = queue.physical_name();
    let what = || format!("create the queue `{}`", queue.name);
    let url = match site.clients.sqs.get_queue_url().queue_name(&name).send().await {
        Ok(answer) => answer.queue_url,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist()) => {
            let request =
                site.clients.sqs.create_queue().queue_name(&name).set_attributes(Some(fixed_attributes(queue)));
            request.send().await.map_err(site.refused(what()))?.queue_url
        }
        Err(error) => return Err(site.refused(what())(error)),
    };
    let url = url.ok_or_else(|| site.incomplete(what()))?;
    let request = site.clients.sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn);
    let attributes = request.send().await.map_err(site.refused(what()))?.attributes.unwrap_or_default();
    let arn = attributes.get(&QueueAttributeName::QueueArn).ok_or_else(|| site.incomplete(what()))?;
    Ok((queue.name.clone(), QueueResource { url, arn: arn.clone() }))
}

/// Returns the attributes that can only be set when a queue is created.
fn fixed_attributes(queue: &Queue) -> HashMap<QueueAttributeName, String> {
    let mut attributes = HashMap::new();
    if queue.fifo {
        attributes.insert(QueueAttributeName::FifoQueue, "true".to_owned());
    }
    attributes
}

async fn configure(queue: &Queue, resources: &BTreeMap<String, QueueResource>, site: &Site<'_>) -> Result<(), Error> {
    let what = || format!("set the attributes of the queue `{}`", queue.name);
    let own = resources.get(&queue.name).ok_or_else(|| site.incomplete(what()))?;
    let request = site.clients.sqs.set_queue_attributes().queue_url(&own.url);
    request.set_attributes(Some(attributes(queue, resources))).send().await.map_err(site.refused(what()))?;
    Ok(())
}

/// Returns the attributes of a queue. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
fn attributes(queue: &Queue, resources: &BTreeMap<String, QueueResource>) -> HashMap<QueueAttributeName, String> {
    let mut attributes = HashMap::from([
        (QueueAttributeName::VisibilityTimeout, queue.visibility_timeout_s.to_string()),
        (QueueAttributeName::MessageRetentionPeriod, queue.retention_s.to_string()),
        (QueueAttributeName::DelaySeconds, queue.delay_s.to_string()),
    ]);
    if queue.fifo {
        let (scope, limit) =
            if queue.high_throughput { ("messageGroup", "perMessageGroupId") } else { ("queue", "perQueue") };
        attributes.insert(QueueAttributeName::DeduplicationScope, scope.to_owned());
        attributes.insert(QueueAttributeName::FifoThroughputLimit, limit.to_owned());
        attributes.insert(QueueAttributeName::ContentBasedDeduplication, queue.content_based_deduplication.to_string());
    }
    if let Some(dead_letter) = &queue.dead_letter
        && let Some(dead) = resources.get(&dead_letter.queue)
    {
        let policy = serde_json::json!({
            "deadLetterTargetArn": dead.arn,
            "maxReceiveCount": dead_letter.maximum_receive_count,
        });
        attributes.insert(QueueAttributeName::RedrivePolicy, policy.to_string());
    }
    attributes
}
