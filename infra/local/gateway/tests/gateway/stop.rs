//! Tests stopping: every client receives a close frame, every `$disconnect` runs, and the gateway
//! ends.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn stopping_tells_every_client_and_runs_every_disconnect() {
    let running = Running::usual().await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(running.connect_as().await);
    }
    let functions = running.functions.clone();
    let reading =
        clients.into_iter().map(|(mut client, _)| tokio::spawn(async move { close_frame(&mut client).await }));
    let reading: Vec<_> = reading.collect();
    let drained = running.stop().await;
    assert_eq!((drained.closed, drained.complete), (50, true));
    for closed in reading {
        assert_eq!(soon(closed).await.unwrap(), (1001, "Going away".to_owned()));
    }
    assert_eq!(functions.pending("disconnect"), 50);
}

#[tokio::test]
async fn a_disconnect_that_hangs_does_not_hold_up_the_end() {
    let mut config = config();
    config.limits.drain_timeout = Duration::from_millis(300);
    let running = Running::start(config, usual_functions().on("disconnect", never)).await;
    let mut client = running.connect().await;
    let started = Instant::now();
    let drained = tokio::spawn(running.stop());
    assert_eq!(close_frame(&mut client).await.0, 1001);
    drop(client);
    let drained = soon(drained).await.unwrap();
    assert_eq!((drained.closed, drained.complete), (1, false));
    assert!(started.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_frame_does_not_hold_up_the_end() {
    let mut config = config();
    config.limits.close_timeout = Duration::from_millis(100);
    let running = Running::start(config, usual_functions()).await;
    let _silent = raw_client(&running, &opening("/local", "")).await;
    assert!(running.stop().await.complete);
}

#[tokio::test]
async fn a_handshake_that_is_under_way_when_the_gateway_stops_is_closed_as_soon_as_it_is_open() {
    let gate = Gate::closed();
    let running = Running::start(config(), usual_functions().gated("connect", &gate, ok())).await;
    let url = running.url();
    let connecting = tokio::spawn(async move { tokio_tungstenite::connect_async(url).await.unwrap().0 });
    running.functions.event("connect").await;
    let functions = running.functions.clone();
    let stopping = tokio::spawn(running.stop());
    gate.open();
    let mut client = soon(connecting).await.unwrap();
    assert_eq!(close_frame(&mut client).await.0, 1001);
    drop(client);
    assert!(soon(stopping).await.unwrap().complete);
    assert_eq!(functions.pending("disconnect"), 1);
}

#[tokio::test]
async fn a_handshake_that_is_refused_while_the_gateway_stops_does_not_hold_up_the_end() {
    let gate = Gate::closed();
    let functions = usual_functions().gated("connect", &gate, json!({ "statusCode": 403 }));
    let running = Running::start(config(), functions).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(opening("/local", "").as_bytes()).await.unwrap();
    running.functions.event("connect").await;
    let stopping = tokio::spawn(running.stop());
    gate.open();
    assert_eq!(status(&read_response(&mut stream).await), 403);
    assert!(soon(stopping).await.unwrap().complete);
}

#[tokio::test]
async fn a_stopped_gateway_accepts_nobody() {
    let running = Running::usual().await;
    let address = running.address;
    running.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn idle_callers_do_not_hold_up_the_end() {
    let mut config = config();
    config.limits.close_timeout = Duration::from_millis(100);
    let running = Running::start(config, usual_functions()).await;
    let (_client, id) = running.connect_as().await;
    // Both requests leave a kept-alive connection behind.
    running.post(&id, "hi").await;
    let (_response, _kept) = running.exchange("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let started = Instant::now();
    assert!(running.stop().await.complete);
    assert!(started.elapsed() < PATIENCE / 2);
}
