//! A message before a queue accepts it. First its own content is checked, then the limits of the
//! queue.

use std::time::Duration;

use uuid::Uuid;

use crate::model::clock::Moment;
use crate::model::core::Core;
use crate::model::dedupe::{self, Accepted};
use crate::model::error::Error;
use crate::model::limits;
use crate::model::md5;
use crate::model::message::{AttributeValue, Attributes, Message, attributes_bytes};
use crate::model::receipt::shown_sequence;

/// A message that no queue has accepted yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) trace_header: Option<AttributeValue>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    pub(crate) delay_s: Option<u64>,
}

/// The answer to a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) message_id: String,
    pub(crate) body_md5: String,
    pub(crate) attributes_md5: Option<String>,
    pub(crate) system_attributes_md5: Option<String>,
    /// The sequence number. Only FIFO queues have one.
    pub(crate) sequence_number: Option<String>,
}

/// A draft whose content is valid, with its checksums, which are computed before the queue is
/// locked.
#[derive(Debug)]
pub(crate) struct Checked {
    draft: Draft,
    message_id: String,
    body_md5: String,
    attributes_md5: Option<String>,
}

impl Draft {
    /// Returns the size of body and attributes in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + attributes_bytes(&self.attributes)
    }

    /// Checks everything that does not depend on the queue.
    pub(crate) fn check(self) -> Result<Checked, Error> {
        if self.body.is_empty() {
            return Err(Error::missing_parameter("MessageBody"));
        }
        if let Some(character) = not_allowed_in(&self.body) {
            let message =
                format!("Invalid binary character '#x{:X}' was found in the message body", u32::from(character));
            return Err(Error::invalid_message_contents(message));
        }
        check_attributes(&self.attributes)?;
        for (name, id) in [("MessageGroupId", &self.group), ("MessageDeduplicationId", &self.deduplication_id)] {
            check_id(name, id.as_deref())?;
        }
        if self.delay_s.is_some_and(|delay_s| delay_s > limits::DELAY_S) {
            let delay_s = self.delay_s.unwrap_or_default();
            let reason = "DelaySeconds must be >= 0 and <= 900";
            return Err(Error::invalid_parameter(format!(
                "Value {delay_s} for parameter DelaySeconds is invalid. Reason: {reason}."
            )));
        }
        Ok(Checked {
            message_id: Uuid::new_v4().hyphenated().to_string(),
            body_md5: md5::of_body(&self.body),
            attributes_md5: md5::of_all(&self.attributes),
            draft: self,
        })
    }
}

impl Checked {
    /// Checks everything that depends on the queue, and adds the message unless it is a duplicate.
    pub(crate) fn send(self, core: &mut Core, now: Moment) -> Result<Sent, Error> {
        let bytes = self.draft.bytes();
        if bytes > core.attributes.message_bytes {
            let most = core.attributes.message_bytes;
            let reason = format!("Message must be shorter than {most} bytes");
            return Err(Error::invalid_parameter(format!("One or more parameters are invalid. Reason: {reason}.")));
        }
        let system_attributes_md5 = self
            .draft
            .trace_header
            .as_ref()
            .and_then(|value| md5::of_attributes([(&TRACE_HEADER.to_owned(), value)].into_iter()));
        let mut sent = Sent {
            message_id: self.message_id.clone(),
            body_md5: self.body_md5.clone(),
            attributes_md5: self.attributes_md5.clone(),
            system_attributes_md5,
            sequence_number: None,
        };
        if core.attributes.is_fifo {
            let accepted = self.send_fifo(core, now)?;
            sent.message_id = accepted.message_id;
            sent.sequence_number = Some(shown_sequence(accepted.sequence));
        } else {
            self.send_standard(core, now)?;
        }
        Ok(sent)
    }

    fn send_standard(self, core: &mut Core, now: Moment) -> Result<(), Error> {
        if self.draft.deduplication_id.is_some() {
            let message = "The request include parameter MessageDeduplicationId which is not valid for this queue type";
            return Err(Error::invalid_parameter(message));
        }
        let delay_s = self.draft.delay_s.unwrap_or(core.attributes.delay_s);
        self.add(core, now, delay_s);
        Ok(())
    }

    fn send_fifo(mut self, core: &mut Core, now: Moment) -> Result<Accepted, Error> {
        let Some(group) = self.draft.group.clone() else {
            return Err(Error::missing_parameter("MessageGroupId"));
        };
        if let Some(delay_s) = self.draft.delay_s.filter(|delay_s| *delay_s > 0) {
            let reason = "The request include parameter that is not valid for this queue type";
            return Err(Error::invalid_parameter(format!(
                "Value {delay_s} for parameter DelaySeconds is invalid. Reason: {reason}."
            )));
        }
        let id = match self.draft.deduplication_id.take() {
            Some(id) => id,
            None if core.attributes.content_based_deduplication => dedupe::id_of_content(&self.draft.body),
            None => {
                let message = "The queue should either have ContentBasedDeduplication enabled or \
                               MessageDeduplicationId provided explicitly";
                return Err(Error::invalid_parameter(message));
            }
        };
        let key = dedupe::key(&id, core.attributes.deduplicates_by_group.then_some(&group));
        if let Some(accepted) = core.dedupe.find(&key, now.epoch_ms).cloned() {
            core.counters.deduplicated += 1;
            return Ok(accepted);
        }
        self.draft.deduplication_id = Some(id);
        let message_id = self.message_id.clone();
        let delay_s = core.attributes.delay_s;
        let accepted = Accepted { message_id, sequence: self.add(core, now, delay_s) };
        core.remember(key, accepted.clone(), now.epoch_ms);
        Ok(accepted)
    }

    fn add(self, core: &mut Core, now: Moment, delay_s: u64) -> u64 {
        let message = Message {
            id: self.message_id,
            body: self.draft.body,
            body_md5: self.body_md5,
            attributes: self.draft.attributes,
            attributes_md5: self.attributes_md5,
            trace_header: self.draft.trace_header.and_then(|value| value.string_value),
            group: self.draft.group,
            deduplication_id: self.draft.deduplication_id,
            sequence: 0,
            sent_ms: now.epoch_ms,
            first_received_ms: None,
            receive_count: 0,
            source_arn: None,
        };
        core.counters.sent += 1;
        core.add(message, (delay_s > 0).then(|| now.instant + Duration::from_secs(delay_s)))
    }
}

/// The only system attribute that senders may set.
pub(crate) const TRACE_HEADER: &str = "AWSTraceHeader";

/// Returns the first character that XML 1.0 does not allow. Bodies and text attributes must not
/// contain such a character.
pub(crate) fn not_allowed_in(text: &str) -> Option<char> {
    let is_allowed = |character: &char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    text.chars().find(|character| !is_allowed(character))
}

/// Checks that an id has 1 to 128 letters, digits or punctuation characters.
pub(crate) fn check_id(name: &str, id: Option<&str>) -> Result<(), Error> {
    let Some(id) = id else { return Ok(()) };
    let is_valid = (1..=limits::ID_CHARACTERS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_valid {
        return Ok(());
    }
    let reason = format!("{name} can only include alphanumeric and punctuation characters. 1 to 128 in length");
    Err(Error::invalid_parameter(format!("Value {id} for parameter {name} is invalid. Reason: {reason}.")))
}

fn check_attributes(attributes: &Attributes) -> Result<(), Error> {
    if attributes.len() > limits::MESSAGE_ATTRIBUTES {
        let count = attributes.len();
        let message = format!("Number of message attributes [{count}] exceeds the allowed maximum [10].");
        return Err(Error::invalid_parameter(message));
    }
    attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))
}

fn check_attribute(name: &str, value: &AttributeValue) -> Result<(), Error> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > 256 || !name.bytes().all(is_valid) {
        let message = format!("Message attribute name '{name}' is not 1 to 256 of a-z, A-Z, 0-9, '_', '-' and '.'.");
        return Err(Error::invalid_parameter(message));
    }
    let text = value.string_value.as_deref().filter(|text| !text.is_empty());
    let is_filled = match value.kind() {
        "String" => text.is_some(),
        "Number" => text.is_some_and(|text| text.parse::<f64>().is_ok()),
        "Binary" => value.binary_value.as_ref().is_some_and(|bytes| !bytes.is_empty()),
        kind => {
            let message = format!("The type '{kind}' of message attribute '{name}' is not String, Number or Binary.");
            return Err(Error::invalid_parameter(message));
        }
    };
    if let Some(character) = value.string_value.as_deref().and_then(not_allowed_in) {
        let code = u32::from(character);
        let message =
            format!("Invalid binary character '#x{code:X}' was found in the message attribute '{name}' value.");
        return Err(Error::invalid_parameter(message));
    }
    if is_filled {
        return Ok(());
    }
    let kind = value.kind();
    Err(Error::invalid_parameter(format!(
        "The message attribute '{name}' must contain a non-empty value of type {kind}."
    )))
}
