//! Creates topics and subscribes their queues.

use std::collections::{BTreeMap, HashMap};

use futures::future::try_join_all;
use topology::{FilterPolicyScope, Subscription, Topic, Topology};

use super::{Error, QueueResource, Site};

pub(super) async fn create(
    topology: &Topology,
    queues: &BTreeMap<String, QueueResource>,
    site: &Site<'_>,
) -> Result<BTreeMap<String, String>, Error> {
    let topics = try_join_all(topology.topics.iter().map(|topic| ensure(topic, queues, site))).await?;
    Ok(topics.into_iter().collect())
}

async fn ensure(
    topic: &Topic,
    queues: &BTreeMap<String, QueueResource>,
    site: &Site<'_>,
) -> Result<(String, String), Error> {
    let what = || format!("create the topic `{}`", topic.name);
    let mut request = site.clients.sns.create_topic().name(topic.physical_name());
    if topic.fifo {
        request = request.attributes("FifoTopic", "true");
    }
    let arn = request.send().await.map_err(site.refused(what()))?.topic_arn.ok_or_else(|| site.incomplete(what()))?;
    if topic.fifo {
        // This attribute is set after the creation, because a creation fails if the topic exists
        // with another value.
        let request = site.clients.sns.set_topic_attributes().topic_arn(&arn);
        let request = request.attribute_name("ContentBasedDeduplication");
        let request = request.attribute_value(topic.content_based_deduplication.to_string());
        request.send().await.map_err(site.refused(what()))?;
    }
    for subscription in &topic.subscriptions {
        subscribe(&arn, subscription, queues, site).await?;
    }
    Ok((topic.name.clone(), arn))
}

async fn subscribe(
    topic_arn: &str,
    subscription: &Subscription,
    queues: &BTreeMap<String, QueueResource>,
    site: &Site<'_>,
) -> Result<(), Error> {
    let what = || format!("subscribe the queue `{}` to {topic_arn}", subscription.queue);
    let queue = queues.get(&subscription.queue).ok_or_else(|| site.incomplete(what()))?;
    let Some(existing) = existing(topic_arn, &queue.arn, site).await? else {
        let request = site.clients.sns.subscribe().topic_arn(topic_arn).protocol("sqs").endpoint(&queue.arn);
        request.set_attributes(Some(attributes(subscription))).send().await.map_err(site.refused(what()))?;
        return Ok(());
    };
    for (name, value) in attributes(subscription) {
        let request = site.clients.sns.set_subscription_attributes().subscription_arn(&existing);
        request.attribute_name(name).attribute_value(value).send().await.map_err(site.refused(what()))?;
    }
    Ok(())
}

/// Returns the ARN of the queue's subscription, from any page of the list.
async fn existing(topic_arn: &str, queue_arn: &str, site: &Site<'_>) -> Result<Option<String>, Error> {
    let what = || format!("list the subscriptions of {topic_arn}");
    let mut pages = site.clients.sns.list_subscriptions_by_topic().topic_arn(topic_arn).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(site.refused(what()))?;
        let of_queue = page.subscriptions().iter().find(|subscription| subscription.endpoint() == Some(queue_arn));
        if let Some(subscription) = of_queue {
            return Ok(subscription.subscription_arn.clone());
        }
    }
    Ok(None)
}

/// Returns the attributes of a subscription. Source:
/// <https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html>
fn attributes(subscription: &Subscription) -> HashMap<String, String> {
    let mut attributes = HashMap::from([("RawMessageDelivery".to_owned(), subscription.raw.to_string())]);
    if let Some(policy) = &subscription.filter_policy {
        let scope = match subscription.filter_policy_scope {
            FilterPolicyScope::Attributes => "MessageAttributes",
            FilterPolicyScope::Body => "MessageBody",
        };
        attributes.insert("FilterPolicyScope".to_owned(), scope.to_owned());
        attributes.insert("FilterPolicy".to_owned(), policy.to_string());
    }
    attributes
}
