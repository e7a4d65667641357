//! Event source mappings: a queue or a stream that invokes a function.

use crate::at::{At, Fields};
use crate::limits;
use crate::suggest::unknown;

/// Messages of a queue, in batches.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
#[derive(Debug, Clone, PartialEq)]
pub struct QueueTrigger {
    /// The queue's name.
    pub queue: String,
    /// At most so many messages at once.
    pub batch_size: u32,
    /// How long a batch may wait to fill, in seconds.
    pub batch_window_s: u32,
    /// At most so many invocations at once by this queue.
    pub maximum_concurrency: Option<u32>,
    /// Whether the answer names the messages that failed (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
    /// Patterns: a message that matches none is deleted unseen. With none, all messages match.
    pub filters: Vec<serde_json::Value>,
}

/// Changes of a table, in batches per shard.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
#[derive(Debug, Clone, PartialEq)]
pub struct StreamTrigger {
    /// The table's name.
    pub table: String,
    /// At most so many records at once.
    pub batch_size: u32,
    /// How long a batch may wait to fill, in seconds.
    pub batch_window_s: u32,
    /// So many batches of one shard at once; order is kept per item.
    pub parallelization_factor: u32,
    /// Where a new trigger begins.
    pub starting_position: StartingPosition,
    /// Patterns: a record that matches none is skipped. With none, all records match.
    pub filters: Vec<serde_json::Value>,
    /// Tries after the first; `None`: until the record expires.
    pub maximum_retry_attempts: Option<u32>,
    /// Age at which a record is given up, in seconds; `None`: when the stream trims it.
    pub maximum_record_age_s: Option<u32>,
    /// Whether a failed batch is tried again in two halves.
    pub bisect_batch_on_function_error: bool,
    /// Whether the answer names the first record that failed (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
    /// Where the description of a given-up batch goes.
    pub on_failure: Option<OnFailure>,
}

/// Where a new trigger begins to read a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// The oldest record that is still there.
    TrimHorizon,
    /// What is written from now on.
    Latest,
}

/// Where the description of a given-up batch goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnFailure {
    /// A standard queue.
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

/// Filters are AWS's own language: here they need to be mappings, and few.
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
