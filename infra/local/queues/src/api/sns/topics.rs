//! Creates, lists, configures, tags and deletes topics.

use std::collections::BTreeMap;

use super::query::Fields;
use super::topic_of;
use super::xml::Xml;
use crate::model::error::Error;
use crate::model::limits;
use crate::store::service::Service;
use crate::store::topic::{Topic, TopicState, check_name};

pub(super) fn create(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let (name, attributes) = (fields.required("Name")?, fields.map("Attributes"));
    if name.ends_with(".fifo") && !attributes.contains_key("FifoTopic") {
        return Err(Error::sns_invalid("Topic Name: names that end with .fifo need the attribute FifoTopic"));
    }
    let arn = ensure(service, name, &attributes)?;
    let tags = tags_in(fields);
    if !tags.is_empty() {
        topic_of(service, &arn)?.change(|state| state.tags.extend(tags));
    }
    Ok(Xml::default().text("TopicArn", &arn))
}

/// Creates a topic, or finds it if it has these attributes. Returns its ARN.
pub(crate) fn ensure(service: &Service, name: &str, attributes: &BTreeMap<String, String>) -> Result<String, Error> {
    check_name(name)?;
    let is_fifo = name.ends_with(".fifo");
    let mut state = TopicState::default();
    for (attribute, value) in attributes {
        state.set(is_fifo, attribute, value)?;
    }
    let wanted = state.attributes.clone();
    let arn = service.config().topic_arn(name);
    let create = || Topic::create(service.next_id(), name, &arn, state, service.journal());
    let topic = service.topics().ensure(name, create);
    let existing = topic.state();
    if wanted.iter().any(|(attribute, value)| existing.attributes.get(attribute) != Some(value)) {
        return Err(Error::sns_invalid("Attributes Reason: Topic already exists with different attributes"));
    }
    Ok(topic.arn.clone())
}

/// Deletes a topic. A topic that does not exist is no error.
pub(super) fn delete(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    match topic_of(service, fields.required("TopicArn")?) {
        Ok(topic) => service.topics().remove(&topic.name),
        Err(error) if error.code == "NotFound" => {}
        Err(error) => return Err(error),
    }
    Ok(Xml::default())
}

pub(super) fn list(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let after = fields.get("NextToken").unwrap_or_default();
    let arns = service.topics().all().into_iter().map(|topic| topic.arn.clone()).filter(|arn| arn.as_str() > after);
    Ok(page(arns.collect(), "Topics", |xml, arn| xml.text("TopicArn", arn), |arn| arn))
}

/// Builds a page of up to a hundred members of a list, and the token of the next page.
pub(super) fn page<T>(all: Vec<T>, list: &str, show: impl Fn(Xml, &T) -> Xml, token: impl Fn(&T) -> &str) -> Xml {
    let shown = &all[..all.len().min(limits::PAGE)];
    let xml = Xml::default()
        .element(list, |xml| shown.iter().fold(xml, |xml, member| xml.element("member", |xml| show(xml, member))));
    match shown.last().filter(|_| all.len() > limits::PAGE) {
        Some(last) => xml.text("NextToken", token(last)),
        None => xml,
    }
}

pub(super) fn attributes(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let topic = topic_of(service, fields.required("TopicArn")?)?;
    let state = topic.state();
    let mut attributes = state.attributes.clone();
    let mut show = |name: &str, value: String| drop(attributes.insert(name.to_owned(), value));
    show("TopicArn", topic.arn.clone());
    show("Owner", service.config().account_id.clone());
    show("SubscriptionsConfirmed", state.subscriptions.len().to_string());
    show("SubscriptionsPending", "0".to_owned());
    show("SubscriptionsDeleted", "0".to_owned());
    attributes.entry("DisplayName".to_owned()).or_default();
    if topic.is_fifo() {
        attributes.insert("FifoTopic".to_owned(), "true".to_owned());
        attributes.entry("ContentBasedDeduplication".to_owned()).or_insert_with(|| "false".to_owned());
    }
    Ok(Xml::default().map("Attributes", attributes.iter()))
}

pub(super) fn set_attribute(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let topic = topic_of(service, fields.required("TopicArn")?)?;
    let value = fields.get("AttributeValue").unwrap_or_default();
    let name = fields.required("AttributeName")?;
    topic.change(|state| state.set(topic.is_fifo(), name, value))?;
    Ok(Xml::default())
}

pub(super) fn tag(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    topic_of(service, fields.required("ResourceArn")?)?.change(|state| state.tags.extend(tags_in(fields)));
    Ok(Xml::default())
}

pub(super) fn untag(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let keys = fields.texts("TagKeys.member");
    let topic = topic_of(service, fields.required("ResourceArn")?)?;
    topic.change(|state| state.tags.retain(|key, _| !keys.contains(&key.as_str())));
    Ok(Xml::default())
}

pub(super) fn tags(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let topic = topic_of(service, fields.required("ResourceArn")?)?;
    let tags = topic.state().tags.clone();
    Ok(Xml::default().element("Tags", |xml| {
        tags.iter()
            .fold(xml, |xml, (key, value)| xml.element("member", |member| member.text("Key", key).text("Value", value)))
    }))
}

fn tags_in(fields: &Fields<'_>) -> BTreeMap<String, String> {
    let members = fields.members("Tags.member");
    members.filter_map(|tag| Some((tag.get("Key")?.to_owned(), tag.get("Value")?.to_owned()))).collect()
}
