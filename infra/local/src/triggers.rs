//! The triggers of functions besides the gateway: queues, streams and schedules of the topology.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use local_event_sources::{
    Checkpoints, Clients as Polled, Config, EventSources, Expression, Faults, FileCheckpoints, MemoryCheckpoints, Pace,
    QueueSource, Schedule, Settings, SourceStats, StartingPosition, StreamSource,
};
use topology::{Function, QueueTrigger, StreamTrigger, Topology, Trigger};

use crate::Error;
use crate::account::Account;
use crate::clients::Clients;
use crate::options::{Options, Speed};
use crate::place::{ACCOUNT, REGION};
use crate::provision::Resources;

/// How long running invocations may take to end when the stack stops.
const DRAINS_WITHIN: Duration = Duration::from_secs(3);

/// Mappings that poll. Clones are handles to the same mappings.
#[derive(Clone)]
pub(crate) struct Triggers {
    sources: Arc<Mutex<Option<EventSources>>>,
}

impl Triggers {
    /// Starts to poll all sources of the functions, each with the clients of its function.
    pub(crate) fn start(
        topology: &Topology,
        options: &Options,
        resources: &Resources,
        clients_of: impl Fn(&str) -> Clients,
        account: Account,
        faults: &Faults,
    ) -> Result<Self, Error> {
        let mut config = Config {
            settings: Settings {
                region: REGION.to_owned(),
                account: ACCOUNT.to_owned(),
                checkpoints: checkpoints(options.data.as_deref())?,
                pace: pace(options.speed),
                faults: faults.clone(),
            },
            queues: Vec::new(),
            streams: Vec::new(),
            schedules: Vec::new(),
        };
        for (function, trigger) in topology.triggers() {
            match trigger {
                Trigger::Queue(source) => config.queues.extend(queue(function, source, topology, resources)),
                Trigger::Stream(source) => config.streams.extend(stream(function, source, resources)),
                Trigger::Schedule(rate) => config.schedules.push(schedule(function, rate)?),
                Trigger::Websocket(_) | Trigger::Http { .. } | Trigger::Authorizer { .. } => {}
            }
        }
        let polled = |function: &str| {
            let Clients { sqs, streams, .. } = clients_of(function);
            Polled { sqs, streams }
        };
        let sources = EventSources::start(&config, &Arc::new(account), polled)
            .map_err(|error| Error::Triggers(error.to_string()))?;
        Ok(Self { sources: Arc::new(Mutex::new(Some(sources))) })
    }

    /// Returns the counters of every mapping, or none after they have stopped.
    pub(crate) fn stats(&self) -> Vec<SourceStats> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.as_ref().map(EventSources::stats).unwrap_or_default()
    }

    /// Stops reading, and lets running invocations end.
    pub(crate) async fn stop(self) {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sources) = sources {
            let drained = sources.drain(DRAINS_WITHIN).await;
            if drained.abandoned > 0 {
                tracing::warn!(
                    "{} triggers did not stop in time: their messages and records are delivered again",
                    drained.abandoned
                );
            }
        }
    }
}

fn checkpoints(data: Option<&Path>) -> Result<Arc<dyn Checkpoints>, Error> {
    let Some(folder) = data else { return Ok(Arc::new(MemoryCheckpoints::default())) };
    let file = FileCheckpoints::open(&folder.join("checkpoints.json"))
        .map_err(|error| Error::Data { folder: folder.display().to_string(), reason: error.to_string() })?;
    Ok(Arc::new(file))
}

/// Returns the intervals. `Fast` shortens only waiting times; the rules stay those of AWS.
fn pace(speed: Speed) -> Pace {
    match speed {
        Speed::Aws => Pace::default(),
        Speed::Fast => Pace { stream_poll: Duration::from_millis(10), schedule_speed: 60.0, ..Pace::fast() },
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

/// Builds the mapping of a queue. Names were checked before: every queue of a trigger is in the
/// topology and was provisioned.
fn queue(
    function: &Function,
    source: &QueueTrigger,
    topology: &Topology,
    resources: &Resources,
) -> Option<QueueSource> {
    let resource = resources.queues.get(&source.queue)?;
    let queue = topology.queue(&source.queue)?;
    Some(QueueSource {
        queue_url: resource.url.clone(),
        queue_arn: resource.arn.clone(),
        function: function.name.clone(),
        batch_size: source.batch_size,
        batch_window: seconds(source.batch_window_s),
        maximum_concurrency: source.maximum_concurrency,
        report_batch_item_failures: source.report_batch_item_failures,
        filters: source.filters.iter().map(ToString::to_string).collect(),
        visibility_timeout: seconds(queue.visibility_timeout_s),
    })
}

fn stream(function: &Function, source: &StreamTrigger, resources: &Resources) -> Option<StreamSource> {
    let stream_arn = resources.tables.get(&source.table)?.clone()?;
    let on_failure = source.on_failure.as_ref().and_then(|on_failure| resources.queues.get(&on_failure.queue));
    Some(StreamSource {
        event_source_arn: stream_arn.clone(),
        stream_arn,
        function: function.name.clone(),
        batch_size: source.batch_size,
        batch_window: seconds(source.batch_window_s),
        parallelization_factor: source.parallelization_factor,
        filters: source.filters.iter().map(ToString::to_string).collect(),
        starting_position: match source.starting_position {
            topology::StartingPosition::TrimHorizon => StartingPosition::TrimHorizon,
            topology::StartingPosition::Latest => StartingPosition::Latest,
        },
        maximum_retry_attempts: source.maximum_retry_attempts,
        maximum_record_age: source.maximum_record_age_s.map(seconds),
        bisect_batch_on_function_error: source.bisect_batch_on_function_error,
        report_batch_item_failures: source.report_batch_item_failures,
        on_failure_queue_url: on_failure.map(|queue| queue.url.clone()),
    })
}

fn schedule(function: &Function, rate: &topology::Rate) -> Result<Schedule, Error> {
    let expression: Expression =
        rate.to_string().parse().map_err(|error| Error::Triggers(format!("{rate}: {error}")))?;
    Ok(Schedule { name: function.name.clone(), expression, function: function.name.clone(), input: None })
}
