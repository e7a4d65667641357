//! One turn of a poller: it receives messages, invokes the function, and deletes the messages that
//! succeeded.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use local_faults::Fault;
use local_invoke::{Error, Invoke};
use serde_json::Value;
use tokio::time::Instant;

use super::deletion::Receipt;
use super::event;
use super::{Mapping, Turn};
use crate::cut::{self, MAX_EVENT};
use crate::partial::{self, Reported};

/// Messages in one receive.
const MAX_RECEIVE: usize = 10;

/// Extra time after the wait of a receive before the endpoint counts as unavailable.
const RECEIVE_MARGIN: Duration = Duration::from_secs(10);

/// Messages that are invisible to other consumers until `visible_at`.
struct Batch {
    messages: Vec<Held>,
    bytes: usize,
    visible_at: Instant,
}

/// A message with its record, which is already JSON.
struct Held {
    message_id: String,
    receipt: Receipt,
    record: String,
}

impl<I: Invoke> Mapping<I> {
    pub(super) async fn poll(self: Arc<Self>) -> Turn {
        match self.receive_batch().await {
            Some(batch) => self.process(batch).await,
            None => Turn::Nothing,
        }
    }

    /// Waits for messages, and gathers more until the window closes, if there is one.
    async fn receive_batch(&self) -> Option<Batch> {
        let size = self.source.batch_size as usize;
        let first = self.receive(size.min(MAX_RECEIVE), self.pace.queue_wait).await?;
        let received_at = Instant::now();
        let visible_at = received_at + self.source.visibility_timeout;
        let mut batch = Batch { messages: Vec::new(), bytes: 0, visible_at };
        self.hold(first, &mut batch).await;
        let closes_at = received_at + self.source.batch_window;
        while batch.messages.len() < size && batch.bytes < MAX_EVENT {
            let left = closes_at.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.is_cancelled() {
                break;
            }
            let most = MAX_RECEIVE.min(size - batch.messages.len());
            match self.receive(most, left.min(self.pace.queue_wait)).await {
                Some(more) => self.hold(more, &mut batch).await,
                None => continue,
            }
        }
        Some(batch)
    }

    /// Receives once. Returns `None` if there were no messages, or after a pause if the endpoint
    /// failed.
    async fn receive(&self, most: usize, wait: Duration) -> Option<Vec<Message>> {
        let wait_s = i32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(0);
        let request = self
            .client
            .receive_message()
            .queue_url(&self.source.queue_url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(1))
            .wait_time_seconds(wait_s)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        let limit = Duration::from_secs(wait_s.unsigned_abs().into()) + RECEIVE_MARGIN;
        let answer = tokio::select! {
            answer = tokio::time::timeout(limit, request.send()) => answer,
            // Messages that the queue was handing out become visible again.
            () = self.stop.cancelled() => return None,
        };
        let pause = match answer {
            Ok(Ok(answer)) => {
                self.endpoint_answered();
                return Some(answer.messages.unwrap_or_default()).filter(|messages| !messages.is_empty());
            }
            Ok(Err(error)) => self.endpoint_failed("receive messages", &error),
            Err(silence) => self.endpoint_failed("receive messages", &silence),
        };
        self.pause(pause).await;
        None
    }

    /// Adds messages to the batch. Messages that match no filter are deleted at once.
    async fn hold(&self, messages: Vec<Message>, batch: &mut Batch) {
        self.counters.records.add(messages.len());
        let mut unwanted = Vec::new();
        for message in messages {
            let record = event::record(&message, &self.source, &self.region);
            let (message_id, handle) =
                (message.message_id.unwrap_or_default(), message.receipt_handle.unwrap_or_default());
            let receipt = Receipt(handle);
            if self.is_wanted(&record) {
                batch.bytes += record.len();
                batch.messages.push(Held { message_id, receipt, record });
            } else {
                unwanted.push(receipt);
            }
        }
        self.counters.filtered.add(unwanted.len());
        self.delete(unwanted).await;
    }

    fn is_wanted(&self, record: &str) -> bool {
        self.filters.is_empty()
            || serde_json::from_str(record).is_ok_and(|record: Value| self.filters.matches_message(&record))
    }

    /// Invokes the function with the batch, in as many events as its size needs.
    async fn process(&self, batch: Batch) -> Turn {
        let _running = self.counters.run();
        let sizes: Vec<usize> = batch.messages.iter().map(|held| held.record.len()).collect();
        let mut turn = Turn::Done;
        for run in cut::events(&sizes, sizes.len()) {
            let (failed, some_failed) = self.deliver(&batch.messages[run], batch.visible_at).await;
            if failed {
                turn = Turn::Failed;
            }
            // Later messages of a group must not overtake a failed one.
            if some_failed && self.source.is_fifo() {
                break;
            }
        }
        turn
    }

    /// Delivers one event. Returns whether the invocation failed, and whether any of its messages
    /// failed.
    async fn deliver(&self, messages: &[Held], visible_at: Instant) -> (bool, bool) {
        let event = cut::event(messages.iter().map(|held| held.record.as_str()));
        let Some(answer) = self.invoke(event, visible_at).await else { return (true, true) };
        let identifiers: Vec<&str> = messages.iter().map(|held| held.message_id.as_str()).collect();
        let reported = if self.source.report_batch_item_failures {
            partial::read(&answer, &identifiers)
        } else {
            Reported::AllDone
        };
        let failed = match reported {
            Reported::AllDone => Default::default(),
            Reported::Failed(places) => places,
            Reported::NotUnderstood => {
                tracing::warn!(
                    function = self.source.function,
                    "answer to a batch of messages is not valid: all its messages count as failed"
                );
                (0..messages.len()).collect()
            }
        };
        self.counters.failures.add(usize::from(!failed.is_empty()));
        let done = messages.iter().enumerate().filter(|(place, _)| !failed.contains(place));
        let deleted = done.filter(|_| !self.faults.fires(Fault::MessageAgain));
        self.delete(deleted.map(|(_, held)| held.receipt.clone()).collect()).await;
        (false, !failed.is_empty())
    }

    /// Invokes until the invocation is not throttled, or until the messages become visible again.
    async fn invoke(&self, event: bytes::Bytes, visible_at: Instant) -> Option<bytes::Bytes> {
        let function = &self.source.function;
        let mut throttles = 0;
        loop {
            match self.invoker.invoke(function, event.clone()).await {
                Err(Error::Throttled(_)) => {
                    throttles += 1;
                    self.counters.throttles.add(1);
                    let pause = self.pace.throttled.after(throttles);
                    if Instant::now() + pause >= visible_at || !self.pause(pause).await {
                        return None;
                    }
                }
                Ok(answer) => {
                    self.counters.batches.add(1);
                    return Some(answer).filter(|_| !self.faults.fires(Fault::BatchAgain));
                }
                Err(error) => {
                    self.counters.batches.add(usize::from(matches!(error, Error::Failed { .. })));
                    self.counters.failures.add(1);
                    tracing::debug!(function, %error, "invocation failed: the batch becomes visible again after its visibility timeout");
                    return None;
                }
            }
        }
    }

    /// Waits for `pause`. Returns `false` if the mapping was stopped meanwhile.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }
}
