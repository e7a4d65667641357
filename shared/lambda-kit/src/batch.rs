//! Batches of a queue, in our words: messages by group, and which of them come back when.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use domain::limits;
use domain::ports::{Error, Receipt, Retries};
use telemetry::{Summary, field, metric};

/// One message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id of it; what a partial failure names.
    pub id: String,
    /// What its visibility is changed by.
    pub receipt: Receipt,
    /// Its FIFO group.
    pub group: String,
    /// How often it has been received, this time included.
    pub receives: u32,
    /// Its message attributes of type String.
    pub attributes: BTreeMap<String, String>,
    /// What it says.
    pub body: String,
}

/// A message that was not handled, and when it comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Which.
    pub message: Message,
    /// When; `None` leaves it to the queue's visibility timeout.
    pub retry_after: Option<Duration>,
}

impl Message {
    /// It comes back after this.
    #[must_use]
    pub fn retry_after(self, pause: Duration) -> Failed {
        Failed { message: self, retry_after: Some(pause) }
    }

    /// Whether it is to be a dead letter after this error: it has been tried often enough.
    #[must_use]
    pub fn is_hopeless_after(&self, error: &Error) -> bool {
        let tries = if error.is_transient() { limits::RECEIVES } else { limits::RECEIVES_IF_REFUSED };
        self.receives >= tries
    }

    /// It comes back soon, and later each time: 0.5 s, 1 s, 2 s, 4 s, then 8 s.
    #[must_use]
    pub fn retry_soon(self) -> Failed {
        let pause = Duration::from_millis(500 << self.receives.saturating_sub(1).min(4));
        self.retry_after(pause)
    }
}

/// The messages of an event, by group, in the queue's order inside each.
#[must_use]
pub fn by_group(event: SqsEvent) -> Vec<Vec<Message>> {
    let mut groups: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for record in event.records {
        let message = message(record);
        groups.entry(message.group.clone()).or_default().push(message);
    }
    groups.into_values().collect()
}

fn message(record: SqsMessage) -> Message {
    let attribute = |name: &str| record.attributes.get(name).cloned().unwrap_or_default();
    Message {
        group: attribute("MessageGroupId"),
        receives: attribute("ApproximateReceiveCount").parse().unwrap_or(1),
        id: record.message_id.unwrap_or_default(),
        receipt: Receipt {
            queue: record
                .event_source_arn
                .as_deref()
                .and_then(|arn| arn.rsplit(':').next())
                .unwrap_or_default()
                .to_owned(),
            handle: record.receipt_handle.unwrap_or_default(),
        },
        attributes: strings(record.message_attributes),
        body: record.body.unwrap_or_default(),
    }
}

fn strings(attributes: HashMap<String, SqsMessageAttribute>) -> BTreeMap<String, String> {
    let text = |(name, value): (String, SqsMessageAttribute)| Some((name, value.string_value?));
    attributes.into_iter().filter_map(text).collect()
}

/// Sets when failed messages come back, then names them to the queue.
///
/// A visibility that cannot be set is no failure: the message comes back at its timeout.
pub async fn report(failed: Vec<Failed>, retries: &impl Retries, summary: &mut Summary) -> SqsBatchResponse {
    summary.add(metric::MESSAGES_FAILED, failed.len() as u64);
    let mut response = SqsBatchResponse::default();
    for Failed { message, retry_after } in failed {
        if let Some(pause) = retry_after
            && let Err(error) = retries.retry_after(&message.receipt, pause).await
        {
            tracing::warn!({ field::MESSAGE_ID.0 } = message.id, { field::ERROR.0 } = %error, "visibility not set");
        }
        response.add_failure(message.id);
    }
    response
}
