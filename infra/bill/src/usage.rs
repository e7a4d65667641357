//! What the parts of a deployment use: counts by part and by counter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The part whose counters are the messages and bytes of connections.
pub const GATEWAY: &str = "gateway";

/// Messages of clients, in units of 32 KB.
pub const REQUESTS: &str = "requests";
/// Route responses, in units of 32 KB.
pub const REPLIES: &str = "replies";
/// Posts to connections, in units of 32 KB.
pub const POSTS: &str = "posts";
/// Bytes that are sent to clients.
pub const BYTES_OUT: &str = "bytes_out";
/// Invocations of a function.
pub const INVOCATIONS: &str = "invocations";
/// Receives and deletes of the event sources of a function.
pub const POLLS: &str = "polls";
/// Read units of DynamoDB.
pub const READ_UNITS: &str = "read_units";
/// Write units of DynamoDB.
pub const WRITE_UNITS: &str = "write_units";
/// Bytes of log lines.
pub const LOG_BYTES: &str = "log_bytes";
/// Publications to topics.
pub const TOPIC_CALLS: &str = "sns:Publish";

/// Counts by part and by counter. A part is a function, or [`GATEWAY`]. A counter with a colon
/// counts calls of AWS, such as `dynamodb:PutItem`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usage(BTreeMap<String, BTreeMap<String, f64>>);

impl Usage {
    /// Adds to one counter of a part.
    pub fn count(&mut self, part: &str, counter: &str, count: f64) {
        *self.0.entry(part.to_owned()).or_default().entry(counter.to_owned()).or_default() += count;
    }

    /// Adds another usage so many times.
    pub fn add(&mut self, other: &Self, times: f64) {
        for (part, counter, count) in other.counts() {
            self.count(part, counter, count * times);
        }
    }

    /// Returns one counter of a part.
    #[must_use]
    pub fn of(&self, part: &str, counter: &str) -> f64 {
        self.0.get(part).and_then(|counts| counts.get(counter)).copied().unwrap_or_default()
    }

    /// Returns the sum of a counter over all parts.
    #[must_use]
    pub fn sum(&self, counter: &str) -> f64 {
        self.sum_if(|name| name == counter)
    }

    /// Returns the sum over all parts of the counters that match.
    #[must_use]
    pub fn sum_if(&self, matches: impl Fn(&str) -> bool) -> f64 {
        self.counts().filter(|(_, counter, _)| matches(counter)).map(|(_, _, count)| count).sum()
    }

    /// Returns the number of messages of connections, in both directions, in units of 32 KB.
    #[must_use]
    pub fn messages(&self) -> f64 {
        self.sum_if(|counter| [REQUESTS, REPLIES, POSTS].contains(&counter))
    }

    /// Returns the number of requests to queues, those of event sources included.
    #[must_use]
    pub fn queue_calls(&self) -> f64 {
        self.sum_if(|counter| counter.starts_with("sqs:") || counter == POLLS)
    }

    /// Returns each part with its counters.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, f64>)> {
        self.0.iter().map(|(part, counts)| (part.as_str(), counts))
    }

    /// Returns each count with its part and its counter.
    pub fn counts(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        let of_part = |(part, counts)| std::iter::repeat(part).zip(counts);
        self.parts().flat_map(of_part).map(|(part, (counter, count))| (part, counter.as_str(), *count))
    }

    /// Returns the functions that were invoked.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.parts().filter(|(_, counts)| counts.contains_key(INVOCATIONS)).map(|(part, _)| part)
    }

    /// Returns both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.add(other, 1.0);
        sum
    }

    /// Returns what was added since `before`. A count that is smaller than before adds nothing.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.map(|part, counter, count| (count - before.of(part, counter)).max(0.0))
    }

    /// Returns each count this many times.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        self.map(|_, _, count| count * factor)
    }

    /// Returns the counts of these parts.
    #[must_use]
    pub fn only(&self, parts: &[&str]) -> Self {
        self.map(|part, _, count| if parts.contains(&part) { count } else { 0.0 })
    }

    /// Returns the counts of all parts but these.
    #[must_use]
    pub fn without(&self, parts: &[&str]) -> Self {
        self.map(|part, _, count| if parts.contains(&part) { 0.0 } else { count })
    }

    /// Returns the counts with three decimals.
    #[must_use]
    pub fn rounded(&self) -> Self {
        self.map(|_, _, count| (count * 1_000.0).round() / 1_000.0)
    }

    /// Returns the changed counts. A count that becomes zero is left out.
    #[must_use]
    pub fn map(&self, change: impl Fn(&str, &str, f64) -> f64) -> Self {
        let mut changed = Self::default();
        let counts = self.counts().map(|(part, counter, count)| (part, counter, change(part, counter, count)));
        for (part, counter, count) in counts.filter(|(_, _, count)| *count != 0.0) {
            changed.count(part, counter, count);
        }
        changed
    }

    /// Returns one line for each count that differs from an expected one by more than the rounding.
    #[must_use]
    pub fn differences(&self, expected: &Self) -> Vec<String> {
        let both = self.plus(expected);
        let pairs =
            both.counts().map(|(part, counter, _)| (part, counter, self.of(part, counter), expected.of(part, counter)));
        let differing = pairs.filter(|(_, _, found, expected)| (found - expected).abs() > 0.000_5);
        differing.map(|(part, counter, found, expected)| format!("{part} {counter}: {found}, not {expected}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> Usage {
        let mut usage = Usage::default();
        usage.count(GATEWAY, REQUESTS, 1.0);
        usage.count(GATEWAY, POSTS, 20.0);
        usage.count("ingest", "sqs:SendMessage", 1.0);
        usage.count("fanout", INVOCATIONS, 2.0);
        usage.count("fanout", POLLS, 4.0);
        usage
    }

    #[test]
    fn messages_and_queue_calls_are_sums_over_parts() {
        assert_eq!((usage().messages(), usage().queue_calls()), (21.0, 5.0));
        assert_eq!(usage().functions().collect::<Vec<_>>(), ["fanout"]);
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
