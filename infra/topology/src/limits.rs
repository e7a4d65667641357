//! The limits of AWS against which a topology is checked.
//!
//! Each limit names its source. A comment marks the limits that a quota request can raise.

/// Whole numbers from `least` to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The smallest allowed number.
    pub least: u32,
    /// The largest allowed number.
    pub most: u32,
    /// The unit, such as `seconds`. May be empty.
    pub unit: &'static str,
    /// The subject of the limit, for the sentence that refuses a number.
    pub what: &'static str,
}

impl Range {
    const fn new(least: u32, most: u32, unit: &'static str, what: &'static str) -> Self {
        assert!(least <= most);
        Self { least, most, unit, what }
    }

    /// Returns whether the range includes the value.
    #[must_use]
    pub const fn contains(&self, value: u32) -> bool {
        self.least <= value && value <= self.most
    }

    pub(crate) fn refuse(&self, value: i64) -> String {
        let Self { least, most, unit, what } = self;
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        if least == most {
            return format!("{value} is not {least}{unit}, {what}");
        }
        format!("{value} is outside {least} to {most}{unit}, {what}")
    }
}

/// The versions of the format that this reader supports.
pub const VERSION: Range = Range::new(1, 1, "", "the only version of the format");

/// Memory of a function. <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const FUNCTION_MEMORY_MB: Range = Range::new(128, 10_240, "MB", "the memory of a Lambda function");
/// Timeout of a function. <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const FUNCTION_TIMEOUT_S: Range = Range::new(1, 900, "seconds", "the time a Lambda function may run");
/// Reserved concurrency of a function. 0 would disable the function. 1,000 is the default of an
/// account, and a quota request can raise it.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>
pub const FUNCTION_CONCURRENCY: Range = Range::new(1, 1_000, "", "the concurrency of a Lambda function");
/// Longest time that API Gateway waits for a function behind a route, in seconds. A later answer
/// would reach no client.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub const WEBSOCKET_TIMEOUT_S: u32 = 29;
/// The same for a route of an HTTP API.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
pub const HTTP_TIMEOUT_S: u32 = 30;

/// Messages of a route a second, or at once. 0 would refuse every message. The account takes 10,000
/// requests a second.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html>
pub const ROUTE_THROTTLE: Range = Range::new(1, 10_000, "", "the account's requests a second");

/// Messages in one invocation.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
pub const QUEUE_BATCH_SIZE: Range = Range::new(1, 10_000, "messages", "the batch size of a queue");
/// Most messages in one invocation from a FIFO queue, or from a standard queue without a batch
/// window.
pub const UNWINDOWED_BATCH_SIZE: u32 = 10;
/// How long a batch may wait to fill.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
pub const BATCH_WINDOW_S: Range = Range::new(0, 300, "seconds", "the time a batch may wait to fill");
/// Concurrent invocations by one queue.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
pub const MAXIMUM_CONCURRENCY: Range = Range::new(2, 1_000, "", "the maximum concurrency of a queue's trigger");
/// Filters of one trigger. A quota request can raise the limit to 10.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html>
pub const TRIGGER_FILTERS: usize = 5;
/// Least ratio of a queue's visibility timeout to its consumer's timeout. AWS recommends six, so
/// that a throttled batch can be retried before other consumers receive it.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
pub const VISIBILITY_PER_TIMEOUT: u32 = 6;

/// Records in one invocation.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html>
pub const STREAM_BATCH_SIZE: Range = Range::new(1, 10_000, "records", "the batch size of a stream");
/// Concurrent batches of one shard.
pub const PARALLELIZATION_FACTOR: Range = Range::new(1, 10, "", "the parallelization factor of a stream's trigger");
/// Retries of a batch. Without this field, a batch is retried until its records expire.
pub const MAXIMUM_RETRY_ATTEMPTS: Range = Range::new(0, 10_000, "", "the retries of a stream's trigger");
/// Age at which a record is given up. Without this field, a record is retried until the stream
/// trims it after 24 hours.
pub const MAXIMUM_RECORD_AGE_S: Range = Range::new(60, 604_800, "seconds", "the record age of a stream's trigger");
/// Functions that may read one stream without being throttled.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>
pub const STREAM_READERS: usize = 2;

/// How long a received message stays hidden.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
pub const VISIBILITY_TIMEOUT_S: Range = Range::new(0, 43_200, "seconds", "the visibility timeout of a queue");
/// How long a message is kept.
pub const RETENTION_S: Range = Range::new(60, 1_209_600, "seconds", "the retention of a queue");
/// How long a new message is hidden.
pub const DELAY_S: Range = Range::new(0, 900, "seconds", "the delay of a queue");
/// Receives after which a message is moved to the dead-letter queue.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
pub const MAXIMUM_RECEIVE_COUNT: Range = Range::new(1, 1_000, "", "the receive count before a message is dead");

/// Keys in one filter policy of a subscription.
/// <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>
pub const FILTER_POLICY_KEYS: usize = 5;

/// Global secondary indexes of one table. A quota request can raise the limit.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
pub const INDEXES: usize = 20;
/// Attributes that one index may project besides its keys.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Projection.html>
pub const INDEX_ATTRIBUTES: usize = 20;
/// Attributes that all indexes of a table may project together.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
pub const PROJECTED_ATTRIBUTES: usize = 100;
