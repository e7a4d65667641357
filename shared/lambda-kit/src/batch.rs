//! Batches of a queue: messages by group, those that failed, and when they return.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use domain::ports::{Clock, Error, Receipt, Retries};
use domain::{Retry, Timestamp, limits, retry_pause};
use futures::future::join_all;
use telemetry::{Summary, field, metric};

use crate::deadline::Deadline;

/// One message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id of the message. A partial failure names it.
    pub id: String,
    /// The receipt by which its visibility is changed.
    pub receipt: Receipt,
    /// Its FIFO group.
    pub group: String,
    /// The number of its receives, this one included.
    pub receives: u32,
    /// The time of its first receive. A message that waits behind others is not received, so
    /// waiting does not make it fail.
    pub first_received_at: Timestamp,
    /// Its message attributes of type String.
    pub attributes: BTreeMap<String, String>,
    /// The content, as it was sent.
    pub body: String,
}

/// A message that was not handled, and the pause before it returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The message that returns.
    pub message: Message,
    /// The pause; `None` leaves it to the queue's visibility timeout.
    pub retry_after: Option<Duration>,
}

impl Message {
    /// Returns the message to its queue after this pause.
    #[must_use]
    pub fn retry_after(self, pause: Duration) -> Failed {
        Failed { message: self, retry_after: Some(pause) }
    }

    /// Decides whether the message is tried again after this error, or becomes a dead letter.
    #[must_use]
    pub fn next_after(&self, error: &Error, now: Timestamp) -> Retry {
        Retry::after(error, self.receives, now.since(self.first_received_at))
    }

    /// Returns the message to its queue after a pause that grows with its receives.
    #[must_use]
    pub fn retry_soon(self) -> Failed {
        let pause = retry_pause(self.receives);
        self.retry_after(pause)
    }
}

/// The result for messages that failed.
#[derive(Debug, Default)]
pub struct GivenBack {
    /// Messages that return to their queue.
    pub failed: Vec<Failed>,
    /// The number of messages that became dead letters.
    pub buried: u64,
}

impl GivenBack {
    /// Returns the failed messages, and the messages behind them that were not begun. Those return
    /// after the same pause as the failed ones, or at once if all failed messages became dead
    /// letters.
    #[must_use]
    pub fn with_behind(mut self, behind: impl IntoIterator<Item = Message>) -> Vec<Failed> {
        match self.failed.last().map(|last| last.retry_after) {
            None => return_in_order(behind),
            Some(retry_after) => {
                self.failed.extend(behind.into_iter().map(|message| Failed { message, retry_after }));
                self.failed
            }
        }
    }
}

/// Returns failed messages of one group to their queue, in order. Messages at their front that are
/// given up become dead letters through `bury`. If `bury` cannot write the letter, it returns the
/// message: then this message returns to the queue, and all messages behind it.
pub async fn give_back<T, F: Future<Output = Option<Failed>>>(
    messages: Vec<(Message, T)>,
    error: &Error,
    now: Timestamp,
    bury: impl Fn(Message, T) -> F,
) -> GivenBack {
    let mut given_back = GivenBack::default();
    let mut messages = messages.into_iter();
    while let Some((message, content)) = messages.next() {
        let unburied = match message.next_after(error, now) {
            Retry::After(pause) => Some(message.retry_after(pause)),
            Retry::GiveUp => bury(message, content).await,
        };
        let Some(first) = unburied else {
            given_back.buried += 1;
            continue;
        };
        given_back.failed = hold_back(first, messages.map(|(message, _)| message));
        return given_back;
    }
    given_back
}

/// Returns a message and all messages behind it in its group after the same pause: a group is
/// locked until each of its messages in flight is visible again.
pub fn hold_back(first: Failed, behind: impl IntoIterator<Item = Message>) -> Vec<Failed> {
    let retry_after = first.retry_after;
    let behind = behind.into_iter().map(|message| Failed { message, retry_after });
    std::iter::once(first).chain(behind).collect()
}

/// Returns messages of one group that were not begun. They can be received at once, in the same
/// order.
pub fn return_in_order(messages: impl IntoIterator<Item = Message>) -> Vec<Failed> {
    messages.into_iter().map(|message| message.retry_after(Duration::ZERO)).collect()
}

/// Works off all groups of a batch at the same time. A group that is not done shortly before the
/// deadline is stopped, and its messages return; the other groups are not affected.
pub async fn work_off<T: Default, F: Future<Output = (Vec<Failed>, T)>>(
    groups: Vec<Vec<Message>>,
    deadline: Deadline,
    clock: &impl Clock,
    work: impl Fn(Vec<Message>) -> F,
) -> (Vec<Failed>, Vec<T>) {
    let all = deadline.left(clock.now(), Duration::ZERO);
    let reserve = limits::REPORT_TIME.min(all / 10);
    let groups = groups.into_iter().map(|messages| {
        let kept = messages.clone();
        let done = deadline.cut(clock, reserve, work(messages));
        async { done.await.unwrap_or_else(|| (stop(kept), T::default())) }
    });
    let (failed, tallies): (Vec<_>, Vec<_>) = join_all(groups).await.into_iter().unzip();
    (failed.into_iter().flatten().collect(), tallies)
}

/// Returns the messages of a group whose work took too long.
fn stop(messages: Vec<Message>) -> Vec<Failed> {
    let count = messages.len();
    let mut messages = messages.into_iter();
    let Some(first) = messages.next() else { return Vec::new() };
    let first = first.retry_soon();
    tracing::error!(
        { field::MESSAGE_ID.0 } = first.message.id,
        "work on a group was stopped at the deadline; its {count} messages return to the queue"
    );
    hold_back(first, messages)
}

/// Splits the messages of an event by group, in the queue's order inside each group.
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
        first_received_at: first_received_at(&attribute("ApproximateFirstReceiveTimestamp")),
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

/// Parses a time. An unreadable time counts as the latest possible, so that no message is given up
/// because of it.
fn first_received_at(text: &str) -> Timestamp {
    Timestamp::from_ms(text.parse().unwrap_or(u64::MAX))
}

fn strings(attributes: HashMap<String, SqsMessageAttribute>) -> BTreeMap<String, String> {
    let text = |(name, value): (String, SqsMessageAttribute)| Some((name, value.string_value?));
    attributes.into_iter().filter_map(text).collect()
}

/// Sets when failed messages return, then names them to the queue.
///
/// A message whose visibility cannot be set in time returns at its visibility timeout.
pub async fn report(
    failed: Vec<Failed>,
    retries: &impl Retries,
    deadline: Deadline,
    clock: &impl Clock,
    summary: &mut Summary,
) -> SqsBatchResponse {
    summary.add(metric::MESSAGES_FAILED, failed.len() as u64);
    let set = async |failed: &Failed| {
        let Failed { message, retry_after: Some(pause) } = failed else { return };
        if let Err(error) = retries.retry_after(&message.receipt, *pause).await {
            tracing::warn!(
                { field::MESSAGE_ID.0 } = message.id,
                { field::ERROR.0 } = %error,
                "could not set the visibility of a failed message; it returns at its visibility timeout"
            );
        }
    };
    let _ = deadline.cut(clock, limits::REPORT_TIME / 2, join_all(failed.iter().map(set))).await;
    let mut response = SqsBatchResponse::default();
    failed.into_iter().for_each(|failed| response.add_failure(failed.message.id));
    response
}
