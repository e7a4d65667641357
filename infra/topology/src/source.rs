//! Event source mappings: a queue or a stream that invokes a function.

use crate::at::{At, Fields};
use crate::limits;
use crate::suggest::unknown;

/// Messages of a queue, in batches.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
#[derive(Debug, Clone, PartialEq)]
pub struct QueueTrigger {
    /// Name of the queue.
    pub queue: String,
    /// Most messages in one invocation.
    pub batch_size: u32,
    /// How long a batch may wait to fill, in seconds.
    pub batch_window_s: u32,
    /// Most concurrent invocations by this queue.
    pub maximum_concurrency: Option<u32>,
    /// True if the answer names the messages that failed (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
    /// Event patterns. A message that matches none is deleted without an invocation. Without
    /// patterns, all messages match.
    pub filters: Vec<serde_json::Value>,
}

/// Changes of a table, in batches per shard.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
#[derive(Debug, Clone, PartialEq)]
pub struct StreamTrigger {
    /// Name of the table.
    pub table: String,
    /// Most records in one invocation.
    pub batch_size: u32,
    /// How long a batch may wait to fill, in seconds.
    pub batch_window_s: u32,
    /// Most concurrent batches of one shard. The order of each item's records is kept.
    pub parallelization_factor: u32,
    /// Position at which a new trigger starts to read.
    pub starting_position: StartingPosition,
    /// Event patterns. A record that matches none is skipped. Without patterns, all records match.
    pub filters: Vec<serde_json::Value>,
    /// Retries of a batch. With `None`, a batch is retried until its records expire.
    pub maximum_retry_attempts: Option<u32>,
    /// Age at which a record is given up, in seconds. With `None`, a record is retried until the
    /// stream trims it.
    pub maximum_record_age_s: Option<u32>,
    /// True if a failed batch is retried in two halves.
    pub bisect_batch_on_function_error: bool,
    /// True if the answer names the first record that failed (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
    /// Destination of the description of a batch that was given up.
    pub on_failure: Option<OnFailure>,
}

/// Position at which a new trigger starts to read a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// The oldest record in the stream.
    TrimHorizon,
    /// The first record that is written after the start.
    Latest,
}

/// Destination of the description of a batch that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnFailure {
    /// Name of a standard queue.
    pub queue: String,
}

impl QueueTrigger {
    pub(crate) fn read(at: &At<'_>) -> Self {
        let fields = at.fields(&[
            "queue",
            "batch_size",
            "batch_window_s",
            "maximum_concurrency",
            "report_batch_item_failures",
            "filters",
        ]);
        Self {
            queue: fields.required_text("queue"),
            batch_size: fields.integer("batch_size", &limits::QUEUE_BATCH_SIZE, 10),
            batch_window_s: fields.integer("batch_window_s", &limits::BATCH_WINDOW_S, 0),
            maximum_concurrency: fields
                .optional("maximum_concurrency")
                .and_then(|field| field.integer(&limits::MAXIMUM_CONCURRENCY)),
            report_batch_item_failures: fields.boolean("report_batch_item_failures", false),
            filters: read_filters(&fields),
        }
    }
}

impl StreamTrigger {
    pub(crate) fn read(at: &At<'_>) -> Self {
        let fields = at.fields(&[
            "table",
            "batch_size",
            "batch_window_s",
            "parallelization_factor",
            "starting_position",
            "filters",
            "maximum_retry_attempts",
            "maximum_record_age_s",
            "bisect_batch_on_function_error",
            "report_batch_item_failures",
            "on_failure",
        ]);
        let optional = |name, range| fields.optional(name).and_then(|field: At<'_>| field.integer(range));
        Self {
            table: fields.required_text("table"),
            batch_size: fields.integer("batch_size", &limits::STREAM_BATCH_SIZE, 100),
            batch_window_s: fields.integer("batch_window_s", &limits::BATCH_WINDOW_S, 0),
            parallelization_factor: fields.integer("parallelization_factor", &limits::PARALLELIZATION_FACTOR, 1),
            starting_position: read_starting_position(&fields),
            filters: read_filters(&fields),
            maximum_retry_attempts: optional("maximum_retry_attempts", &limits::MAXIMUM_RETRY_ATTEMPTS),
            maximum_record_age_s: optional("maximum_record_age_s", &limits::MAXIMUM_RECORD_AGE_S),
            bisect_batch_on_function_error: fields.boolean("bisect_batch_on_function_error", false),
            report_batch_item_failures: fields.boolean("report_batch_item_failures", false),
            on_failure: fields
                .optional("on_failure")
                .map(|field| OnFailure { queue: field.fields(&["queue"]).required_text("queue") }),
        }
    }
}

fn read_starting_position(fields: &Fields<'_>) -> StartingPosition {
    let Some(field) = fields.optional("starting_position") else {
        return StartingPosition::TrimHorizon;
    };
    match field.text() {
        Some("latest") => StartingPosition::Latest,
        Some("trim_horizon") | None => StartingPosition::TrimHorizon,
        Some(other) => {
            field.mistake(unknown("starting position", other, ["trim_horizon", "latest"].into_iter(), "positions"));
            StartingPosition::TrimHorizon
        }
    }
}

/// Reads filters. Their language belongs to AWS, so this checks only that they are mappings and
/// that there are not too many.
fn read_filters(fields: &Fields<'_>) -> Vec<serde_json::Value> {
    let filters = fields.list("filters");
    if let Some(field) = fields.optional("filters")
        && filters.len() > limits::TRIGGER_FILTERS
    {
        field.mistake(format!(
            "{} filters are more than {}, what a trigger may have",
            filters.len(),
            limits::TRIGGER_FILTERS
        ));
    }
    for filter in &filters {
        if !filter.is_mapping() {
            filter.mistake("a filter is a mapping from a field to what it may be, such as `eventName: [REMOVE]`");
        }
    }
    filters.iter().map(At::to_json).collect()
}
