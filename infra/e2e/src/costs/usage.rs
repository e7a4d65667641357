//! Reads from a stand of the local stack what its parts used.

use bill::{
    BYTES_OUT, GATEWAY, INVOCATIONS, LOG_BYTES, POLLS, POSTS, READ_UNITS, REPLIES, REQUESTS, Usage, WRITE_UNITS,
};
use serde_json::Value;

/// The process of the local stack, without the functions.
pub(super) const RUNNER: &str = "runner";
/// The function that runs on a schedule, so at any moment of a measurement.
pub(super) const REAPER: &str = "reaper";
/// Processor time in milliseconds.
pub(super) const CPU_MS: &str = "cpu_ms";

/// What differs from run to run: names, times and digits in texts, and the machine.
const MEASURED: [&str; 3] = [BYTES_OUT, LOG_BYTES, CPU_MS];
/// Operations of DynamoDB that consume write units.
const WRITES: [&str; 5] = [
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:TransactWriteItems",
];
/// Callers that are no part of a deployment, and the event sources, whose calls follow from their
/// batches: how often an empty queue is polled depends on the time.
const NOT_COUNTED: [&str; 2] = ["developer", "pollers"];
/// Functions read secrets at their start and every 5 min, so for no operation.
const SECRETS: &str = "secretsmanager:";

/// Returns all counts of a snapshot of a stand. Besides the counters of a deployment, the parts
/// have [`CPU_MS`], and [`RUNNER`] is a part.
pub(super) fn of_snapshot(snapshot: &Value) -> Usage {
    let mut usage = Usage::default();
    let mut add = |part: &str, counter: &str, count: f64| {
        if count > 0.0 {
            usage.count(part, counter, count);
        }
    };
    let statistics = &snapshot["statistics"];
    for (function, counters) in entries(&statistics["functions"]) {
        add(function, INVOCATIONS, number(&counters["invocations"]));
    }
    for (caller, operations) in entries(&statistics["calls"]) {
        let counted = entries(operations).filter(|(operation, _)| !operation.starts_with(SECRETS));
        for (operation, count) in counted.filter(|_| !NOT_COUNTED.contains(&caller.as_str())) {
            add(caller, operation, number(&count["calls"]));
            let units = if WRITES.contains(&operation.as_str()) { WRITE_UNITS } else { READ_UNITS };
            add(caller, units, number(&count["units"]));
        }
    }
    for source in statistics["triggers"].as_array().into_iter().flatten() {
        let is_queue = source["source"].as_str().is_some_and(|arn| arn.contains(":sqs:"));
        if let Some(function) = source["function"].as_str().filter(|_| is_queue) {
            // One receive and one delete for each batch.
            add(function, POLLS, 2.0 * number(&source["batches"]));
        }
    }
    let gateway = &statistics["gateway"];
    let posts = number(&gateway["posts_delivered"]);
    add(GATEWAY, REQUESTS, number(&gateway["units_received"]));
    add(GATEWAY, REPLIES, number(&gateway["units_sent"]) - posts);
    add(GATEWAY, POSTS, posts);
    add(GATEWAY, BYTES_OUT, number(&gateway["bytes_sent"]));
    for name in [LOG_BYTES, CPU_MS] {
        for (part, count) in entries(&snapshot[name]) {
            add(part, name, number(count));
        }
    }
    usage
}

/// Returns the number of calls of AWS by functions.
pub(super) fn calls(usage: &Usage) -> f64 {
    usage.sum_if(|name| name.contains(':'))
}

/// Returns the counts that are the same each time that the same work is done alone.
pub(super) fn exact(usage: &Usage) -> Usage {
    usage.map(|_, name, count| if MEASURED.contains(&name) { 0.0 } else { count })
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn usage() -> Usage {
        of_snapshot(&json!({
            "statistics": {
                "gateway": { "units_received": 1, "units_sent": 21, "posts_delivered": 20, "bytes_sent": 4_000 },
                "functions": { "ingest": { "invocations": 1 }, "fanout": { "invocations": 2 } },
                "calls": {
                    "ingest": {
                        "dynamodb:UpdateItem": { "calls": 1, "units": 2.0 },
                        "dynamodb:BatchGetItem": { "calls": 1, "units": 1.5 },
                        "secretsmanager:GetSecretValue": { "calls": 1, "units": 0 },
                    },
                    "pollers": { "sqs:ReceiveMessage": { "calls": 99, "units": 0 } },
                    "developer": { "dynamodb:PutItem": { "calls": 9, "units": 9 } },
                },
                "triggers": [
                    { "source": "arn:aws:sqs:us-east-1:000000000000:deliveries.fifo", "function": "fanout", "batches": 2 },
                    { "source": "arn:aws:dynamodb:us-east-1:000000000000:table/rooms", "function": "outbox", "batches": 7 },
                ],
            },
            "cpu_ms": { "ingest": 3.0, "runner": 4.0 },
            "log_bytes": { "ingest": 400 },
        }))
    }

    #[test]
    fn functions_and_their_event_sources_count_and_developers_and_empty_polls_do_not() {
        let usage = usage();
        assert_eq!(usage.of(GATEWAY, REPLIES), 1.0);
        assert_eq!(usage.of("ingest", WRITE_UNITS), 2.0);
        assert_eq!(usage.of("ingest", READ_UNITS), 1.5);
        assert_eq!(usage.of("fanout", POLLS), 4.0);
        assert_eq!(usage.sum(POLLS), 4.0);
        assert_eq!(calls(&usage), 2.0);
    }

    #[test]
    fn the_machine_and_the_digits_in_texts_are_not_exact() {
        let exact = exact(&usage());
        assert_eq!(
            (exact.of(RUNNER, CPU_MS), exact.of("ingest", LOG_BYTES), exact.of(GATEWAY, BYTES_OUT)),
            (0.0, 0.0, 0.0)
        );
        assert_eq!(exact.of(GATEWAY, POSTS), 20.0);
    }
}
