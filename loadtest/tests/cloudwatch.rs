//! The real AWS CLI against a server that imitates CloudWatch. The test needs both, so it runs only
//! on request:
//!
//! ```sh
//! pip install awscli 'moto[server]' && moto_server -p 5055 &
//! export AWS_ENDPOINT_URL=http://127.0.0.1:5055 AWS_DEFAULT_REGION=us-east-1
//! export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x
//! cargo test --workspace --test cloudwatch -- --ignored
//! ```
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;

use loadtest::counters::Usage;
use loadtest::counters::cloudwatch::{Deployment, read};
use serde_json::json;

/// Writes one value in the minute that begins at `at_s`.
fn put(space: &str, name: &str, dimensions: &[(&str, &str)], at_s: i64, value: f64) {
    let dimension = |(name, value): &(&str, &str)| json!({ "Name": name, "Value": value });
    let dimensions: Vec<_> = dimensions.iter().map(dimension).collect();
    let data = json!([{ "MetricName": name, "Dimensions": dimensions, "Timestamp": at_s, "Value": value }]).to_string();
    let put = ["cloudwatch", "put-metric-data", "--namespace", space, "--metric-data", &data];
    assert!(Command::new("aws").args(put).status().unwrap().success());
}

#[tokio::test]
#[ignore = "takes the AWS CLI and a server such as moto"]
async fn what_was_counted_of_a_deployment_is_read_once_and_nothing_else() {
    let now_s = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let begin = now_s - now_s % 60 - 600;
    // Each run has a deployment of its own.
    let (api, stack) = (format!("api{now_s}"), format!("stack{now_s}"));
    let (function, table, queue) = (format!("{stack}-fanout"), format!("{stack}-rooms"), format!("{stack}-jobs.fifo"));
    let (topic, other) = (format!("{stack}-activity"), format!("{stack}2-fanout"));
    let (function_of, table_of, queue_of) =
        (("FunctionName", &*function), ("TableName", &*table), ("QueueName", &*queue));
    for (at_s, value) in [(begin - 60, 1_000.0), (begin, 30.0), (begin + 60, 20.0), (begin + 120, 1_000.0)] {
        put("AWS/ApiGateway", "MessageCount", &[("ApiId", &api)], at_s, value);
        put("AWS/ApiGateway", "MessageCount", &[("ApiId", &api), ("Stage", "prod")], at_s, value);
    }
    put("AWS/Lambda", "Invocations", &[function_of], begin, 7.0);
    put("AWS/Lambda", "Invocations", &[function_of, ("Resource", &function)], begin, 7.0);
    put("AWS/Lambda", "Invocations", &[("FunctionName", &other)], begin, 500.0);
    put("AWS/Lambda", "Duration", &[function_of], begin, 12.5);
    put("AWS/DynamoDB", "ConsumedReadCapacityUnits", &[table_of], begin, 3.0);
    put("AWS/DynamoDB", "ConsumedReadCapacityUnits", &[table_of, ("GlobalSecondaryIndexName", "by_room")], begin, 4.0);
    put("AWS/SNS", "NumberOfMessagesPublished", &[("TopicName", &topic)], begin, 2.0);
    for (name, value) in [("Sent", 10.0), ("Received", 12.0), ("Deleted", 10.0)] {
        put("AWS/SQS", &format!("NumberOfMessages{name}"), &[queue_of], begin, value);
    }
    put("AWS/SQS", "NumberOfEmptyReceives", &[queue_of], begin + 60, 6.0);

    let usage = read(&Deployment { api, stack }, begin + 5, begin + 119, 10).await;
    let expected = Usage {
        counted_by: "CloudWatch, of 1 functions, 2 tables and indexes, 1 topics, 1 queues; queue calls from above"
            .to_owned(),
        units_in: Some(10.0),
        units_out: Some(40.0),
        read_units: Some(7.0),
        queue_calls: Some(40.0),
        topic_publishes: Some(2.0),
        invocations: Some(7.0),
        invocation_ms: Some(12.5),
        ..Usage::default()
    };
    assert_eq!(usage, expected);
}
