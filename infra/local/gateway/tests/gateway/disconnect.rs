//! Tests the ends of connections and the events that `$disconnect` receives.

use std::sync::Arc;

use futures::SinkExt;
use local_gateway::{Config, Gateway};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::*;

async fn ending(running: &Running) -> (u64, String) {
    let event = running.functions.json_event("disconnect").await;
    let context = &event["requestContext"];
    (context["disconnectStatusCode"].as_u64().unwrap(), context["disconnectReason"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_client_that_closes_is_heard_with_its_code_and_reason() {
    for (code, reason) in [(1000, ""), (1001, ""), (1000, "bye"), (3000, "mine"), (4999, "x")] {
        let running = Running::usual().await;
        let mut client = running.connect().await;
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        client.close(Some(frame)).await.unwrap();
        assert_eq!(close_frame(&mut client).await, (code, reason.to_owned()));
        assert_eq!(ending(&running).await, (code.into(), reason.to_owned()));
    }
}

#[tokio::test]
async fn a_close_frame_without_a_code_is_1005() {
    let running = Running::usual().await;
    running.connect().await.close(None).await.unwrap();
    assert_eq!(ending(&running).await, (1005, "Client-side close frame status not set".to_owned()));
}

#[tokio::test]
async fn a_client_that_vanishes_is_1006() {
    let running = Running::usual().await;
    drop(raw_client(&running, &opening("/local", "")).await);
    assert_eq!(ending(&running).await, (1006, "Connection closed abnormally".to_owned()));
    let reset = raw_client(&running, &opening("/local", "")).await;
    reset.set_zero_linger().unwrap();
    drop(reset);
    assert_eq!(ending(&running).await.0, 1006);
}

#[tokio::test]
async fn a_close_frame_is_heard_from_a_client_that_left_without_reading() {
    let functions = Arc::new(usual_functions());
    let gateway = Gateway::new(config(), Arc::clone(&functions)).unwrap();
    let (mut client, server) = tokio::io::duplex(1024);
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve_stream(server, "192.0.2.1".parse().unwrap()).await });
    client.write_all(opening("/local", "").as_bytes()).await.unwrap();
    functions.event("connect").await;
    // The answers fill the buffer to the client, so the gateway is writing when the client goes
    // away.
    let message = [&[0x81, 0xfe, 0x02, 0x00, 0, 0, 0, 0][..], &[b'x'; 512]].concat();
    for _ in 0..5 {
        client.write_all(&message).await.unwrap();
        functions.event("echo").await;
    }
    client.write_all(&[0x88, 0x85, 0, 0, 0, 0, 0x03, 0xe9, b'b', b'y', b'e']).await.unwrap();
    drop(client);
    let event = functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
    assert_eq!(event["requestContext"]["disconnectReason"], "bye");
}

#[tokio::test]
async fn the_connection_is_gone_when_disconnect_runs() {
    let gate = Gate::closed();
    let functions = usual_functions().gated("disconnect", &gate, ok());
    let running = Running::start(config(), functions).await;
    let (mut client, id) = running.connect_as().await;
    client.close(None).await.unwrap();
    running.functions.event("disconnect").await;
    let response = running.call("POST", &format!("/local/@connections/{id}"), "hi").await;
    assert_eq!(status(&response), 410);
    assert_eq!(running.gateway.stats().connections_open, 0);
    gate.open();
}

#[tokio::test]
async fn disconnect_runs_once_and_its_failure_is_nobodys() {
    let running = Running::start(config(), usual_functions().failing("disconnect", "boom")).await;
    let mut client = running.connect().await;
    client.close(None).await.unwrap();
    ending(&running).await;
    let functions = running.functions.clone();
    running.stop().await;
    assert_eq!(functions.pending("disconnect"), 0);
}

#[tokio::test]
async fn an_api_without_disconnect_closes_without_it() {
    let routes = vec![route("$default", "echo", true)];
    let running = Running::start(Config { routes, ..config() }, usual_functions()).await;
    let mut client = running.connect().await;
    client.close(None).await.unwrap();
    until_closed(&mut client).await;
    let functions = running.functions.clone();
    assert!(running.stop().await.complete);
    assert_eq!(functions.pending("disconnect"), 0);
}

#[tokio::test]
async fn messages_before_the_close_frame_are_delivered_before_the_end() {
    let running = Running::usual().await;
    let mut stream = raw_client(&running, &opening("/local", "")).await;
    // One packet contains a message and the close frame.
    let bytes = [&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'][..], &[0x88, 0x80, 0, 0, 0, 0]].concat();
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(running.functions.json_event("echo").await["body"], "hi");
    ending(&running).await;
}

#[tokio::test]
async fn a_new_connection_of_the_same_client_is_another_one() {
    let running = Running::usual().await;
    let (mut first, first_id) = running.connect_as().await;
    let (_second, second_id) = running.connect_as().await;
    assert_ne!(first_id, second_id);
    first.send(tokio_tungstenite::tungstenite::Message::Close(None)).await.unwrap();
    let event: Value = running.functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["connectionId"], *first_id);
    running.post(&second_id, "still here").await;
}
