//! Tests faults on demand with running functions: enabled, counted, and changed at run time.

use std::time::Instant;

use local::Error;
use local::faults::Fault;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{PATIENCE, Running, start_with, text};

/// A function that stores each message.
const WITNESSED: &str = "
functions:
  witness:
    binary: witness
    memory_mb: 128
    timeout_s: 1
    environment: { WITNESS_TABLE: { table: seen } }
    triggers: [{ queue: { queue: inbox, batch_size: 1 } }]
    grants: [{ table: seen, actions: [PutItem] }]
queues:
  inbox: { visibility_timeout_s: 6 }
tables:
  seen: { partition_key: { name: id, type: S } }
";

async fn start_under(spec: &str) -> Result<Running, Error> {
    start_with(WITNESSED, |options| {
        options.faults = spec.parse().unwrap();
        options.fault_seed = 7;
    })
    .await
}

async fn send(running: &Running, body: &str) {
    let url = &running.stack.addresses().resources.queues["inbox"].url;
    running.stack.clients().sqs.send_message().queue_url(url).message_body(body).send().await.unwrap();
}

/// Waits until a fault has happened, then disables all faults.
async fn until_fired(running: &Running, fault: Fault) {
    let begun = Instant::now();
    while running.stack.faults().count(fault).fired == 0 {
        assert!(begun.elapsed() < PATIENCE, "it never happened");
        tokio::task::yield_now().await;
    }
    running.stack.faults().set(&"".parse().unwrap());
}

async fn seen(running: &Running, body: &str) {
    running.witnessed(|item| text(item, "event").contains(&format!("\"body\":\"{body}\""))).await;
}

/// Waits until a counter of the function has a value. A fault is counted when it is decided, its
/// result when it is observed.
async fn counted(running: &Running, number: &str) {
    let begun = Instant::now();
    while of_witness(running, number) == 0 {
        assert!(begun.elapsed() < PATIENCE, "it is never counted");
        tokio::task::yield_now().await;
    }
}

fn of_witness(running: &Running, number: &str) -> u64 {
    running.stack.statistics()["functions"]["witness"][number].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_killed_in_the_middle_and_its_message_comes_again() {
    for (spec, fault, number) in [("F1=1", Fault::Killed, "errors"), ("F2=1", Fault::TimedOut, "timeouts")] {
        let running = start_under(spec).await.unwrap();
        // Most invocations end before they would be cut, but one of many does not.
        let begun = Instant::now();
        let mut sent = 0;
        while running.stack.faults().count(fault).fired == 0 {
            assert!(begun.elapsed() < PATIENCE, "it never happened");
            send(&running, &format!("m{sent}")).await;
            sent += 1;
        }
        until_fired(&running, fault).await;
        counted(&running, number).await;
        for n in 0..sent {
            seen(&running, &format!("m{n}")).await;
        }
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_invocation_is_tried_again_and_nothing_ran_meanwhile() {
    let running = start_under("F7=1").await.unwrap();
    send(&running, "hello").await;
    until_fired(&running, Fault::InvocationThrottled).await;
    seen(&running, "hello").await;
    assert_eq!(of_witness(&running, "throttles"), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_throttle_functions_and_not_whoever_develops() {
    let running = start_under("F17=1").await.unwrap();
    send(&running, "hello").await;
    until_fired(&running, Fault::TableThrottled).await;
    seen(&running, "hello").await;
    let calls = &running.stack.statistics()["calls"];
    assert!(calls["witness"]["dynamodb:PutItem"]["failed"].as_u64() >= Some(1), "{calls}");
    assert_eq!(calls["developer"]["dynamodb:Scan"]["failed"], 0);
    running.stop().await;
}

/// Sends one request on its own connection. Returns status and body.
async fn request(running: &Running, method: &str, body: &str) -> (u16, String) {
    let address = running.stack.addresses().aws_endpoint.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} /_local/faults HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_changed_and_counted_over_http_while_everything_runs() {
    let running = start_under("").await.unwrap();
    let (status, shown) = request(&running, "GET", "").await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((status, &shown["spec"], &shown["seed"], &shown["counts"]), (200, &"".into(), &7.into(), &json!({})));
    assert_eq!(request(&running, "PUT", "F7=1").await.0, 200);
    send(&running, "hello").await;
    until_fired(&running, Fault::InvocationThrottled).await;
    let (_, shown) = request(&running, "GET", "").await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert!(shown["counts"]["F7"]["fired"].as_u64() >= Some(1), "{shown}");
    assert_eq!(running.stack.statistics()["faults"]["F7"]["fired"], shown["counts"]["F7"]["fired"]);
    let (status, sentence) = request(&running, "PUT", "F7=often").await;
    let expected = "the rate of F7 is \"often\" and must be a number from 0 to 1, such as F7=0.02\n";
    assert_eq!((status, sentence.as_str()), (400, expected));
    running.stop().await;
}
