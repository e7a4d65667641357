//! The counters of the local stack, `GET /_local/stats` on its AWS port.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::Usage;

/// Calls that read items by key.
const READS: [&str; 3] = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:TransactGetItems"];
/// Calls that write.
const WRITES: [&str; 5] = [
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:TransactWriteItems",
];
/// Who counts.
const COUNTED_BY: &str = "the local stack";

/// Why there are no counters.
#[derive(Debug, thiserror::Error)]
#[error("the counters of the local stack cannot be read from {url}: {why}")]
pub struct Error {
    url: String,
    why: String,
}

/// Reads them, from an address such as `http://127.0.0.1:4566`.
///
/// # Errors
/// [`Error`] when nobody answers there.
pub async fn read(endpoint: &str) -> Result<Usage, Error> {
    let url = format!("{}/_local/stats", endpoint.trim_end_matches('/'));
    let failed = |why: String| Error { url: url.clone(), why };
    let uri = url.parse().map_err(|_| failed("it is no URL".to_owned()))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(uri).await.map_err(|error| failed(error.to_string()))?;
    let body = response.into_body().collect().await.map_err(|error| failed(error.to_string()))?.to_bytes();
    let stats: Value = serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
    Ok(usage(&stats))
}

/// Their meaning.
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
    }
}

/// Calls of operations that begin like this, by whomever; unknown if calls are not counted.
fn calls(stats: &Value, prefixes: &[&str]) -> Option<f64> {
    numbers(stats, prefixes, "calls")
}

fn numbers(stats: &Value, prefixes: &[&str], field: &str) -> Option<f64> {
    let callers = stats["calls"].as_object()?;
    let operations = callers.values().filter_map(Value::as_object).flatten();
    let ours = operations.filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    Some(ours.filter_map(|(_, count)| count[field].as_f64()).sum())
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
        assert_eq!((usage.units_out, usage.read_units, usage.write_units), (None, Some(3.5), Some(0.0)));
        assert_eq!(super::usage(&json!({ "calls": null })).queries, None);
    }
}
