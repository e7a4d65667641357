//! Queues, as an operator uses them: state, receive, send again, delete.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName,
};
use domain::Timestamp;
use domain::ports::Result;

use crate::account::{Account, one_retry, service_config, time_limits};
use crate::errors::{translate, undone, unreadable};
use crate::queues::QUEUE_TIMEOUT;

const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_200);
/// Messages that one `ReceiveMessage` returns at most.
const MESSAGES_PER_RECEIVE: i32 = 10;
/// A receive that waits a second asks all servers of the queue. One that does not wait may miss
/// messages.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html>
const RECEIVE_WAIT_S: i32 = 1;

/// Queues by their URLs.
#[derive(Debug, Clone)]
pub struct OperatorQueues {
    client: Client,
}

/// The settings of a queue, and how many messages it has. SQS counts approximately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that were received and not deleted yet.
    pub in_flight: u64,
    /// Messages that can be received later.
    pub delayed: u64,
    /// The visibility timeout in seconds.
    pub visibility_timeout_s: u64,
    /// The time in seconds that a message is kept.
    pub retention_s: u64,
    /// The name of the queue's dead-letter queue.
    pub dead_letter_queue: Option<String>,
}

/// A message that was received. It is hidden from other receivers for a time.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// The id that SQS gave the message. It stays the same if the message is received again.
    pub id: String,
    /// The time when the message was sent to this queue.
    pub sent_at: Timestamp,
    /// The FIFO group.
    pub group: Option<String>,
    /// The body, unchanged.
    pub body: String,
    handle: String,
    attributes: HashMap<String, MessageAttributeValue>,
}

impl StoredMessage {
    /// Returns a message attribute of type String.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.string_value()
    }
}

/// A message to send to another queue.
#[derive(Debug, Clone)]
pub struct MessageCopy<'a> {
    /// The body of the new message.
    pub body: &'a str,
    /// The FIFO group. It is ignored for other queues.
    pub group: &'a str,
    /// The FIFO deduplication id. It is ignored for other queues.
    pub deduplication_id: &'a str,
    /// The message whose message attributes the copy has too.
    pub attributes_of: Option<&'a StoredMessage>,
}

impl OperatorQueues {
    /// Uses the queues of this account.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        // A receive waits a second.
        let limits = time_limits(2 * QUEUE_TIMEOUT, 2 * ATTEMPT_TIMEOUT);
        let config = service_config!(aws_sdk_sqs, account, account.endpoint(), limits, one_retry());
        Self { client: Client::from_conf(config) }
    }

    /// Reads the state of a queue.
    ///
    /// # Errors
    /// Errors of SQS, such as a missing permission.
    pub async fn state(&self, url: &str) -> Result<QueueState> {
        const OPERATION: &str = "SQS GetQueueAttributes";
        let call = self.client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
        let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let number = |name: QueueAttributeName| {
            let text = attributes.get(&name).map(String::as_str).unwrap_or_default();
            text.parse::<u64>().map_err(|_| unreadable(OPERATION, format_args!("{name} is {text:?}")))
        };
        Ok(QueueState {
            visible: number(QueueAttributeName::ApproximateNumberOfMessages)?,
            in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)?,
            delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed)?,
            visibility_timeout_s: number(QueueAttributeName::VisibilityTimeout)?,
            retention_s: number(QueueAttributeName::MessageRetentionPeriod)?,
            dead_letter_queue: attributes.get(&QueueAttributeName::RedrivePolicy).and_then(|policy| target(policy)),
        })
    }

    /// Receives up to ten messages, and hides them from other receivers. Empty at the end of the
    /// queue. Messages of a FIFO group are not returned while earlier ones are hidden.
    ///
    /// # Errors
    /// Errors of SQS, such as a missing permission.
    pub async fn receive(&self, url: &str, hidden_for: Duration) -> Result<Vec<StoredMessage>> {
        const OPERATION: &str = "SQS ReceiveMessage";
        let call = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(MESSAGES_PER_RECEIVE)
            .wait_time_seconds(RECEIVE_WAIT_S)
            .visibility_timeout(i32::try_from(hidden_for.as_secs()).unwrap_or(i32::MAX))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
        answer.messages.unwrap_or_default().into_iter().map(stored).collect()
    }

    /// Makes received messages visible again.
    ///
    /// # Errors
    /// Errors of SQS. The messages are visible again when their time is over.
    pub async fn release(&self, url: &str, messages: &[StoredMessage]) -> Result<()> {
        const OPERATION: &str = "SQS ChangeMessageVisibilityBatch";
        for batch in messages.chunks(MESSAGES_PER_RECEIVE as usize) {
            let entries = batch.iter().enumerate().map(|(at, message)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
                let entry = entry.receipt_handle(&message.handle).visibility_timeout(0).build();
                entry.map_err(|error| unreadable(OPERATION, error))
            });
            let entries = entries.collect::<Result<Vec<_>>>()?;
            let call = self.client.change_message_visibility_batch().queue_url(url).set_entries(Some(entries));
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            if let Some(failed) = answer.failed().first() {
                return Err(undone(OPERATION, failed.code()));
            }
        }
        Ok(())
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Errors of SQS. After a timeout the message may have been sent.
    pub async fn send(&self, url: &str, copy: &MessageCopy<'_>) -> Result<()> {
        let attributes = copy.attributes_of.map(|message| message.attributes.clone());
        let call = self.client.send_message().queue_url(url).message_body(copy.body);
        let mut call = call.set_message_attributes(attributes);
        if url.ends_with(".fifo") {
            call = call.message_group_id(copy.group).message_deduplication_id(copy.deduplication_id);
        }
        call.send().await.map(drop).map_err(|error| translate("SQS SendMessage", &error))
    }

    /// Deletes a received message.
    ///
    /// # Errors
    /// Errors of SQS. The message then comes again.
    pub async fn delete(&self, url: &str, message: &StoredMessage) -> Result<()> {
        let call = self.client.delete_message().queue_url(url).receipt_handle(&message.handle);
        call.send().await.map(drop).map_err(|error| translate("SQS DeleteMessage", &error))
    }
}

/// Reads the name of the dead-letter queue from a redrive policy.
fn target(policy: &str) -> Option<String> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    policy["deadLetterTargetArn"].as_str()?.rsplit(':').next().map(str::to_owned)
}

fn stored(message: Message) -> Result<StoredMessage> {
    const OPERATION: &str = "SQS ReceiveMessage";
    let system = message.attributes.unwrap_or_default();
    let sent_at = system.get(&MessageSystemAttributeName::SentTimestamp).and_then(|ms| ms.parse().ok());
    let missing = |name: &str| unreadable(OPERATION, format_args!("a message has no {name}"));
    Ok(StoredMessage {
        id: message.message_id.ok_or_else(|| missing("id"))?,
        sent_at: Timestamp::from_ms(sent_at.ok_or_else(|| missing("SentTimestamp"))?),
        group: system.get(&MessageSystemAttributeName::MessageGroupId).cloned(),
        body: message.body.unwrap_or_default(),
        handle: message.receipt_handle.ok_or_else(|| missing("receipt handle"))?,
        attributes: message.message_attributes.unwrap_or_default(),
    })
}
