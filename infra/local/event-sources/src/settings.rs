//! What all mappings share: the account, the clients, and the intervals of AWS.

use std::sync::Arc;
use std::time::Duration;

use local_faults::Faults;

use crate::backoff::Backoff;
use crate::checkpoints::Checkpoints;

/// The settings that all mappings share.
#[derive(Clone)]
pub struct Settings {
    /// `awsRegion` of every record and part of the ARNs in events.
    pub region: String,
    /// The account in the ARNs, 12 digits.
    pub account: String,
    /// Stores the position that was reached in each stream.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Intervals, pauses and numbers of pollers.
    pub pace: Pace,
    /// Faults that the mappings inject.
    pub faults: Faults,
}

/// Clients for the endpoint that the mappings poll.
///
/// If a client has an attempt timeout, it must exceed [`Pace::queue_wait`].
#[derive(Debug, Clone)]
pub struct Clients {
    /// Polls queues. Also sends the records that a stream's function could not process to the
    /// on-failure queue.
    pub sqs: aws_sdk_sqs::Client,
    /// Reads the shards of streams.
    pub streams: aws_sdk_dynamodbstreams::Client,
}

/// Intervals, pauses and numbers of pollers. The default is the value that AWS documents. Fields
/// whose value AWS does not document are marked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// How long one receive waits for messages. Whole seconds, at most 20.
    pub queue_wait: Duration,
    /// Number of pollers of a queue at the start.
    pub queue_pollers_at_start: u32,
    /// Number of pollers of a queue that has no messages.
    pub queue_pollers_when_idle: u32,
    /// Number of pollers that are added each second while all pollers are busy (AWS: 300 a minute).
    pub queue_pollers_per_second: u32,
    /// Pauses between invocations that were throttled (not documented).
    pub throttled: Backoff,
    /// Pauses between calls that failed because of the endpoint (not documented).
    pub unavailable: Backoff,
    /// Interval between two reads of a shard (AWS: 4 reads a second).
    pub stream_poll: Duration,
    /// Interval between two requests for the list of a stream's shards (not documented).
    pub stream_discovery: Duration,
    /// Pauses between invocations of a batch that failed (not documented).
    pub stream_retry: Backoff,
    /// Factor by which schedules run faster than the wall clock.
    pub schedule_speed: f64,
    /// Pauses before the two retries of an asynchronous invocation.
    pub asynchronous_retries: [Duration; 2],
}

impl Default for Pace {
    /// Sources: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>,
    /// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>,
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
    fn default() -> Self {
        Self {
            queue_wait: Duration::from_secs(20),
            queue_pollers_at_start: 5,
            queue_pollers_when_idle: 2,
            queue_pollers_per_second: 5,
            throttled: Backoff { first: Duration::from_millis(100), limit: Duration::from_secs(5) },
            unavailable: Backoff { first: Duration::from_millis(200), limit: Duration::from_secs(5) },
            stream_poll: Duration::from_millis(250),
            stream_discovery: Duration::from_secs(10),
            stream_retry: Backoff { first: Duration::from_millis(500), limit: Duration::from_secs(30) },
            schedule_speed: 1.0,
            asynchronous_retries: [Duration::from_secs(60), Duration::from_secs(120)],
        }
    }
}

impl Pace {
    /// AWS's behaviour with shorter waits: each stream is read 50 times a second, retries follow at
    /// once, and all pollers run from the start.
    #[must_use]
    pub fn fast() -> Self {
        let soon = Backoff { first: Duration::from_millis(10), limit: Duration::from_millis(200) };
        Self {
            queue_pollers_at_start: 20,
            queue_pollers_when_idle: 20,
            queue_pollers_per_second: 100,
            throttled: soon,
            unavailable: soon,
            stream_poll: Duration::from_millis(20),
            stream_discovery: Duration::from_secs(1),
            stream_retry: soon,
            asynchronous_retries: [Duration::from_millis(100), Duration::from_millis(200)],
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rhythm_is_the_one_that_aws_documents() {
        let pace = Pace::default();
        assert_eq!(pace.stream_poll * 4, Duration::from_secs(1));
        assert_eq!((pace.queue_pollers_at_start, pace.queue_pollers_per_second * 60), (5, 300));
        assert_eq!((pace.queue_wait, pace.queue_pollers_when_idle), (Duration::from_secs(20), 2));
        assert_eq!(pace.asynchronous_retries.map(|pause| pause.as_secs()), [60, 120]);
        assert_eq!(pace.schedule_speed, 1.0);
    }
}
