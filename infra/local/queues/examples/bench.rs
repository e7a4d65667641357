//! Measures the queues: messages per second in batches of ten, in process (also with a journal) and
//! through the SDK over HTTP, and the wake-up time of a long poll.
//!
//! `cargo run --release -p local-queues --example bench`

#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use bytes::Bytes;
use local_queues::Service;
use serde_json::{Value, json};
use support::World;

/// Clients that send, receive and delete concurrently.
const CLIENTS: usize = 16;
/// Number of batches of ten that each client sends, in process and through the SDK.
const BATCHES_IN_PROCESS: usize = 2_000;
const BATCHES_OVER_HTTP: usize = 300;
/// Number of wake-ups that are measured.
const WAKE_UPS: usize = 2_000;
/// Size of a body in bytes, about that of a message of Roomcast.
const BODY_BYTES: usize = 500;

#[tokio::main]
async fn main() {
    let world = World::start().await;
    for name in ["bench", "bench.fifo"] {
        let url = world.queue(name, &[]).await;
        let started = Instant::now();
        in_parallel(|client| in_process(world.service.clone(), url.clone(), client)).await;
        report(&format!("{name}: in process"), CLIENTS * BATCHES_IN_PROCESS * 10, started.elapsed());
        let took = written_down(name).await;
        report(&format!("{name}: in process, written down"), CLIENTS * BATCHES_IN_PROCESS * 10, took);
        let started = Instant::now();
        in_parallel(|client| over_http(world.sqs.clone(), url.clone(), client)).await;
        report(&format!("{name}: SDK over HTTP"), CLIENTS * BATCHES_OVER_HTTP * 10, started.elapsed());
    }
    wake_ups(&world).await;
}

/// Measures the same with a folder, and compacts the journal meanwhile.
async fn written_down(name: &str) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let (service, keeper) = Service::open(support::config("http://127.0.0.1:1"), folder.path()).unwrap();
    let url = service.create_queue(name, &Default::default()).unwrap();
    let keeping = tokio::spawn(async move {
        loop {
            keeper.due().await;
            tokio::task::block_in_place(|| keeper.compact().unwrap());
        }
    });
    let started = Instant::now();
    in_parallel(|client| in_process(service.clone(), url.clone(), client)).await;
    let took = started.elapsed();
    keeping.abort();
    // A snapshot may be in progress. The folder must exist until it ends.
    drop(keeping.await);
    took
}

fn report(what: &str, messages: usize, took: Duration) {
    let per_second = messages as f64 / took.as_secs_f64();
    println!("{what}: {per_second:.0} messages/s sent, received and deleted ({messages} in {took:.2?})");
}

async fn in_parallel<F: Future<Output = ()> + Send + 'static>(run: impl Fn(usize) -> F) {
    let clients: Vec<_> = (0..CLIENTS).map(|client| tokio::spawn(run(client))).collect();
    for client in clients {
        client.await.unwrap();
    }
}

async fn call(service: &Service, action: &str, request: &Value) -> Value {
    let response = service.handle_sqs(action, Bytes::from(request.to_string())).await;
    assert!(response.status().is_success(), "{:?}", response.body());
    serde_json::from_slice(response.body()).unwrap()
}

async fn in_process(service: Service, url: String, client: usize) {
    let is_fifo = url.ends_with(".fifo");
    let body = "x".repeat(BODY_BYTES);
    for batch in 0..BATCHES_IN_PROCESS {
        let entries: Vec<Value> = (0..10)
            .map(|index| {
                let mut entry = json!({ "Id": index.to_string(), "MessageBody": body });
                if is_fifo {
                    entry["MessageGroupId"] = json!(client.to_string());
                    entry["MessageDeduplicationId"] = json!(format!("p{client}-{batch}-{index}"));
                }
                entry
            })
            .collect();
        call(&service, "SendMessageBatch", &json!({ "QueueUrl": url, "Entries": entries })).await;
        let receive = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"] });
        let received = call(&service, "ReceiveMessage", &receive).await;
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        let entries = messages.iter().enumerate();
        let entries = entries
            .map(|(index, message)| json!({ "Id": index.to_string(), "ReceiptHandle": message["ReceiptHandle"] }));
        let entries: Vec<Value> = entries.collect();
        if !entries.is_empty() {
            call(&service, "DeleteMessageBatch", &json!({ "QueueUrl": url, "Entries": entries })).await;
        }
    }
}

async fn over_http(sqs: aws_sdk_sqs::Client, url: String, client: usize) {
    let is_fifo = url.ends_with(".fifo");
    let body = "x".repeat(BODY_BYTES);
    for batch in 0..BATCHES_OVER_HTTP {
        let entries = (0..10).map(|index| {
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&body);
            let entry = if is_fifo {
                let id = format!("h{client}-{batch}-{index}");
                entry.message_group_id(client.to_string()).message_deduplication_id(id)
            } else {
                entry
            };
            entry.build().unwrap()
        });
        sqs.send_message_batch().queue_url(&url).set_entries(Some(entries.collect())).send().await.unwrap();
        let received = sqs.receive_message().queue_url(&url).max_number_of_messages(10).send().await.unwrap();
        let entries = received.messages().iter().enumerate().map(|(index, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.receipt_handle(message.receipt_handle().unwrap()).build().unwrap()
        });
        let entries: Vec<_> = entries.collect();
        if !entries.is_empty() {
            sqs.delete_message_batch().queue_url(&url).set_entries(Some(entries)).send().await.unwrap();
        }
    }
}

/// Measures the time from the start of a send to the return of the waiting long poll, both through
/// the service.
async fn wake_ups(world: &World) {
    let url = world.queue("wake", &[]).await;
    let mut latencies = Vec::with_capacity(WAKE_UPS);
    for _ in 0..WAKE_UPS {
        let (service, poll_url) = (world.service.clone(), url.clone());
        let poll = tokio::spawn(async move {
            let request = json!({ "QueueUrl": poll_url, "WaitTimeSeconds": 20, "VisibilityTimeout": 43_200 });
            call(&service, "ReceiveMessage", &request).await;
            Instant::now()
        });
        // After this time the poll is waiting.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let started = Instant::now();
        call(&world.service, "SendMessage", &json!({ "QueueUrl": url, "MessageBody": "wake" })).await;
        latencies.push(poll.await.unwrap().saturating_duration_since(started));
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)];
    println!("long poll woken: p50 {:.0?}, p99 {:.0?}, most {:.0?}", at(50), at(99), at(100));
}
