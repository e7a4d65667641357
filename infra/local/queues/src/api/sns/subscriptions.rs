//! Subscriptions of queues to topics.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::query::Fields;
use super::xml::Xml;
use super::{topic_of, topics};
use crate::model::config::name_in_arn;
use crate::model::error::Error;
use crate::model::subscription::Subscription;
use crate::store::service::Service;
use crate::store::topic::Topic;

pub(super) fn create(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let topic = topic_of(service, fields.required("TopicArn")?)?;
    let protocol = fields.required("Protocol")?;
    if protocol != "sqs" {
        let message = format!("Protocol Reason: only queues can subscribe here, \"sqs\", not \"{protocol}\"");
        return Err(Error::sns_invalid(message));
    }
    let arn = subscribe(&topic, fields.required("Endpoint")?, &fields.map("Attributes"))?;
    Ok(Xml::default().text("SubscriptionArn", &arn))
}

/// Subscribes a queue, or finds its subscription if it has these attributes. Returns the
/// subscription's ARN. The queue need not exist yet.
pub(crate) fn subscribe(topic: &Topic, queue: &str, attributes: &BTreeMap<String, String>) -> Result<String, Error> {
    let name = name_in_arn(queue, "sqs").ok_or_else(|| Error::sns_invalid("SQS endpoint ARN"))?;
    if name.ends_with(".fifo") && !topic.is_fifo() {
        let message = "Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics";
        return Err(Error::sns_invalid(format!("Invalid parameter: {message}")));
    }
    let id = Uuid::new_v4().hyphenated().to_string();
    let mut subscription = Subscription::new(format!("{}:{id}", topic.arn), queue.to_owned());
    subscription.configure(attributes.iter())?;
    topic.change(|state| {
        if let Some(existing) = state.subscriptions.values().find(|existing| existing.queue_arn == queue) {
            if !attributes.is_empty() && existing.attributes != subscription.attributes {
                let message = "Attributes Reason: Subscription already exists with different attributes";
                return Err(Error::sns_invalid(message));
            }
            return Ok(existing.arn.clone());
        }
        let arn = subscription.arn.clone();
        Arc::make_mut(&mut state.subscriptions).insert(id, subscription);
        Ok(arn)
    })
}

/// Answers `ConfirmSubscription`. Queues of the same account need no confirmation, so a
/// confirmation always succeeds.
pub(super) fn confirm(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let topic = topic_of(service, fields.required("TopicArn")?)?;
    let state = topic.state();
    let arn = state.subscriptions.values().next().map_or("pending confirmation", |subscription| &subscription.arn);
    Ok(Xml::default().text("SubscriptionArn", arn))
}

/// Deletes a subscription. A subscription that does not exist is no error.
pub(super) fn delete(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let arn = fields.required("SubscriptionArn")?;
    if let Ok(topic) = topic_of(service, arn) {
        topic.change(|state| Arc::make_mut(&mut state.subscriptions).remove(id_in(arn)));
    }
    Ok(Xml::default())
}

pub(super) fn list(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let topics = service.topics().all();
    let all = topics.iter().flat_map(|topic| of_topic(topic));
    Ok(listed(service, fields, all.collect()))
}

pub(super) fn list_of_topic(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let topic = topic_of(service, fields.required("TopicArn")?)?;
    Ok(listed(service, fields, of_topic(&topic)))
}

fn of_topic(topic: &Topic) -> Vec<Subscription> {
    topic.state().subscriptions.values().cloned().collect()
}

fn listed(service: &Service, fields: &Fields<'_>, mut all: Vec<Subscription>) -> Xml {
    let after = fields.get("NextToken").unwrap_or_default();
    all.retain(|subscription| subscription.arn.as_str() > after);
    all.sort_by(|one, other| one.arn.cmp(&other.arn));
    let show = |xml: Xml, subscription: &Subscription| {
        xml.text("SubscriptionArn", &subscription.arn)
            .text("Owner", &service.config().account_id)
            .text("Protocol", "sqs")
            .text("Endpoint", &subscription.queue_arn)
            .text("TopicArn", topic_arn(&subscription.arn))
    };
    topics::page(all, "Subscriptions", show, |subscription| &subscription.arn)
}

pub(super) fn attributes(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let arn = fields.required("SubscriptionArn")?;
    let topic = topic_of(service, arn).map_err(|_| Error::sns_not_found("Subscription"))?;
    let state = topic.state();
    let subscription = state.subscriptions.get(id_in(arn)).ok_or_else(|| Error::sns_not_found("Subscription"))?;
    let mut attributes = subscription.attributes.clone();
    let mut show = |name: &str, value: &str| drop(attributes.insert(name.to_owned(), value.to_owned()));
    show("SubscriptionArn", arn);
    show("TopicArn", &topic.arn);
    show("Owner", &service.config().account_id);
    show("Protocol", "sqs");
    show("Endpoint", &subscription.queue_arn);
    show("PendingConfirmation", "false");
    show("ConfirmationWasAuthenticated", "true");
    show("RawMessageDelivery", if subscription.is_raw { "true" } else { "false" });
    if subscription.filter.is_some() {
        attributes.entry("FilterPolicyScope".to_owned()).or_insert_with(|| "MessageAttributes".to_owned());
    }
    Ok(Xml::default().map("Attributes", attributes.iter()))
}

pub(super) fn set_attribute(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let arn = fields.required("SubscriptionArn")?;
    let name = fields.required("AttributeName")?.to_owned();
    let value = fields.get("AttributeValue").unwrap_or_default().to_owned();
    let topic = topic_of(service, arn).map_err(|_| Error::sns_not_found("Subscription"))?;
    topic.change(|state| {
        let subscriptions = Arc::make_mut(&mut state.subscriptions);
        let subscription = subscriptions.get_mut(id_in(arn)).ok_or_else(|| Error::sns_not_found("Subscription"))?;
        subscription.configure([(&name, &value)].into_iter())
    })?;
    Ok(Xml::default())
}

/// Returns the last part of a subscription's ARN.
fn id_in(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(_, id)| id)
}

/// Returns a subscription's ARN without its last part.
fn topic_arn(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(topic, _)| topic)
}
