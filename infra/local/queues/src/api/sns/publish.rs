//! `Publish` and `PublishBatch`, which deliver from a topic to queues.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::envelope::Envelope;
use super::query::Fields;
use super::topic_of;
use super::xml::Xml;
use crate::model::dedupe::{self, Accepted};
use crate::model::draft::{Draft, check_id, not_allowed_in};
use crate::model::error::Error;
use crate::model::limits;
use crate::model::message::{Attributes, attributes_bytes};
use crate::model::subscription::Subscription;
use crate::store::service::Service;
use crate::store::topic::{Topic, TopicState};

/// The content of one publication.
#[derive(Debug)]
struct Publication<'a> {
    message: &'a str,
    /// The part of a structured message for queues, or else the message.
    for_queues: String,
    subject: Option<&'a str>,
    attributes: Attributes,
    group: Option<&'a str>,
    deduplication_id: Option<&'a str>,
}

/// The answer to the publisher.
struct Published {
    message_id: String,
    sequence_number: Option<String>,
}

pub(super) fn one(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let arn =
        fields.get("TopicArn").or_else(|| fields.get("TargetArn")).ok_or_else(|| Error::sns_invalid("TopicArn"))?;
    let topic = topic_of(service, arn)?;
    let publication = Publication::read(fields)?;
    if publication.bytes() > limits::SNS_MESSAGE_BYTES {
        return Err(Error::sns_invalid("Message too long"));
    }
    Ok(publication.publish(service, &topic)?.show(Xml::default()))
}

pub(super) fn batch(service: &Service, fields: &Fields<'_>) -> Result<Xml, Error> {
    let topic = topic_of(service, fields.required("TopicArn")?)?;
    let entries: Vec<Fields<'_>> = fields.members("PublishBatchRequestEntries.member").collect();
    check_batch(&entries)?;
    let publications: Vec<_> = entries.iter().map(|entry| (id_of(entry), Publication::read(entry))).collect();
    let bytes: usize = publications.iter().filter_map(|(_, read)| read.as_ref().ok()).map(Publication::bytes).sum();
    if bytes > limits::SNS_MESSAGE_BYTES {
        let message = "The length of all the messages put together is more than the limit.";
        return Err(Error::sns_batch("BatchRequestTooLong", message));
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, publication) in publications {
        match publication.and_then(|publication| publication.publish(service, &topic)) {
            Ok(published) => successful.push((id, published)),
            Err(error) => failed.push((id, error)),
        }
    }
    let succeeded =
        |xml: Xml, (id, published): &(&str, Published)| xml.element("member", |xml| published.show(xml.text("Id", id)));
    let refused = |xml: Xml, (id, error): &(&str, Error)| {
        let show = |xml: Xml| xml.text("Id", id).text("Code", error.code).text("Message", &error.message);
        xml.element("member", |xml| show(xml).text("SenderFault", "true"))
    };
    Ok(Xml::default()
        .element("Successful", |xml| successful.iter().fold(xml, succeeded))
        .element("Failed", |xml| failed.iter().fold(xml, refused)))
}

fn id_of<'a>(entry: &Fields<'a>) -> &'a str {
    entry.get("Id").unwrap_or_default()
}

fn check_batch(entries: &[Fields<'_>]) -> Result<(), Error> {
    if entries.is_empty() {
        return Err(Error::sns_batch("EmptyBatchRequest", "The batch request doesn't contain any entries."));
    }
    if entries.len() > limits::BATCH_ENTRIES {
        let message = "The batch request contains more entries than permissible.";
        return Err(Error::sns_batch("TooManyEntriesInBatchRequest", message));
    }
    let mut ids = HashSet::new();
    for id in entries.iter().map(id_of) {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if id.is_empty() || id.len() > limits::ENTRY_ID_CHARACTERS || !id.bytes().all(is_valid) {
            let message = "The Id of a batch entry in a batch request doesn't abide by the specification.";
            return Err(Error::sns_batch("InvalidBatchEntryId", message));
        }
        if !ids.insert(id) {
            let message = "Two or more batch entries in the request have the same Id.";
            return Err(Error::sns_batch("BatchEntryIdsNotDistinct", message));
        }
    }
    Ok(())
}

impl Published {
    fn show(&self, xml: Xml) -> Xml {
        let xml = xml.text("MessageId", &self.message_id);
        match &self.sequence_number {
            Some(number) => xml.text("SequenceNumber", number),
            None => xml,
        }
    }
}

impl<'a> Publication<'a> {
    fn read(fields: &Fields<'a>) -> Result<Self, Error> {
        let message = fields.get("Message").filter(|message| !message.is_empty());
        let message = message.ok_or_else(|| Error::sns_invalid("Empty message"))?;
        let subject = fields.get("Subject");
        if subject.is_some_and(|subject| subject.is_empty() || subject.len() > 100 || subject.contains(['\n', '\r'])) {
            return Err(Error::sns_invalid("Subject"));
        }
        let for_queues = match fields.get("MessageStructure") {
            Some("json") => structured(message)?,
            _ => message.to_owned(),
        };
        let attributes = fields.message_attributes()?;
        check_characters("Message", &for_queues)?;
        check_characters("Subject", subject.unwrap_or_default())?;
        for (name, value) in &attributes {
            let text = value.string_value.as_deref().unwrap_or_default();
            check_characters(&format!("MessageAttributes '{name}'"), text)?;
        }
        let (group, deduplication_id) = (fields.get("MessageGroupId"), fields.get("MessageDeduplicationId"));
        for (name, id) in [("MessageGroupId", group), ("MessageDeduplicationId", deduplication_id)] {
            check_id(name, id).map_err(|error| Error::sns_invalid(error.message))?;
        }
        Ok(Self { message, for_queues, subject, attributes, group, deduplication_id })
    }

    fn bytes(&self) -> usize {
        self.message.len() + attributes_bytes(&self.attributes)
    }

    fn publish(&self, service: &Service, topic: &Topic) -> Result<Published, Error> {
        let message_id = Uuid::new_v4().hyphenated().to_string();
        if topic.is_fifo() {
            return self.publish_fifo(service, topic, message_id);
        }
        if self.deduplication_id.is_some() {
            let message = "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is \
                           not valid for this topic type";
            return Err(Error::sns_invalid(message));
        }
        let subscriptions = {
            let mut state = topic.state();
            state.stats.published += 1;
            Arc::clone(&state.subscriptions)
        };
        let tally = self.deliver(service, topic, &subscriptions, &message_id, None, None);
        tally.add_to(&mut topic.state());
        Ok(Published { message_id, sequence_number: None })
    }

    /// Publishes to a FIFO topic. Its publications are delivered one at a time, so that queues
    /// receive them in order.
    fn publish_fifo(&self, service: &Service, topic: &Topic, message_id: String) -> Result<Published, Error> {
        let Some(group) = self.group else {
            return Err(Error::sns_invalid("The MessageGroupId parameter is required for FIFO topics"));
        };
        let mut state = topic.state();
        let id = match self.deduplication_id {
            Some(id) => id.to_owned(),
            None if state.deduplicates_by_content() => dedupe::id_of_content(self.message),
            None => {
                let message = "The topic should either have ContentBasedDeduplication enabled or \
                               MessageDeduplicationId provided explicitly";
                return Err(Error::sns_invalid(message));
            }
        };
        let key = dedupe::key(&id, state.deduplicates_by_group().then_some(group));
        let now_ms = service.clock().now().epoch_ms;
        if let Some(Accepted { message_id, sequence }) = state.dedupe.find(&key, now_ms).cloned() {
            state.stats.deduplicated += 1;
            return Ok(Published { message_id, sequence_number: Some(shown_sequence(sequence)) });
        }
        state.last_sequence += 1;
        state.stats.published += 1;
        let accepted = Accepted { message_id: message_id.clone(), sequence: state.last_sequence };
        let number = shown_sequence(accepted.sequence);
        let subscriptions = Arc::clone(&state.subscriptions);
        let tally = self.deliver(service, topic, &subscriptions, &message_id, Some(&number), Some(&id));
        tally.add_to(&mut state);
        topic.remember(&mut state, key, accepted, now_ms);
        Ok(Published { message_id, sequence_number: Some(number) })
    }

    fn deliver(
        &self,
        service: &Service,
        topic: &Topic,
        subscriptions: &std::collections::BTreeMap<String, Subscription>,
        message_id: &str,
        number: Option<&str>,
        deduplication_id: Option<&str>,
    ) -> Tally {
        let mut tally = Tally::default();
        for subscription in subscriptions.values() {
            let filter = subscription.filter.as_ref();
            if filter.is_some_and(|filter| !filter.admits(&self.for_queues, &self.attributes)) {
                tally.filtered += 1;
                continue;
            }
            let draft = self.draft(service, topic, subscription, message_id, number);
            match put(service, &subscription.queue_arn, draft, deduplication_id) {
                Some(Ok(())) => tally.delivered += 1,
                Some(Err(_)) | None => tally.undeliverable += 1,
            }
        }
        tally
    }

    fn draft(
        &self,
        service: &Service,
        topic: &Topic,
        subscription: &Subscription,
        message_id: &str,
        number: Option<&str>,
    ) -> Draft {
        let group = self.group.map(str::to_owned);
        if subscription.is_raw {
            let (body, attributes) = (self.for_queues.clone(), self.attributes.clone());
            return Draft { body, attributes, group, ..Draft::default() };
        }
        let envelope = Envelope {
            base_url: service.config().base_url.trim_end_matches('/'),
            message_id,
            sequence_number: number,
            topic_arn: &topic.arn,
            subscription_arn: &subscription.arn,
            subject: self.subject,
            message: &self.for_queues,
            published_ms: service.clock().now().epoch_ms,
            attributes: &self.attributes,
        };
        Draft { body: envelope.write(), group, ..Draft::default() }
    }
}

/// Adds a message to a queue. A standard queue ignores deduplication ids, and also the group of a
/// message from a FIFO topic.
fn put(
    service: &Service,
    queue_arn: &str,
    mut draft: Draft,
    deduplication_id: Option<&str>,
) -> Option<Result<(), Error>> {
    let queue = service.queue_of_arn(queue_arn)?;
    if queue.name.ends_with(".fifo") {
        draft.deduplication_id = deduplication_id.map(str::to_owned);
    } else if deduplication_id.is_some() {
        draft.group = None;
    }
    Some(draft.check().and_then(|checked| queue.with(|core, now| checked.send(core, now))).map(|_| ()))
}

/// The number of deliveries of one publication by their result.
#[derive(Debug, Default)]
struct Tally {
    delivered: u64,
    filtered: u64,
    undeliverable: u64,
}

impl Tally {
    fn add_to(&self, state: &mut TopicState) {
        state.stats.delivered += self.delivered;
        state.stats.filtered += self.filtered;
        state.stats.undeliverable += self.undeliverable;
    }
}

/// Refuses a character that no queue accepts. Without this check the queue would refuse it after
/// the publisher has its answer, and the publisher would not learn of it.
fn check_characters(parameter: &str, text: &str) -> Result<(), Error> {
    match not_allowed_in(text) {
        None => Ok(()),
        Some(character) => {
            let code = u32::from(character);
            let message = format!(
                "{parameter} Reason: Invalid character #x{code:X}, which no queue accepts; JSON can say \\u{code:04X}"
            );
            Err(Error::sns_invalid(message))
        }
    }
}

/// Parses a structured message such as `{"default": "…", "sqs": "…"}`.
fn structured(message: &str) -> Result<String, Error> {
    let Ok(Value::Object(parts)) = serde_json::from_str(message) else {
        return Err(Error::sns_invalid("Message Structure - JSON message body failed to parse"));
    };
    let text = |name: &str| parts.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(default) = text("default") else {
        return Err(Error::sns_invalid("Message Structure - No default entry in JSON message body"));
    };
    Ok(text("sqs").unwrap_or(default))
}

/// Formats a sequence number for publishers and queues: 20 digits that grow.
fn shown_sequence(sequence: u64) -> String {
    const FIRST: u64 = 10_000_000_000_000_000_000;
    (FIRST + sequence).to_string()
}
