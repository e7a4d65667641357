//! Runs the mapping of a queue: pollers receive messages, invoke the function, and delete the
//! messages that succeeded.
//!
//! A poller receives messages only when it can invoke at once, so there are never more invocations
//! than pollers. A group of a FIFO queue that is in flight does not delay the other groups, because
//! the queue locks groups and the mapping does not.
//!
//! Sources: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use local_faults::Faults;
use local_invoke::Invoke;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::endpoint::chain;
use crate::filter::Filters;
use crate::refusal::{ConfigError, Limits};
use crate::settings::{Pace, Settings};
use crate::stats::Counters;

mod deletion;
mod event;
mod poller;
mod scale;

use scale::{Scale, Turn};

/// A mapping from a queue to a function.
#[derive(Debug, Clone)]
pub struct QueueSource {
    /// URL of the queue that the mapping polls.
    pub queue_url: String,
    /// `eventSourceARN` of the records. A name that ends in `.fifo` makes it a FIFO queue.
    pub queue_arn: String,
    /// Name of the function that the mapping invokes.
    pub function: String,
    /// Records in one invocation: 1 to 10, or up to 10,000 for a standard queue with a window.
    pub batch_size: u32,
    /// How long to gather records. Standard queues only; at most 300 s.
    pub batch_window: Duration,
    /// Most concurrent invocations: 2 to 1,000. `None` means AWS's 1,250.
    pub maximum_concurrency: Option<u32>,
    /// True if the function's answer may name records that failed.
    pub report_batch_item_failures: bool,
    /// Event patterns. A message that matches none of them is deleted.
    pub filters: Vec<String>,
    /// The queue's visibility timeout. A throttled batch is retried for this time.
    pub visibility_timeout: Duration,
}

/// Most concurrent invocations of a mapping without `maximum_concurrency`.
const MAX_CONCURRENCY: u32 = 1_250;

const MAX_BATCH_WINDOW_S: u64 = 300;

impl QueueSource {
    /// Creates a mapping with AWS's defaults: batches of ten, no window, no filter.
    #[must_use]
    pub fn new(queue_url: &str, queue_arn: &str, function: &str) -> Self {
        Self {
            queue_url: queue_url.to_owned(),
            queue_arn: queue_arn.to_owned(),
            function: function.to_owned(),
            batch_size: 10,
            batch_window: Duration::ZERO,
            maximum_concurrency: None,
            report_batch_item_failures: false,
            filters: Vec::new(),
            visibility_timeout: Duration::from_secs(30),
        }
    }

    /// Returns whether the queue is a FIFO queue, which locks groups and keeps their order.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.queue_arn.ends_with(".fifo")
    }

    fn check(&self) -> Result<Filters, ConfigError> {
        let limits = Limits { source_name: &self.queue_arn, function: &self.function };
        let (batch_size, window_s) = (u64::from(self.batch_size), self.batch_window.as_secs());
        if self.is_fifo() {
            limits.check("batch size", batch_size, 1..=10, "1 to 10 for a FIFO queue")?;
            limits.check("batch window in seconds", window_s, 0..=0, "0 for a FIFO queue")?;
        }
        limits.check("batch size", batch_size, 1..=10_000, "1 to 10,000")?;
        limits.check("batch window in seconds", window_s, 0..=MAX_BATCH_WINDOW_S, "0 to 300")?;
        if let Some(maximum) = self.maximum_concurrency {
            limits.check("maximum concurrency", maximum.into(), 2..=1_000, "2 to 1,000")?;
        }
        if batch_size > 10 && self.batch_window.is_zero() {
            let (source_name, function) = (self.queue_arn.clone(), self.function.clone());
            return Err(ConfigError::WindowNeeded { source_name, function });
        }
        Filters::parse(&self.filters).map_err(|error| limits.filter(error))
    }
}

/// A mapping and the state of its polling.
pub(crate) struct Mapping<I> {
    source: QueueSource,
    filters: Filters,
    region: String,
    pace: Pace,
    faults: Faults,
    client: aws_sdk_sqs::Client,
    invoker: Arc<I>,
    stop: CancellationToken,
    pub(crate) counters: Arc<Counters>,
    /// Number of receives that failed in a row.
    unavailable: AtomicU32,
}

impl<I: Invoke> Mapping<I> {
    pub(crate) fn new(
        source: QueueSource,
        settings: &Settings,
        client: aws_sdk_sqs::Client,
        invoker: Arc<I>,
        stop: CancellationToken,
    ) -> Result<Self, ConfigError> {
        let filters = source.check()?;
        let counters = Arc::new(Counters::of(&source.queue_arn, &source.function));
        let (region, pace, unavailable) = (settings.region.clone(), settings.pace, AtomicU32::new(0));
        let faults = settings.faults.clone();
        Ok(Self { source, filters, region, pace, faults, client, invoker, stop, counters, unavailable })
    }

    /// Polls until the mapping is stopped, and returns when the last invocation has ended.
    pub(crate) async fn run(self: Arc<Self>) {
        let maximum = self.source.maximum_concurrency.unwrap_or(MAX_CONCURRENCY);
        let mut scale = Scale::new(&self.pace, maximum, self.source.report_batch_item_failures);
        let mut pollers = JoinSet::new();
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.stop.is_cancelled() {
            while pollers.len() < scale.allowed() as usize {
                pollers.spawn(Arc::clone(&self).poll());
            }
            tokio::select! {
                Some(turn) = pollers.join_next() => {
                    // A poller that panicked is a defect of this crate. Another poller replaces it.
                    scale.turn(turn.unwrap_or(Turn::Nothing), self.counters.running());
                }
                _ = seconds.tick() => scale.second(self.counters.running()),
                () = self.stop.cancelled() => {}
            }
        }
        while pollers.join_next().await.is_some() {}
    }

    /// Records that the endpoint did not answer. Returns the pause before the next call.
    fn endpoint_failed(&self, what: &str, error: &(dyn Error + 'static)) -> Duration {
        let failures = self.unavailable.fetch_add(1, Ordering::Relaxed) + 1;
        self.counters.errors.add(1);
        if failures == 1 {
            tracing::warn!(queue = self.source.queue_arn, error = %chain(error), "cannot {what}: the queue is asked again after a pause");
        }
        self.pace.unavailable.after(failures)
    }

    fn endpoint_answered(&self) {
        self.unavailable.store(0, Ordering::Relaxed);
    }
}
