//! The counters of the local stack, `GET /_local/stats` on its AWS port.

use std::collections::BTreeMap;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::Usage;

/// Calls that read items by key.
const READS: [&str; 3] = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:TransactGetItems"];
/// Calls that write items.
const WRITES: [&str; 5] = [
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:TransactWriteItems",
];
/// Counters of calls of `@connections` that failed, with a name for each.
const OF_CONNECTIONS: [(&str, &str); 7] = [
    ("posts_gone", "@connections 410"),
    ("calls_throttled", "@connections 429 (account)"),
    ("posts_buffer_full", "@connections 429 (client reads too slowly)"),
    ("posts_too_large", "@connections 413"),
    ("calls_forbidden", "@connections 403"),
    ("calls_unavailable", "@connections 500"),
    ("calls_unanswered", "@connections without an answer"),
];
/// The name of this counter in reports.
const COUNTED_BY: &str = "the local stack";

/// The reason why the counters cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the counters of the local stack from {url}: {why}")]
pub struct Error {
    url: String,
    why: String,
}

/// Reads the counters from an address such as `http://127.0.0.1:4566`.
///
/// # Errors
/// [`Error`] when no local stack responds there.
pub async fn read(endpoint: &str) -> Result<Usage, Error> {
    let url = format!("{}/_local/stats", endpoint.trim_end_matches('/'));
    let failed = |why: String| Error { url: url.clone(), why };
    let uri = url.parse().map_err(|_| failed("the URL is not valid".to_owned()))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(uri).await.map_err(|error| failed(error.to_string()))?;
    let body = response.into_body().collect().await.map_err(|error| failed(error.to_string()))?.to_bytes();
    let stats: Value = serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
    Ok(usage(&stats))
}

/// Converts the statistics of the local stack.
#[must_use]
pub fn usage(stats: &Value) -> Usage {
    let gateway = |name: &str| stats["gateway"][name].as_f64();
    let both = |one: Option<f64>, other: Option<f64>| Some(one? + other?);
    Usage {
        counted_by: COUNTED_BY.to_owned(),
        posts: gateway("posts_delivered"),
        posts_throttled: both(gateway("calls_throttled"), gateway("posts_buffer_full")),
        units_in: gateway("units_received"),
        units_out: gateway("units_sent"),
        queries: calls(stats, &["dynamodb:Query"]),
        reads: calls(stats, &READS),
        writes: calls(stats, &WRITES),
        read_units: both(
            numbers(stats, &READS, "units"),
            numbers(stats, &["dynamodb:Query", "dynamodb:Scan"], "units"),
        ),
        write_units: numbers(stats, &WRITES, "units"),
        queue_calls: calls(stats, &["sqs:"]),
        topic_publishes: calls(stats, &["sns:Publish"]),
        invocations: functions(stats, "invocations"),
        invocation_ms: functions(stats, "busy_ms"),
        functions: invocations(stats),
        calls: by_operation(stats, &["calls"]),
        faults: faults(stats),
        failed_calls: failed_calls(stats),
    }
}

/// Calls of operations with one of these prefixes, by every caller; unknown if calls are not
/// counted.
fn calls(stats: &Value, prefixes: &[&str]) -> Option<f64> {
    numbers(stats, prefixes, "calls")
}

fn numbers(stats: &Value, prefixes: &[&str], field: &str) -> Option<f64> {
    let callers = stats["calls"].as_object()?;
    let operations = callers.values().filter_map(Value::as_object).flatten();
    let ours = operations.filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    Some(ours.filter_map(|(_, count)| count[field].as_f64()).sum())
}

fn faults(stats: &Value) -> BTreeMap<String, f64> {
    let faults = stats["faults"].as_object().into_iter().flatten();
    let fired = faults.filter_map(|(number, fault)| {
        let what = fault["what"].as_str().unwrap_or_default();
        Some((format!("{number} {what}").trim().to_owned(), fault["fired"].as_f64()?))
    });
    fired.filter(|(_, fired)| *fired > 0.0).collect()
}

/// Failed calls of AWS APIs by caller and operation, and of `@connections` by outcome.
fn failed_calls(stats: &Value) -> BTreeMap<String, f64> {
    let of_gateway = OF_CONNECTIONS
        .iter()
        .map(|(counter, name)| ((*name).to_owned(), stats["gateway"][counter].as_f64().unwrap_or_default()));
    let of_callers = by_operation(stats, &["failed", "denied"]);
    of_callers.into_iter().chain(of_gateway.filter(|(_, failed)| *failed > 0.0)).collect()
}

/// The sum of these fields of each operation of each caller, without those that are zero.
fn by_operation(stats: &Value, fields: &[&str]) -> BTreeMap<String, f64> {
    let callers = stats["calls"].as_object().into_iter().flatten();
    let each = callers.flat_map(|(caller, operations)| {
        let operations = operations.as_object().into_iter().flatten();
        operations.map(move |(operation, count)| {
            let sum: f64 = fields.iter().filter_map(|field| count[*field].as_f64()).sum();
            (format!("{caller} {operation}"), sum)
        })
    });
    each.filter(|(_, sum)| *sum > 0.0).collect()
}

fn invocations(stats: &Value) -> BTreeMap<String, f64> {
    let functions = stats["functions"].as_object().into_iter().flatten();
    let counted = functions.filter_map(|(name, function)| Some((name.clone(), function["invocations"].as_f64()?)));
    counted.filter(|(_, count)| *count > 0.0).collect()
}

fn functions(stats: &Value, field: &str) -> Option<f64> {
    let functions = stats["functions"].as_object()?;
    Some(functions.values().filter_map(|function| function[field].as_f64()).sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_that_fired_and_calls_that_failed_have_their_names() {
        let stats = json!({
            "calls": {
                "fanout": { "dynamodb:Query": { "calls": 7, "failed": 3, "denied": 0 } },
                "ingest": { "sqs:SendMessage": { "calls": 7, "failed": 0, "denied": 0 } },
            },
            "gateway": { "posts_delivered": 40, "calls_throttled": 412, "calls_unavailable": 9 },
            "faults": {
                "F17": { "what": "DynamoDB throttles a call", "occasions": 30, "fired": 3 },
                "F35": { "what": "@connections answers 500", "occasions": 0, "fired": 0 },
            },
        });
        let usage = usage(&stats);
        assert_eq!(usage.faults, BTreeMap::from([("F17 DynamoDB throttles a call".to_owned(), 3.0)]));
        let failed: Vec<(&str, f64)> = usage.failed_calls.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        let expected =
            [("@connections 429 (account)", 412.0), ("@connections 500", 9.0), ("fanout dynamodb:Query", 3.0)];
        assert_eq!((failed.as_slice(), usage.posts_throttled), (expected.as_slice(), None));
    }

    #[test]
    fn calls_of_all_callers_are_added_and_what_is_not_counted_is_unknown() {
        let stats = json!({
            "calls": {
                "fanout": { "dynamodb:Query": { "calls": 7, "units": 3.5 }, "sqs:SendMessageBatch": { "calls": 2 } },
                "developer": { "sqs:ReceiveMessage": { "calls": 5 } },
            },
            "gateway": { "posts_delivered": 40 },
            "functions": { "fanout": { "invocations": 3, "busy_ms": 12 }, "ingest": { "invocations": 4, "busy_ms": 8 } },
        });
        let usage = usage(&stats);
        assert_eq!((usage.posts, usage.queries, usage.queue_calls), (Some(40.0), Some(7.0), Some(7.0)));
        assert_eq!((usage.invocations, usage.invocation_ms), (Some(7.0), Some(20.0)));
        assert_eq!((usage.functions["fanout"], usage.calls["developer sqs:ReceiveMessage"]), (3.0, 5.0));
        assert_eq!((usage.units_out, usage.read_units, usage.write_units), (None, Some(3.5), Some(0.0)));
        assert_eq!(super::usage(&json!({ "calls": null })).queries, None);
    }
}
