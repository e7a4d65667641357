//! The summary line of an invocation.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::field::{self, Field};
use crate::metric::{Metric, Unit};
use crate::printable::printable;

/// The namespace of Roomcast's metrics in CloudWatch.
const NAMESPACE: &str = "Roomcast";

/// Values of one field that a line lists. A batch may hold hundreds of publications, and people
/// read the line.
pub const LISTED: usize = 10;

/// The summary of one invocation: its fields, and its tally of metrics.
///
/// Format:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
#[derive(Debug, Clone)]
pub struct Summary {
    function: &'static str,
    fields: BTreeMap<&'static str, Value>,
    tally: BTreeMap<Metric, u64>,
}

impl Summary {
    /// Begins the summary of one invocation.
    #[must_use]
    pub fn new(function: &'static str) -> Self {
        Self { function, fields: BTreeMap::new(), tally: BTreeMap::new() }
    }

    /// Sets a field. The last value of a field stands.
    pub fn set(&mut self, field: Field, value: impl Into<Value>) {
        self.fields.insert(field.0, value.into());
    }

    /// Adds to the list of a field. A line has the first [`LISTED`] values.
    pub fn list(&mut self, field: Field, value: impl Into<Value>) {
        let listed = self.fields.entry(field.0).or_insert_with(|| json!([]));
        if let Value::Array(values) = listed
            && values.len() < LISTED
        {
            values.push(value.into());
        }
    }

    /// Adds to a metric.
    pub fn add(&mut self, metric: Metric, count: u64) {
        *self.tally.entry(metric).or_default() += count;
    }

    /// Keeps the largest value of a metric.
    pub fn most(&mut self, metric: Metric, value: u64) {
        let largest = self.tally.entry(metric).or_default();
        *largest = value.max(*largest);
    }

    /// Returns the value of a metric so far.
    #[must_use]
    pub fn counted(&self, metric: Metric) -> u64 {
        self.tally.get(&metric).copied().unwrap_or_default()
    }

    /// Returns the value of a field, if it is text.
    #[must_use]
    pub fn said(&self, field: Field) -> Option<&str> {
        self.fields.get(field.0).and_then(Value::as_str)
    }

    /// Writes the line as JSON. Its texts are printable ASCII. `now_ms` is the time of its metrics,
    /// in milliseconds since 1970.
    #[must_use]
    pub fn to_line(&self, now_ms: u64) -> String {
        let mut line = Map::new();
        line.insert("level".to_owned(), json!("INFO"));
        line.insert(field::FUNCTION.0.to_owned(), json!(self.function));
        line.extend(self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        line.extend(self.tally.iter().map(|(metric, value)| (metric.name.to_owned(), json!(value))));
        if !self.tally.is_empty() {
            let metric = |metric: &Metric| json!({ "Name": metric.name, "Unit": Unit::as_str(metric.unit) });
            let metrics: Vec<Value> = self.tally.keys().map(metric).collect();
            let directive = json!([{ "Namespace": NAMESPACE, "Dimensions": [["function"]], "Metrics": metrics }]);
            line.insert("_aws".to_owned(), json!({ "Timestamp": now_ms, "CloudWatchMetrics": directive }));
        }
        printable(&Value::Object(line).to_string()).into_owned()
    }

    /// Writes the line to standard output.
    pub fn emit(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        println!("{}", self.to_line(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric;

    #[test]
    fn a_line_is_json_that_reads_alone_and_a_record_of_the_embedded_metric_format() {
        let mut summary = Summary::new("fanout");
        summary.set(field::ROOM_ID, "evil\nroom\u{1b}[31m");
        summary.add(metric::POSTS_SENT, 2);
        summary.add(metric::POSTS_SENT, 3);
        let line = summary.to_line(7);
        assert!(!line.contains('\n') && !line.contains('\u{1b}'), "no name can forge a line: {line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["room.id"], r"evil\nroom\u{1b}[31m");
        assert_eq!(value["posts_sent"], 5);
        assert_eq!(value["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"], "posts_sent");
        assert_eq!(value["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["function"]]));
    }

    #[test]
    fn a_list_is_bounded() {
        let mut summary = Summary::new("ingest");
        (0..25).for_each(|n| summary.list(field::PUBLICATION_ID, format!("p{n}")));
        let value: Value = serde_json::from_str(&summary.to_line(7)).unwrap();
        let listed = value["publication.id"].as_array().unwrap();
        assert_eq!((listed.len(), &listed[9]), (LISTED, &json!("p9")));
    }

    #[test]
    fn every_field_and_metric_stands_in_telemetry_md() {
        let page = include_str!("../TELEMETRY.md");
        let missing: Vec<&str> = field::ALL
            .iter()
            .map(|field| field.0)
            .chain(metric::ALL.iter().map(|metric| metric.name))
            .filter(|name| !page.contains(&format!("`{name}`")))
            .collect();
        assert!(missing.is_empty(), "TELEMETRY.md does not mention {missing:?}");
    }

    #[test]
    fn a_metric_is_described_by_one_text() {
        let page = include_str!("../TELEMETRY.md");
        let file: BTreeMap<String, String> = serde_json::from_str(include_str!("../help.json")).unwrap();
        assert_eq!(file.len(), metric::ALL.len(), "help.json has the metrics and no others");
        for metric in metric::ALL {
            let Metric { name, unit, help } = metric;
            let row = format!("| `{name}` | {} | {help} |", unit.as_str());
            assert!(page.contains(&row), "TELEMETRY.md has another text than {row}");
            assert_eq!(file.get(*name).map(String::as_str), Some(*help), "help.json: {name}");
        }
    }
}
