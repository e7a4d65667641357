//! Metrics of functions, from the lines that they write in CloudWatch's embedded metric format, in
//! the text format of Prometheus.
//!
//! Formats:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

/// Most series. A function that makes dimensions of ids would fill the memory.
const KEPT_SERIES: usize = 10_000;
/// Upper bounds of a histogram. Each is at most three times the one before, so that a quantile is
/// right within a factor of three, for times from a millisecond to five minutes.
const BOUNDS: [f64; 17] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 3e5];
/// The key of the metadata in a line.
const METADATA: &str = "_aws";

/// The sums of all metrics since the stack was started.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Texts for HELP, by the name of the metric.
    help: BTreeMap<String, String>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    families: BTreeMap<String, Family>,
    series: usize,
}

/// All series of one metric.
struct Family {
    help: String,
    unit: String,
    series: BTreeMap<String, Series>,
}

/// The values of one metric with the same labels.
enum Series {
    /// A sum of counts.
    Sum(f64),
    /// A distribution of values.
    Histogram { buckets: [u64; BOUNDS.len()], sum: f64, count: u64 },
}

/// A metric that a line declares.
struct Declared<'a> {
    namespace: &'a str,
    name: &'a str,
    unit: &'a str,
    dimensions: Vec<&'a str>,
}

impl Metrics {
    /// Creates metrics whose HELP has these texts, by the name of the metric.
    pub(crate) fn new(help: BTreeMap<String, String>) -> Self {
        Self { help, kept: Mutex::default() }
    }

    /// Adds the metrics of a line, if it has any.
    pub(crate) fn record(&self, line: &str) {
        if !line.contains(METADATA) {
            return;
        }
        let Ok(Value::Object(fields)) = serde_json::from_str(line) else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for declared in declared(&fields) {
            for value in values(&fields, declared.name) {
                kept.add(&declared, &fields, value, &self.help);
            }
        }
    }

    /// Writes all metrics in the text format of Prometheus.
    pub(crate) fn to_text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (name, family) in &kept.families {
            // Writing to a String cannot fail.
            family.write(name, &mut text).unwrap_or_default();
        }
        text
    }
}

impl Kept {
    fn add(
        &mut self,
        declared: &Declared<'_>,
        fields: &Map<String, Value>,
        value: f64,
        help: &BTreeMap<String, String>,
    ) {
        let is_count = is_count(declared.unit);
        let suffix = if is_count { "_total" } else { "" };
        let name = format!("{}_{}{suffix}", identifier(declared.namespace), identifier(declared.name));
        let labels = labels(declared, fields);
        let is_known = self.families.get(&name).is_some_and(|family| family.series.contains_key(&labels));
        if self.series >= KEPT_SERIES && !is_known {
            return;
        }
        let family = self.families.entry(name).or_insert_with(|| Family {
            help: help.get(declared.name).cloned().unwrap_or_default(),
            unit: declared.unit.to_owned(),
            series: BTreeMap::new(),
        });
        let new = &mut self.series;
        let series = family.series.entry(labels).or_insert_with(|| {
            *new += 1;
            if is_count {
                Series::Sum(0.0)
            } else {
                Series::Histogram { buckets: [0; BOUNDS.len()], sum: 0.0, count: 0 }
            }
        });
        series.add(value);
    }
}

impl Family {
    fn write(&self, name: &str, text: &mut String) -> std::fmt::Result {
        let Self { help, unit, series } = self;
        let space = if help.is_empty() { "" } else { " " };
        let help = format!("{help}{space}Unit: {unit}.").replace('\\', r"\\").replace('\n', r"\n");
        writeln!(text, "# HELP {name} {help}")?;
        let is_sum = matches!(series.values().next(), Some(Series::Sum(_)));
        writeln!(text, "# TYPE {name} {}", if is_sum { "counter" } else { "histogram" })?;
        series.iter().try_for_each(|(labels, series)| series.write(name, labels, text))
    }
}

impl Series {
    fn add(&mut self, value: f64) {
        match self {
            Self::Sum(sum) => *sum += value,
            Self::Histogram { buckets, sum, count } => {
                *sum += value;
                *count += 1;
                buckets
                    .iter_mut()
                    .zip(BOUNDS)
                    .filter(|(_, bound)| value <= *bound)
                    .for_each(|(bucket, _)| *bucket += 1);
            }
        }
    }

    fn write(&self, name: &str, labels: &str, text: &mut String) -> std::fmt::Result {
        let braces = |labels: &str| if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        match self {
            Self::Sum(sum) => writeln!(text, "{name}{} {sum}", braces(labels)),
            Self::Histogram { buckets, sum, count } => {
                let comma = if labels.is_empty() { "" } else { "," };
                let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
                for (bound, bucket) in bounds.zip(buckets.iter().chain([count])) {
                    writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {bucket}")?;
                }
                writeln!(text, "{name}_sum{} {sum}", braces(labels))?;
                writeln!(text, "{name}_count{} {count}", braces(labels))
            }
        }
    }
}

/// Returns the metrics that a line declares, each with the first of its sets of dimensions.
fn declared(fields: &Map<String, Value>) -> impl Iterator<Item = Declared<'_>> {
    let directives = fields.get(METADATA).and_then(|aws| aws["CloudWatchMetrics"].as_array());
    directives.into_iter().flatten().flat_map(|directive| {
        let dimensions = directive["Dimensions"][0].as_array().into_iter().flatten().filter_map(Value::as_str);
        let dimensions: Vec<&str> = dimensions.collect();
        directive["Metrics"].as_array().into_iter().flatten().filter_map(move |metric| {
            Some(Declared {
                namespace: directive["Namespace"].as_str()?,
                name: metric["Name"].as_str()?,
                unit: metric["Unit"].as_str().unwrap_or("None"),
                dimensions: dimensions.clone(),
            })
        })
    })
}

/// Returns the values of a metric: a number, or a list of numbers.
fn values(fields: &Map<String, Value>, name: &str) -> Vec<f64> {
    match fields.get(name) {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_f64).collect(),
        Some(value) => value.as_f64().into_iter().collect(),
        None => Vec::new(),
    }
}

/// Returns whether values of a unit add up to a meaningful sum.
fn is_count(unit: &str) -> bool {
    let unit = unit.to_ascii_lowercase();
    ["count", "bytes", "bits"].iter().any(|counted| unit.ends_with(counted))
}

fn labels(declared: &Declared<'_>, fields: &Map<String, Value>) -> String {
    let label = |name: &&str| {
        let value = fields.get(*name)?.as_str()?;
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        Some(format!("{}=\"{value}\"", identifier(name)))
    };
    declared.dimensions.iter().filter_map(label).collect::<Vec<_>>().join(",")
}

/// Returns a name with the characters that Prometheus allows, in lower case.
fn identifier(name: &str) -> String {
    let first = name.starts_with(|first: char| first.is_ascii_digit()).then_some('_');
    let rest =
        name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(function: &str, name: &str, unit: &str, value: &Value) -> String {
        let metrics = json!([{ "Name": name, "Unit": unit }]);
        let directive = json!([{ "Namespace": "Some App", "Dimensions": [["function"]], "Metrics": metrics }]);
        json!({ "function": function, name: value, "_aws": { "CloudWatchMetrics": directive } }).to_string()
    }

    #[test]
    fn counts_are_added_up_by_their_dimensions() {
        let metrics = Metrics::new([("posts_sent".to_owned(), "Posts made.".to_owned())].into());
        for (function, value) in [("a", json!(2)), ("a", json!([3, 4])), ("b\"c", json!(1))] {
            metrics.record(&line(function, "posts_sent", "Count", &value));
        }
        metrics.record(r#"{"posts_sent":100,"message":"_aws is no metadata here"}"#);
        metrics.record("no JSON with _aws");
        let expected = "# HELP some_app_posts_sent_total Posts made. Unit: Count.\n\
                        # TYPE some_app_posts_sent_total counter\n\
                        some_app_posts_sent_total{function=\"a\"} 9\n\
                        some_app_posts_sent_total{function=\"b\\\"c\"} 1\n";
        assert_eq!(metrics.to_text(), expected);
    }

    #[test]
    fn times_are_histograms_whose_buckets_hold_all_smaller_values() {
        let metrics = Metrics::default();
        metrics.record(&line("a", "took_ms", "Milliseconds", &json!([1, 150, 400_000])));
        let text = metrics.to_text();
        assert!(
            text.starts_with("# HELP some_app_took_ms Unit: Milliseconds.\n# TYPE some_app_took_ms histogram\n"),
            "{text}"
        );
        for (bound, count) in [("1", 1), ("100", 1), ("200", 2), ("300000", 2), ("+Inf", 3)] {
            let bucket = format!("some_app_took_ms_bucket{{function=\"a\",le=\"{bound}\"}} {count}\n");
            assert!(text.contains(&bucket), "{text}");
        }
        assert!(
            text.ends_with("took_ms_sum{function=\"a\"} 400151\nsome_app_took_ms_count{function=\"a\"} 3\n"),
            "{text}"
        );
    }

    #[test]
    fn ids_as_dimensions_fill_no_memory() {
        let metrics = Metrics::default();
        for number in 0..=KEPT_SERIES {
            metrics.record(&line(&number.to_string(), "hits", "Count", &json!(1)));
        }
        assert_eq!(metrics.to_text().lines().count(), KEPT_SERIES + 2);
    }
}
