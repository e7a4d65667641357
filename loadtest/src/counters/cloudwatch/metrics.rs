//! The metrics to read, and the dimensions of their series. Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html>,
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>

/// A metric. It has one series for each thing that it measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metric {
    /// The metric's namespace.
    pub(super) space: &'static str,
    /// The metric's name.
    pub(super) name: &'static str,
    /// The sets of dimensions of its series; the first name of each set is that of the owner. AWS
    /// has other series of the same things (for each stage, for each version of a function), which
    /// would count everything twice.
    pub(super) by: &'static [&'static [&'static str]],
}

const API: &[&[&str]] = &[&["ApiId"]];
const FUNCTION: &[&[&str]] = &[&["FunctionName"]];
/// A table, and each of its indexes, which consume units of their own.
const TABLE: &[&[&str]] = &[&["TableName"], &["TableName", "GlobalSecondaryIndexName"]];
const TOPIC: &[&[&str]] = &[&["TopicName"]];
const QUEUE: &[&[&str]] = &[&["QueueName"]];

/// Messages to and from clients.
pub(super) const MESSAGES: Metric = Metric { space: "AWS/ApiGateway", name: "MessageCount", by: API };
/// Invocations of functions.
pub(super) const INVOCATIONS: Metric = Metric { space: "AWS/Lambda", name: "Invocations", by: FUNCTION };
/// Durations of invocations, in milliseconds.
pub(super) const DURATION: Metric = Metric { space: "AWS/Lambda", name: "Duration", by: FUNCTION };
/// Read units consumed.
pub(super) const READ_UNITS: Metric = Metric { space: "AWS/DynamoDB", name: "ConsumedReadCapacityUnits", by: TABLE };
/// Write units consumed.
pub(super) const WRITE_UNITS: Metric = Metric { space: "AWS/DynamoDB", name: "ConsumedWriteCapacityUnits", by: TABLE };
/// Messages published to topics.
pub(super) const PUBLISHED: Metric = Metric { space: "AWS/SNS", name: "NumberOfMessagesPublished", by: TOPIC };
/// Messages added to queues.
pub(super) const SENT: Metric = Metric { space: "AWS/SQS", name: "NumberOfMessagesSent", by: QUEUE };
/// Messages sent to a queue that had their deduplication id already.
pub(super) const DEDUPLICATED: Metric =
    Metric { space: "AWS/SQS", name: "NumberOfDeduplicatedSentMessages", by: QUEUE };
/// Messages returned by polls.
pub(super) const RECEIVED: Metric = Metric { space: "AWS/SQS", name: "NumberOfMessagesReceived", by: QUEUE };
/// Polls that returned no message.
pub(super) const EMPTY_RECEIVES: Metric = Metric { space: "AWS/SQS", name: "NumberOfEmptyReceives", by: QUEUE };
/// Messages deleted from queues.
pub(super) const DELETED: Metric = Metric { space: "AWS/SQS", name: "NumberOfMessagesDeleted", by: QUEUE };

/// All metrics to read.
pub(super) const ALL: [Metric; 11] = [
    MESSAGES,
    INVOCATIONS,
    DURATION,
    READ_UNITS,
    WRITE_UNITS,
    PUBLISHED,
    SENT,
    DEDUPLICATED,
    RECEIVED,
    EMPTY_RECEIVES,
    DELETED,
];
