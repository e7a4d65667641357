//! The metrics that are read, and what tells their series apart. Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html>,
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>

/// A metric: a series for each thing that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metric {
    /// Its namespace.
    pub(super) space: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// The names of the dimensions that its series have, first that of its owner. AWS has other series of the same things (of each
    /// stage, of each version of a function), which would count everything twice.
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
/// How long they took, in milliseconds.
pub(super) const DURATION: Metric = Metric { space: "AWS/Lambda", name: "Duration", by: FUNCTION };
/// Units that reading took.
pub(super) const READ_UNITS: Metric = Metric { space: "AWS/DynamoDB", name: "ConsumedReadCapacityUnits", by: TABLE };
/// Units that writing took.
pub(super) const WRITE_UNITS: Metric = Metric { space: "AWS/DynamoDB", name: "ConsumedWriteCapacityUnits", by: TABLE };
/// Messages that were published to topics.
pub(super) const PUBLISHED: Metric = Metric { space: "AWS/SNS", name: "NumberOfMessagesPublished", by: TOPIC };
/// Messages that were added to queues.
pub(super) const SENT: Metric = Metric { space: "AWS/SQS", name: "NumberOfMessagesSent", by: QUEUE };
/// Messages that were sent, and known already.
pub(super) const DEDUPLICATED: Metric =
    Metric { space: "AWS/SQS", name: "NumberOfDeduplicatedSentMessages", by: QUEUE };
/// Messages that polls returned.
pub(super) const RECEIVED: Metric = Metric { space: "AWS/SQS", name: "NumberOfMessagesReceived", by: QUEUE };
/// Polls that returned none.
pub(super) const EMPTY_RECEIVES: Metric = Metric { space: "AWS/SQS", name: "NumberOfEmptyReceives", by: QUEUE };
/// Messages that were deleted.
pub(super) const DELETED: Metric = Metric { space: "AWS/SQS", name: "NumberOfMessagesDeleted", by: QUEUE };

/// All that are read.
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
