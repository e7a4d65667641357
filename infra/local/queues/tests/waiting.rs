//! Tests long polls: no poll waits while there is a message for it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use local_queues::Service;
use serde_json::{Value, json};
use support::service;

async fn call(service: &Service, action: &str, request: Value) -> Value {
    let response = service.handle_sqs(action, request.to_string().into()).await;
    assert!(response.status().is_success(), "{:?}", response.body());
    serde_json::from_slice(response.body()).unwrap()
}

/// Receives and deletes one message at a time, up to the last message, which it leaves for the
/// others.
async fn work(service: Service, url: String) -> Vec<u64> {
    let mut done = Vec::new();
    loop {
        let receive = json!({ "QueueUrl": url, "WaitTimeSeconds": 20 });
        let received = call(&service, "ReceiveMessage", receive).await;
        let message = &received["Messages"][0];
        let handle = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
        match message["Body"].as_str().unwrap() {
            "stop" => {
                call(&service, "DeleteMessage", handle).await;
                return done;
            }
            body => done.push(body.parse().unwrap()),
        }
        call(&service, "DeleteMessage", handle).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_message_waits_while_somebody_polls() {
    const WORKERS: usize = 8;
    const MESSAGES: u64 = 5_000;
    for name in ["work", "work.fifo"] {
        let service = service("http://127.0.0.1:1");
        let url = service.create_queue(name, &Default::default()).unwrap();
        let started = Instant::now();
        let workers: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(service.clone(), url.clone()))).collect();
        let bodies = (0..MESSAGES).map(|number| number.to_string());
        let bodies: Vec<String> = bodies.chain((0..WORKERS).map(|_| "stop".to_owned())).collect();
        for (index, body) in bodies.iter().enumerate() {
            let mut message = json!({ "QueueUrl": url, "MessageBody": body });
            if name.ends_with(".fifo") {
                let group = if body == "stop" { format!("stop{index}") } else { (index % 5).to_string() };
                message["MessageGroupId"] = json!(group);
                message["MessageDeduplicationId"] = json!(index.to_string());
            }
            if body == "stop" && index as u64 == MESSAGES {
                // All other messages are received first, in any order of their groups.
                while service.stats().queues[name].counters.deleted < MESSAGES {
                    tokio::task::yield_now().await;
                }
            }
            call(&service, "SendMessage", message).await;
        }
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.await.unwrap());
        }
        assert_eq!(all.len() as u64, MESSAGES, "each message is received once");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        // One lost wake-up would cost 20 seconds.
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_long_poll_that_is_given_up_takes_nothing_with_it() {
    let service = service("http://127.0.0.1:1");
    let url = service.create_queue("work", &Default::default()).unwrap();
    let poll = || call(&service, "ReceiveMessage", json!({ "QueueUrl": url, "WaitTimeSeconds": 20 }));
    let mut abandoned = Box::pin(poll());
    let waiting = futures_now(&mut abandoned).await;
    assert!(!waiting, "there is nothing to receive yet");
    let mut patient = Box::pin(poll());
    assert!(!futures_now(&mut patient).await);
    call(&service, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "body" })).await;
    // The first waiting poll was notified, and is dropped before it receives.
    drop(abandoned);
    let received = tokio::time::timeout(Duration::from_secs(5), patient).await.unwrap();
    assert_eq!(received["Messages"][0]["Body"], "body");
}

/// Polls a future once. Returns whether it is ready.
async fn futures_now<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_ready()))
        .await
}

#[tokio::test]
async fn every_long_poll_hears_of_an_earlier_timer() {
    let service = service("http://127.0.0.1:1");
    let url = service.create_queue("work", &Default::default()).unwrap();
    let send = |body: &str, delay_s: u64| json!({ "QueueUrl": url, "MessageBody": body, "DelaySeconds": delay_s });
    call(&service, "SendMessage", send("late", 15)).await;
    let started = Instant::now();
    let poll = |wait_s: u64| call(&service, "ReceiveMessage", json!({ "QueueUrl": url, "WaitTimeSeconds": wait_s }));
    // The first poll ends before the timer. The other poll must still be notified by the timer.
    let (impatient, patient, _) = tokio::join!(poll(1), poll(20), call(&service, "SendMessage", send("soon", 2)));
    assert_eq!(impatient["Messages"], Value::Null);
    assert_eq!(patient["Messages"][0]["Body"], "soon");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
