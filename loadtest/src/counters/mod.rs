//! The server's work for a run: posts, calls, invocations. A number without a counter is unknown,
//! and never zero.

pub mod cloudwatch;
pub mod local;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ledger::Account;

/// Formats a whole number with separated thousands: `1,234,567`.
#[must_use]
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = if number <= -0.5 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Combines the numbers of every name in either map, and leaves out results of zero.
fn by_name(
    ours: &BTreeMap<String, f64>,
    theirs: &BTreeMap<String, f64>,
    how: impl Fn(f64, f64) -> f64,
) -> BTreeMap<String, f64> {
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let of = |numbers: &BTreeMap<String, f64>, name: &String| numbers.get(name).copied().unwrap_or_default();
    let combined = names.into_iter().map(|name| (name.clone(), how(of(ours, name), of(theirs, name))));
    combined.filter(|(_, number)| *number != 0.0).collect()
}

/// The server's work. `None` is unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// The name of the counter.
    pub counted_by: String,
    /// Posts to connections that were delivered.
    pub posts: Option<f64>,
    /// Posts that were refused, because the account's rate or a buffer was full.
    pub posts_throttled: Option<f64>,
    /// Messages from clients, in units of 32 KB.
    pub units_in: Option<f64>,
    /// Messages to clients (posts and replies), in units of 32 KB.
    pub units_out: Option<f64>,
    /// DynamoDB queries, each one call.
    pub queries: Option<f64>,
    /// DynamoDB calls that read by key.
    pub reads: Option<f64>,
    /// DynamoDB calls that write, including transactions.
    pub writes: Option<f64>,
    /// Read units consumed.
    pub read_units: Option<f64>,
    /// Write units consumed.
    pub write_units: Option<f64>,
    /// SQS calls, by functions and by event sources.
    pub queue_calls: Option<f64>,
    /// Messages published to SNS topics.
    pub topic_publishes: Option<f64>,
    /// Invocations of Lambda functions.
    pub invocations: Option<f64>,
    /// The duration of all invocations together, in milliseconds.
    pub invocation_ms: Option<f64>,
    /// Invocations by function.
    #[serde(default)]
    pub functions: BTreeMap<String, f64>,
    /// Calls of AWS APIs, by caller and operation: `fanout dynamodb:Query`.
    #[serde(default)]
    pub calls: BTreeMap<String, f64>,
    /// Faults on demand that fired, by number and description.
    #[serde(default)]
    pub faults: BTreeMap<String, f64>,
    /// Calls that failed or had no response, by caller and operation. A write whose condition did
    /// not hold counts too.
    #[serde(default)]
    pub failed_calls: BTreeMap<String, f64>,
}

impl Usage {
    /// Usage without a counter, with the reason.
    #[must_use]
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { counted_by: why.into(), ..Self::default() }
    }

    /// The work between two counts.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.combine(before, |after, before| (after - before).max(0.0))
    }

    /// Adds the work of another generator.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| ours + theirs)
    }

    fn combine(&self, other: &Self, how: impl Fn(f64, f64) -> f64) -> Self {
        let both = |ours: Option<f64>, theirs: Option<f64>| Some(how(ours?, theirs?));
        Self {
            counted_by: self.counted_by.clone(),
            posts: both(self.posts, other.posts),
            posts_throttled: both(self.posts_throttled, other.posts_throttled),
            units_in: both(self.units_in, other.units_in),
            units_out: both(self.units_out, other.units_out),
            queries: both(self.queries, other.queries),
            reads: both(self.reads, other.reads),
            writes: both(self.writes, other.writes),
            read_units: both(self.read_units, other.read_units),
            write_units: both(self.write_units, other.write_units),
            queue_calls: both(self.queue_calls, other.queue_calls),
            topic_publishes: both(self.topic_publishes, other.topic_publishes),
            invocations: both(self.invocations, other.invocations),
            invocation_ms: both(self.invocation_ms, other.invocation_ms),
            functions: by_name(&self.functions, &other.functions, &how),
            calls: by_name(&self.calls, &other.calls, &how),
            faults: by_name(&self.faults, &other.faults, &how),
            failed_calls: by_name(&self.failed_calls, &other.failed_calls, &how),
        }
    }

    /// The number of posts for each delivery.
    #[must_use]
    pub fn posts_per(&self, deliveries: u64) -> Option<f64> {
        self.posts.filter(|_| deliveries > 0).map(|posts| posts / deliveries as f64)
    }

    /// Formats each number with its name, for readers.
    #[must_use]
    pub fn lines(&self, account: &Account) -> Vec<(&'static str, String)> {
        let per = |number: Option<f64>, count: u64| number.filter(|_| count > 0).map(|number| number / count as f64);
        let whole = |number: Option<f64>| number.map_or_else(|| "unknown".to_owned(), grouped);
        let part = |number: Option<f64>| number.map_or_else(|| "unknown".to_owned(), |number| format!("{number:.3}"));
        let (delivered, publications) = (account.tally.delivered, account.publications);
        vec![
            ("posts", whole(self.posts)),
            ("posts per publication per member", part(self.posts_per(delivered))),
            ("posts refused (429)", whole(self.posts_throttled)),
            ("32 KB units, out and in", format!("{}, {}", whole(self.units_out), whole(self.units_in))),
            (
                "DynamoDB queries, reads, writes",
                format!("{}, {}, {}", whole(self.queries), whole(self.reads), whole(self.writes)),
            ),
            ("read units, write units", format!("{}, {}", whole(self.read_units), whole(self.write_units))),
            ("queue calls per publication", part(per(self.queue_calls, publications))),
            ("invocations per publication", part(per(self.invocations, publications))),
            ("invocation milliseconds", whole(self.invocation_ms)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let shown = [0.0, 7.0, 999.0, 1_000.0, 1_234_567.4, -12_345.0].map(grouped);
        assert_eq!(shown, ["0", "7", "999", "1,000", "1,234,567", "-12,345"]);
    }

    #[test]
    fn what_a_run_added_is_told_by_name_and_what_it_did_not_is_left_out() {
        let counted = |numbers: &[(&str, f64)]| Usage {
            faults: numbers.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect(),
            ..Usage::default()
        };
        let before = counted(&[("F33", 5.0), ("F35", 2.0)]);
        let after = counted(&[("F33", 9.0), ("F35", 2.0), ("F17", 1.0)]);
        assert_eq!(after.since(&before).faults, counted(&[("F33", 4.0), ("F17", 1.0)]).faults);
    }
}
