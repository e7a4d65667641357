//! Calls the AWS CLI, which lists series and returns their sums. It finds Region and credentials by
//! itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::process::Command;

use super::Deployment;
use super::metrics::Metric;

/// Metrics have a resolution of one minute.
const PERIOD_S: i64 = 60;
/// Series in one call. CloudWatch accepts 500, but all of them are one argument, and Linux accepts
/// 128 KiB for that.
const SERIES: usize = 100;

/// The program to call.
#[derive(Debug)]
pub(super) struct Cli(String);

/// A range of whole minutes, in seconds since 1970; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Minutes {
    from_s: i64,
    to_s: i64,
}

/// One series of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) metric: Metric,
    dimensions: Vec<Dimension>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: String,
    value: String,
}

/// Sums of metrics. A metric without a value is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sums(Vec<(Metric, f64)>);

/// The output of `list-metrics`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    metrics: Vec<Found>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    #[serde(default)]
    dimensions: Vec<Dimension>,
}

/// The output of `get-metric-data`: one result for each query and page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    metric_data_results: Vec<Points>,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Points {
    id: String,
    #[serde(default)]
    values: Vec<f64>,
    #[serde(default)]
    status_code: String,
}

/// An error of the whole call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    value: String,
}

impl Default for Cli {
    fn default() -> Self {
        Self("aws".to_owned())
    }
}

impl Minutes {
    /// The minutes that overlap this time.
    pub(super) fn around(from_s: i64, to_s: i64) -> Self {
        let begin = |at: i64| at - at.rem_euclid(PERIOD_S);
        Self { from_s: begin(from_s), to_s: begin(to_s) + PERIOD_S }
    }
}

impl Series {
    /// Returns true if the series has one of the metric's sets of dimensions, and belongs to the
    /// deployment.
    pub(super) fn is_of(&self, deployment: &Deployment) -> bool {
        let names: BTreeSet<&str> = self.dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
        let by = self.metric.by.iter().find(|by| by.iter().copied().collect::<BTreeSet<_>>() == names);
        let owner = by.and_then(|by| self.dimensions.iter().find(|dimension| by.first() == Some(&&*dimension.name)));
        owner.is_some_and(|owner| match owner.name.as_str() {
            "ApiId" => owner.value == deployment.api,
            _ => owner.value.strip_prefix(&deployment.stack).is_some_and(|rest| rest.starts_with('-')),
        })
    }

    fn query(&self, id: &str) -> Value {
        let Metric { space, name, .. } = self.metric;
        let metric = json!({ "Namespace": space, "MetricName": name, "Dimensions": self.dimensions });
        json!({ "Id": id, "MetricStat": { "Metric": metric, "Period": PERIOD_S, "Stat": "Sum" } })
    }
}

impl Sums {
    /// The sum of a metric over all its series.
    pub(super) fn of(&self, metric: Metric) -> Option<f64> {
        self.0.iter().filter(|(of, _)| *of == metric).map(|(_, sum)| *sum).reduce(|sum, more| sum + more)
    }
}

impl FromIterator<(Metric, f64)> for Sums {
    fn from_iter<T: IntoIterator<Item = (Metric, f64)>>(sums: T) -> Self {
        Self(sums.into_iter().collect())
    }
}

impl Cli {
    /// Lists all series of a metric with a value in the last two weeks, of any owner.
    pub(super) async fn list(&self, metric: Metric) -> Result<Vec<Series>, String> {
        let Listed { metrics } =
            self.ask(&["list-metrics", "--namespace", metric.space, "--metric-name", metric.name]).await?;
        Ok(metrics.into_iter().map(|Found { dimensions }| Series { metric, dimensions }).collect())
    }

    /// Reads the sum of each of these series.
    pub(super) async fn sum(&self, series: &[Series], minutes: Minutes) -> Result<Sums, String> {
        let mut sums = Vec::new();
        for series in series.chunks(SERIES) {
            sums.extend(self.sum_some(series, minutes).await?);
        }
        Ok(Sums(sums))
    }

    async fn sum_some(&self, series: &[Series], minutes: Minutes) -> Result<Vec<(Metric, f64)>, String> {
        let id = |n: usize| format!("s{n}");
        let queries: Vec<Value> = series.iter().enumerate().map(|(n, series)| series.query(&id(n))).collect();
        let (from, to, queries) =
            (minutes.from_s.to_string(), minutes.to_s.to_string(), Value::from(queries).to_string());
        let time = ["get-metric-data", "--start-time", &from, "--end-time", &to, "--metric-data-queries", &queries];
        let Data { metric_data_results, messages } = self.ask(&time).await?;
        if let Some(Message { value }) = messages.into_iter().next() {
            return Err(value);
        }
        if let Some(failed) = metric_data_results.iter().find(|points| points.failed()) {
            return Err(format!("CloudWatch returned {}", failed.status_code));
        }
        let sum = |(n, series): (usize, &Series)| {
            let points = metric_data_results.iter().filter(|points| points.id == id(n));
            let sum = points.flat_map(|points| &points.values).copied().reduce(|sum, more| sum + more)?;
            Some((series.metric, sum))
        };
        Ok(series.iter().enumerate().filter_map(sum).collect())
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, what: &[&str]) -> Result<T, String> {
        let Self(cli) = self;
        // If the caller drops the call, the program is killed.
        let asking = Command::new(cli).args(["cloudwatch", "--output", "json"]).args(what).kill_on_drop(true).output();
        let output = asking.await.map_err(|error| format!("cannot run {cli}: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }
}

impl Points {
    /// A page with partial data is followed by another page, so partial data is no failure.
    fn failed(&self) -> bool {
        matches!(self.status_code.as_str(), "InternalError" | "Forbidden")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::metrics::{INVOCATIONS, MESSAGES, READ_UNITS};
    use super::*;

    fn series(metric: Metric, dimensions: &[(&str, &str)]) -> Series {
        let dimension = |(name, value): &(&str, &str)| Dimension { name: (*name).into(), value: (*value).into() };
        Series { metric, dimensions: dimensions.iter().map(dimension).collect() }
    }

    /// A program that prints this output for matching arguments, and fails for others.
    fn cli(folder: &tempfile::TempDir, asked: &str, answer: &str) -> Cli {
        let path = folder.path().join("aws");
        let script =
            format!("#!/bin/sh\ncase \"$*\" in *'{asked}'*) echo '{answer}';; *) echo \"$*\" >&2; exit 1;; esac\n");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Cli(path.display().to_string())
    }

    #[test]
    fn what_belongs_to_a_deployment_is_counted_once() {
        let deployment: Deployment = "abc123,roomcast".parse().unwrap();
        let index = [("GlobalSecondaryIndexName", "by_room"), ("TableName", "roomcast-connections")];
        for (counts, series) in [
            (true, series(MESSAGES, &[("ApiId", "abc123")])),
            (false, series(MESSAGES, &[("ApiId", "abc1234")])),
            (false, series(MESSAGES, &[("ApiId", "abc123"), ("Stage", "prod")])),
            (true, series(INVOCATIONS, &[("FunctionName", "roomcast-fanout")])),
            (false, series(INVOCATIONS, &[("FunctionName", "roomcast-fanout"), ("Resource", "roomcast-fanout")])),
            (false, series(INVOCATIONS, &[("FunctionName", "roomcast2-fanout")])),
            (false, series(INVOCATIONS, &[("FunctionName", "my-roomcast-fanout")])),
            (false, series(INVOCATIONS, &[])),
            (true, series(READ_UNITS, &[("TableName", "roomcast-rooms")])),
            (true, series(READ_UNITS, &index)),
        ] {
            assert_eq!(series.is_of(&deployment), counts, "{series:?}");
        }
    }

    #[test]
    fn minutes_are_whole_and_no_more_than_the_run_touched() {
        let minutes = |from_s, to_s| Minutes { from_s, to_s };
        assert_eq!(Minutes::around(59, 61), minutes(0, 120));
        assert_eq!(Minutes::around(60, 119), minutes(60, 120));
        assert_eq!(Minutes::around(60, 120), minutes(60, 180));
    }

    #[tokio::test]
    async fn points_are_added_up_over_pages_and_what_has_none_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let answer = r#"{"MetricDataResults":[{"Id":"s0","Label":"a","Timestamps":[1],"Values":[60.0,50.0],"StatusCode":"PartialData"},{"Id":"s1","Label":"b","Values":[],"StatusCode":"Complete"},{"Id":"s0","Values":[1],"StatusCode":"Complete"}],"Messages":[]}"#;
        let cli = cli(&folder, "--start-time 1764000000 --end-time 1764000120", answer);
        let all = [series(MESSAGES, &[("ApiId", "abc123")]), series(INVOCATIONS, &[("FunctionName", "roomcast-x")])];
        let sums = cli.sum(&all, Minutes::around(1_764_000_000, 1_764_000_090)).await.unwrap();
        assert_eq!((sums.of(MESSAGES), sums.of(INVOCATIONS)), (Some(111.0), None));
    }

    #[tokio::test]
    async fn an_answer_that_is_not_whole_is_none() {
        let one = [series(MESSAGES, &[("ApiId", "abc123")])];
        for (answer, why) in [
            (r#"{"MetricDataResults":[{"Id":"s0","Values":[1],"StatusCode":"InternalError"}]}"#, "InternalError"),
            (r#"{"MetricDataResults":[],"Messages":[{"Code":"x","Value":"too many metrics"}]}"#, "too many metrics"),
            ("[]", "invalid"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let told = cli(&folder, "get-metric-data", answer).sum(&one, Minutes::around(0, 1)).await.unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let folder = tempfile::tempdir().unwrap();
        let told = cli(&folder, "nothing of this", "{}").list(MESSAGES).await.unwrap_err();
        assert_eq!(told, "cloudwatch --output json list-metrics --namespace AWS/ApiGateway --metric-name MessageCount");
    }

    #[tokio::test]
    async fn without_the_cli_everything_is_unknown() {
        let why = Cli("/nowhere/aws".to_owned()).list(MESSAGES).await.unwrap_err();
        assert!(why.contains("cannot run"), "{why}");
    }
}
