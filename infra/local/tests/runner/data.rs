//! `--data`: what was kept is there after a restart.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use local::clients::Clients;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Client, PATIENCE, Runner};

fn clients(ready: &Value) -> Clients {
    let credentials = Credentials::new("local", "local", None, None, "tests");
    Clients::new(ready["aws_endpoint"].as_str().unwrap(), &credentials)
}

async fn connections(ready: &Value) -> Vec<String> {
    let answer = clients(ready).dynamodb.scan().table_name("connections").send().await.unwrap();
    let id = |item: &std::collections::HashMap<String, AttributeValue>| item["connectionId"].as_s().unwrap().clone();
    answer.items().iter().map(id).collect()
}

/// Connects a client, ends the runner by `signal`, and gives the connection that the recipe wrote down.
async fn leave_a_connection(data: &str, signal: Signal) -> String {
    let mut runner = Runner::start(&["--data", data]);
    let ready = runner.ready();
    let _client = Client::connect(&ready).await;
    let written = connections(&ready).await;
    assert_eq!(written.len(), 1);
    runner.signal(signal);
    runner.end();
    written[0].clone()
}

#[tokio::test]
async fn tables_outlive_a_runner_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let left = leave_a_connection(data, Signal::SIGKILL).await;
    let mut runner = Runner::start(&["--data", data]);
    let ready = runner.ready();
    assert_eq!(connections(&ready).await, [left]);
}

#[tokio::test]
async fn connections_of_an_earlier_run_are_gone_and_the_recipe_forgets_them_at_the_first_post() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let left = leave_a_connection(data, Signal::SIGKILL).await;
    let mut runner = Runner::start(&["--data", data]);
    let ready = runner.ready();
    let mut client = Client::connect(&ready).await;
    client.say("hello").await;
    assert_eq!(client.hear().await["message"], "hello");
    let deadline = Instant::now() + PATIENCE;
    while connections(&ready).await.contains(&left) {
        assert!(Instant::now() < deadline, "{left} was not forgotten");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(connections(&ready).await.len(), 1);
}
