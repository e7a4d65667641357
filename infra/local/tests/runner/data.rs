//! Tests `--data`: stored data exists after a restart.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::Message;
use futures::future::join_all;
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

/// Connects a client and ends the runner by `signal`. Returns the connection that the recipe
/// stored.
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
async fn an_orderly_stop_closes_every_connection_and_runs_its_disconnect() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut runner = Runner::start(&["--data", data]);
    let ready = runner.ready();
    let (mut ada, mut bob) = (Client::connect(&ready).await, Client::connect(&ready).await);
    assert_eq!(connections(&ready).await.len(), 2);
    runner.signal(Signal::SIGTERM);
    assert_eq!((ada.closed().await, bob.closed().await), (1001, 1001), "going away");
    runner.end();
    let mut runner = Runner::start(&["--data", data]);
    let ready = runner.ready();
    assert!(connections(&ready).await.is_empty());
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

/// Creates or finds the queue of these tests. Returns its URL.
async fn inbox(clients: &Clients) -> String {
    clients.sqs.create_queue().queue_name("inbox").send().await.unwrap().queue_url.unwrap()
}

/// Receives up to ten messages and deletes them. Returns their bodies.
async fn take(clients: &Clients, url: &str) -> BTreeSet<String> {
    let received = clients.sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap();
    let delete = async |message: &Message| {
        let request = clients.sqs.delete_message().queue_url(url);
        request.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
        message.body().unwrap().to_owned()
    };
    join_all(received.messages().iter().map(delete)).await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_that_was_accepted_outlives_a_runner_that_is_killed() {
    const SENDERS: usize = 8;
    const KILLED_AFTER: usize = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut runner = Runner::start(&["--data", data]);
    let first = clients(&runner.ready());
    let url = inbox(&first).await;
    let count = AtomicUsize::new(0);
    let (first, url, count) = (&first, url.as_str(), &count);
    let send = |sender: usize| async move {
        let mut accepted = Vec::new();
        loop {
            let body = format!("{sender}-{}", accepted.len());
            if first.sqs.send_message().queue_url(url).message_body(&body).send().await.is_err() {
                return accepted;
            }
            accepted.push(body);
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    let kill = async {
        let taken = take(first, url).await;
        while count.load(Ordering::Relaxed) < KILLED_AFTER {
            tokio::task::yield_now().await;
        }
        runner.signal(Signal::SIGKILL);
        taken
    };
    let (accepted, taken) = tokio::join!(join_all((0..SENDERS).map(send)), kill);
    let accepted: BTreeSet<String> = accepted.into_iter().flatten().collect();
    assert!(accepted.len() >= KILLED_AFTER);
    runner.end();

    let mut runner = Runner::start(&["--data", data]);
    let second = clients(&runner.ready());
    let (url, mut found) = (inbox(&second).await, BTreeSet::new());
    loop {
        let more = take(&second, &url).await;
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    let owed: BTreeSet<&String> = accepted.difference(&taken).collect();
    let lost: Vec<_> = owed.iter().filter(|body| !found.contains(**body)).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), owed.len());
    assert!(found.is_disjoint(&taken), "what was deleted is gone");
    assert!(found.len() - owed.len() <= SENDERS, "at most one a sender was kept and not answered");
}
