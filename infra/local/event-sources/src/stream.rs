//! Runs the mapping of a stream: finds its shards and reads each shard in order.
//!
//! Sources: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-errors.html>

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use local_faults::Faults;
use local_invoke::Invoke;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checkpoints::Checkpoints;
use crate::endpoint::chain;
use crate::filter::Filters;
use crate::refusal::{ConfigError, Limits};
use crate::settings::{Clients, Pace, Settings};
use crate::stats::Counters;

mod event;
mod lane;
mod lineage;
mod on_failure;
mod progress;
mod reader;
mod retry;
mod shard;

use lineage::Lineage;

/// A mapping from a DynamoDB stream to a function.
#[derive(Debug, Clone)]
pub struct StreamSource {
    /// ARN of the stream that the mapping polls.
    pub stream_arn: String,
    /// `eventSourceARN` of the records. It differs from `stream_arn` if the endpoint uses ARNs of
    /// its own.
    pub event_source_arn: String,
    /// Name of the function that the mapping invokes.
    pub function: String,
    /// Records in one invocation: 1 to 10,000.
    pub batch_size: u32,
    /// How long to gather records; at most 300 s.
    pub batch_window: Duration,
    /// Concurrent batches of one shard: 1 to 10. The order of each item's records is kept.
    pub parallelization_factor: u32,
    /// Event patterns. A record that matches none of them is skipped.
    pub filters: Vec<String>,
    /// Position of the first read of a shard without a checkpoint.
    pub starting_position: StartingPosition,
    /// Retries of a batch that failed: up to 10,000. `None` means no limit.
    pub maximum_retry_attempts: Option<u32>,
    /// Age at which records are given up: 60 s to 7 days. `None` means no limit.
    pub maximum_record_age: Option<Duration>,
    /// True if a failed batch is split in two. A split does not count as a retry.
    pub bisect_batch_on_function_error: bool,
    /// True if the function's answer may name the record at which it failed.
    pub report_batch_item_failures: bool,
    /// Queue that receives a message about records that were given up.
    pub on_failure_queue_url: Option<String>,
}

/// Position of the first read of a shard without a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// The oldest record in the shard.
    TrimHorizon,
    /// The first record that was written after the mapping started.
    Latest,
}

const MAX_BATCH_WINDOW_S: u64 = 300;
const RECORD_AGE_S: std::ops::RangeInclusive<u64> = 60..=604_800;

impl StreamSource {
    /// Creates a mapping with AWS's defaults: batches of 100 from the oldest record on, and no
    /// limit of retries.
    #[must_use]
    pub fn new(stream_arn: &str, function: &str) -> Self {
        Self {
            stream_arn: stream_arn.to_owned(),
            event_source_arn: stream_arn.to_owned(),
            function: function.to_owned(),
            batch_size: 100,
            batch_window: Duration::ZERO,
            parallelization_factor: 1,
            filters: Vec::new(),
            starting_position: StartingPosition::TrimHorizon,
            maximum_retry_attempts: None,
            maximum_record_age: None,
            bisect_batch_on_function_error: false,
            report_batch_item_failures: false,
            on_failure_queue_url: None,
        }
    }

    fn check(&self) -> Result<Filters, ConfigError> {
        let limits = Limits { source_name: &self.event_source_arn, function: &self.function };
        limits.check("batch size", self.batch_size.into(), 1..=10_000, "1 to 10,000")?;
        limits.check("batch window in seconds", self.batch_window.as_secs(), 0..=MAX_BATCH_WINDOW_S, "0 to 300")?;
        limits.check("parallelization factor", self.parallelization_factor.into(), 1..=10, "1 to 10")?;
        let attempts = self.maximum_retry_attempts.unwrap_or(0);
        limits.check("maximum retry attempts", attempts.into(), 0..=10_000, "0 to 10,000")?;
        if let Some(age) = self.maximum_record_age {
            limits.check("maximum record age in seconds", age.as_secs(), RECORD_AGE_S, "60 to 604,800")?;
        }
        Filters::parse(&self.filters).map_err(|error| limits.filter(error))
    }
}

/// A mapping and the state of its polling.
pub(crate) struct Mapping<I> {
    source: StreamSource,
    filters: Filters,
    region: String,
    function_arn: String,
    pace: Pace,
    faults: Faults,
    clients: Clients,
    checkpoints: Arc<dyn Checkpoints>,
    invoker: Arc<I>,
    stop: CancellationToken,
    pub(crate) counters: Arc<Counters>,
}

impl<I: Invoke> Mapping<I> {
    pub(crate) fn new(
        source: StreamSource,
        settings: &Settings,
        clients: Clients,
        invoker: Arc<I>,
        stop: CancellationToken,
    ) -> Result<Self, ConfigError> {
        let filters = source.check()?;
        let counters = Arc::new(Counters::of(&source.event_source_arn, &source.function));
        let (region, account) = (settings.region.clone(), &settings.account);
        let function_arn = format!("arn:aws:lambda:{region}:{account}:function:{}", source.function);
        let (pace, faults, checkpoints) = (settings.pace, settings.faults.clone(), Arc::clone(&settings.checkpoints));
        Ok(Self { source, filters, region, function_arn, pace, faults, clients, checkpoints, invoker, stop, counters })
    }

    /// Reads every shard, parents before their children, until the mapping is stopped. Returns when
    /// the last invocation has ended.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut lineage = Lineage::new(self.source.starting_position);
        let mut shards = JoinSet::new();
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let pause = match reader::shards(&self.clients.streams, &self.source.stream_arn).await {
                Ok(listed) => {
                    failures = 0;
                    for (shard, position) in lineage.listed(&listed) {
                        shards.spawn(Arc::clone(&self).shard(shard, position));
                    }
                    self.pace.stream_discovery
                }
                Err(error) => {
                    failures += 1;
                    self.endpoint_failed("list the shards", &error, failures)
                }
            };
            tokio::select! {
                Some(Ok(finished)) = shards.join_next() => lineage.finished(finished),
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
        while shards.join_next().await.is_some() {}
    }

    /// Counts and logs a failed call. Returns the pause before the next call.
    fn endpoint_failed(&self, what: &str, error: &(dyn Error + 'static), failures: u32) -> Duration {
        self.counters.errors.add(1);
        if failures == 1 {
            tracing::warn!(stream = self.source.event_source_arn, error = %chain(error), "cannot {what}: the stream is asked again after a pause");
        }
        self.pace.unavailable.after(failures)
    }

    /// Waits for `pause`. Returns `false` if the mapping was stopped meanwhile.
    async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }
}
