//! What the parts of the stack used between two moments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The part that clients and functions send messages through.
pub(super) const GATEWAY: &str = "gateway";
/// The process of the local stack, without the functions.
pub(super) const RUNNER: &str = "runner";
/// The function that runs on a schedule, so at any moment of a measurement.
pub(super) const REAPER: &str = "reaper";

pub(super) const INVOCATIONS: &str = "invocations";
pub(super) const READ_UNITS: &str = "read_units";
pub(super) const WRITE_UNITS: &str = "write_units";
/// Receives and deletes of the event sources of a function.
pub(super) const POLLS: &str = "polls";
/// Messages of clients, in units of 32 KB.
pub(super) const REQUESTS: &str = "requests";
/// Route responses, in units of 32 KB.
pub(super) const REPLIES: &str = "replies";
/// Posts to connections, in units of 32 KB.
pub(super) const POSTS: &str = "posts";
pub(super) const BYTES_OUT: &str = "bytes_out";
pub(super) const LOG_BYTES: &str = "log_bytes";
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

/// Counts by part and by name. Parts are functions, [`GATEWAY`] and [`RUNNER`]. Names with a colon
/// are calls of AWS, such as `dynamodb:PutItem`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Usage(BTreeMap<String, BTreeMap<String, f64>>);

impl Usage {
    /// Reads all counts of a snapshot of a stand.
    pub(super) fn read(snapshot: &Value) -> Self {
        let mut usage = Self::default();
        let statistics = &snapshot["statistics"];
        for (function, counters) in entries(&statistics["functions"]) {
            usage.add(function, INVOCATIONS, number(&counters["invocations"]));
        }
        for (caller, operations) in entries(&statistics["calls"]) {
            let counted = entries(operations).filter(|(operation, _)| !operation.starts_with(SECRETS));
            for (operation, count) in counted.filter(|_| !NOT_COUNTED.contains(&caller.as_str())) {
                usage.add(caller, operation, number(&count["calls"]));
                let units = if WRITES.contains(&operation.as_str()) { WRITE_UNITS } else { READ_UNITS };
                usage.add(caller, units, number(&count["units"]));
            }
        }
        for source in statistics["triggers"].as_array().into_iter().flatten() {
            let is_queue = source["source"].as_str().is_some_and(|arn| arn.contains(":sqs:"));
            if let Some(function) = source["function"].as_str().filter(|_| is_queue) {
                // One receive and one delete for each batch.
                usage.add(function, POLLS, 2.0 * number(&source["batches"]));
            }
        }
        let gateway = &statistics["gateway"];
        let posts = number(&gateway["posts_delivered"]);
        usage.add(GATEWAY, REQUESTS, number(&gateway["units_received"]));
        usage.add(GATEWAY, REPLIES, number(&gateway["units_sent"]) - posts);
        usage.add(GATEWAY, POSTS, posts);
        usage.add(GATEWAY, BYTES_OUT, number(&gateway["bytes_sent"]));
        for name in [LOG_BYTES, CPU_MS] {
            for (part, count) in entries(&snapshot[name]) {
                usage.add(part, name, number(count));
            }
        }
        usage
    }

    fn add(&mut self, part: &str, name: &str, count: f64) {
        if count > 0.0 {
            *self.0.entry(part.to_owned()).or_default().entry(name.to_owned()).or_default() += count;
        }
    }

    /// Returns the count of a part.
    pub(super) fn of(&self, part: &str, name: &str) -> f64 {
        self.0.get(part).and_then(|counts| counts.get(name)).copied().unwrap_or(0.0)
    }

    /// Returns the sum over all parts of the counts whose names match.
    pub(super) fn sum(&self, matches: impl Fn(&str) -> bool) -> f64 {
        let counts = self.0.values().flatten();
        counts.filter(|(name, _)| matches(name)).map(|(_, count)| count).sum()
    }

    /// Returns the number of calls of AWS by functions.
    pub(super) fn calls(&self) -> f64 {
        self.sum(|name| name.contains(':'))
    }

    /// Returns each part with its counts.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, f64>)> {
        self.0.iter().map(|(part, counts)| (part.as_str(), counts))
    }

    /// Returns what was added since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        self.each(|part, name, count| count - before.of(part, name))
    }

    /// Returns both together.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (part, counts) in &other.0 {
            counts.iter().for_each(|(name, count)| sum.add(part, name, *count));
        }
        sum
    }

    /// Returns each count this many times.
    pub(super) fn times(&self, factor: f64) -> Self {
        self.each(|_, _, count| count * factor)
    }

    /// Returns what these parts used.
    pub(super) fn only(&self, parts: &[&str]) -> Self {
        self.each(|part, _, count| if parts.contains(&part) { count } else { 0.0 })
    }

    /// Returns what all parts but these used.
    pub(super) fn without(&self, parts: &[&str]) -> Self {
        self.each(|part, _, count| if parts.contains(&part) { 0.0 } else { count })
    }

    /// Returns the counts that are the same each time that the same work is done alone.
    pub(super) fn exact(&self) -> Self {
        self.each(|_, name, count| if MEASURED.contains(&name) { 0.0 } else { count })
    }

    /// Returns the counts with three decimals.
    pub(super) fn rounded(&self) -> Self {
        self.each(|_, _, count| (count * 1_000.0).round() / 1_000.0)
    }

    /// Returns one line for each count that differs from an expected one.
    pub(super) fn differences(&self, expected: &Self) -> Vec<String> {
        let both = self.plus(expected);
        let counts = both.0.iter().flat_map(|(part, counts)| counts.keys().map(move |name| (part, name)));
        let differing = counts.filter(|(part, name)| (self.of(part, name) - expected.of(part, name)).abs() > 0.000_5);
        differing
            .map(|(part, name)| format!("{part} {name}: {}, not {}", self.of(part, name), expected.of(part, name)))
            .collect()
    }

    fn each(&self, change: impl Fn(&str, &str, f64) -> f64) -> Self {
        let mut changed = Self::default();
        for (part, counts) in &self.0 {
            counts.iter().for_each(|(name, count)| changed.add(part, name, change(part, name, *count)));
        }
        changed
    }
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
        Usage::read(&json!({
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
        assert_eq!(usage.sum(|name| name == POLLS), 4.0);
        assert_eq!(usage.calls(), 2.0);
    }

    #[test]
    fn the_machine_and_the_digits_in_texts_are_not_exact() {
        let exact = usage().exact();
        assert_eq!(
            (exact.of(RUNNER, CPU_MS), exact.of("ingest", LOG_BYTES), exact.of(GATEWAY, BYTES_OUT)),
            (0.0, 0.0, 0.0)
        );
        assert_eq!(exact.of(GATEWAY, POSTS), 20.0);
    }

    #[test]
    fn what_is_added_since_a_moment_is_divided_and_added_up() {
        let usage = usage();
        let twice = usage.plus(&usage);
        assert_eq!(twice.since(&usage), usage);
        assert_eq!(twice.times(0.5), usage);
        assert_eq!(usage.only(&["ingest"]).plus(&usage.without(&["ingest"])), usage);
    }

    #[test]
    fn a_count_that_differs_is_named_in_both_directions() {
        let (usage, none) = (usage().only(&["fanout"]), Usage::default());
        assert_eq!(usage.differences(&usage), Vec::<String>::new());
        assert_eq!(usage.differences(&none), ["fanout invocations: 2, not 0", "fanout polls: 4, not 0"]);
        assert_eq!(none.differences(&usage), ["fanout invocations: 0, not 2", "fanout polls: 0, not 4"]);
    }
}
