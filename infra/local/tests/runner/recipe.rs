//! Tests that the well-known recipe runs unchanged, because the runner does not depend on
//! Roomcast's functions.

use serde_json::Value;

use crate::harness::{Client, Runner, get, recipe};

#[tokio::test]
async fn two_clients_hear_what_one_of_them_says() {
    let mut runner = Runner::start(&[]);
    let ready = runner.ready();
    let (mut ada, mut bob) = (Client::connect(&ready).await, Client::connect(&ready).await);
    ada.say("hello").await;
    let (heard_by_ada, heard_by_bob) = (ada.hear().await, bob.hear().await);
    assert_eq!(heard_by_ada["message"], "hello");
    assert_eq!(heard_by_ada, heard_by_bob);
    bob.say("hi").await;
    assert_eq!(ada.hear().await["message"], "hi");
}

#[tokio::test]
async fn it_is_the_same_when_every_invocation_gets_a_fresh_process() {
    let mut runner = Runner::start(&["--fresh-process-per-invocation"]);
    let ready = runner.ready();
    let mut client = Client::connect(&ready).await;
    for message in ["one", "two", "three"] {
        client.say(message).await;
        assert_eq!(client.hear().await["message"], message);
    }
    let functions = get(&ready, "/_local/stats")["functions"].clone();
    let chat = &functions["chat"];
    assert!(chat["cold_starts"].as_u64() >= Some(4), "one process each for $connect and three messages: {chat}");
}

#[tokio::test]
async fn a_call_that_was_not_granted_is_denied_as_aws_denies_it() {
    let folder = tempfile::tempdir().unwrap();
    let topology = folder.path().join("topology.yaml");
    let granted = std::fs::read_to_string(recipe()).unwrap();
    std::fs::write(&topology, granted.replace("DeleteItem, Scan]", "DeleteItem]")).unwrap();
    let mut runner = Runner::start(&["--topology", topology.to_str().unwrap()]);
    let ready = runner.ready();
    let mut client = Client::connect(&ready).await;
    client.say("hello").await;
    let denial = runner.hear("AccessDeniedException");
    assert!(
        denial.contains(
            "User: arn:aws:sts::000000000000:assumed-role/chat/chat is not authorized to perform: dynamodb:Scan on resource: \
             arn:aws:dynamodb:us-east-1:000000000000:table/connections because no identity-based policy allows the \
             dynamodb:Scan action"
        ),
        "{denial}"
    );
    let calls = get(&ready, "/_local/stats")["calls"].clone();
    assert_eq!(calls["chat"]["dynamodb:Scan"]["denied"], 1, "{calls}");
    assert_eq!(calls["chat"]["dynamodb:PutItem"]["denied"], Value::from(0));
}

#[tokio::test]
async fn a_post_that_was_not_granted_is_denied_as_api_gateway_denies_it() {
    let folder = tempfile::tempdir().unwrap();
    let topology = folder.path().join("topology.yaml");
    let granted = std::fs::read_to_string(recipe()).unwrap();
    std::fs::write(&topology, granted.replace("actions: [POST]", "actions: [GET]")).unwrap();
    let mut runner = Runner::start(&["--topology", topology.to_str().unwrap()]);
    let ready = runner.ready();
    let mut client = Client::connect(&ready).await;
    client.say("hello").await;
    let denial = runner.hear("AccessDeniedException");
    assert!(
        denial.contains(
            "User: arn:aws:sts::000000000000:assumed-role/chat/chat is not authorized to perform: \
             execute-api:ManageConnections on resource: \
             arn:aws:execute-api:us-east-1:********0000:local/local/POST/@connections/{connectionId} because no \
             identity-based policy allows the execute-api:ManageConnections action"
        ),
        "{denial}"
    );
    assert_eq!(get(&ready, "/_local/stats")["gateway"]["calls_forbidden"], 1);
}
