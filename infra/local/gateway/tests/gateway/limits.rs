//! Tests sizes, ages and rates, and the close code of each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::SinkExt;
use local_gateway::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::*;

const KIB: usize = 1024;

fn frame(opcode: Data, is_final: bool, bytes: usize) -> Message {
    Message::Frame(Frame::message(vec![b'x'; bytes], OpCode::Data(opcode), is_final))
}

/// Sends a text message with frames of these sizes.
async fn send_frames(client: &mut Client, frames: &[usize]) {
    for (index, bytes) in frames.iter().enumerate() {
        let opcode = if index == 0 { Data::Text } else { Data::Continue };
        client.send(frame(opcode, index + 1 == frames.len(), *bytes)).await.unwrap();
    }
}

async fn close_code_after(frames: &[usize]) -> (u16, Running) {
    let running = Running::usual().await;
    let mut client = running.connect().await;
    send_frames(&mut client, frames).await;
    (close_frame(&mut client).await.0, running)
}

#[tokio::test]
async fn a_frame_of_32_kb_passes_and_one_byte_more_is_1009() {
    let running = Running::usual().await;
    let mut client = running.connect().await;
    send_frames(&mut client, &[32 * KIB]).await;
    assert_eq!(text(&mut client).await.len(), 32 * KIB);
    let (code, running) = close_code_after(&[32 * KIB + 1]).await;
    assert_eq!(code, 1009);
    let event = running.functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1009);
    assert_eq!(running.functions.pending("echo"), 0);
}

#[tokio::test]
async fn a_message_of_128_kb_in_frames_passes_and_one_byte_more_is_1009() {
    let running = Running::usual().await;
    let mut client = running.connect().await;
    send_frames(&mut client, &[32 * KIB; 4]).await;
    assert_eq!(text(&mut client).await.len(), 128 * KIB);
    let (code, running) = close_code_after(&[32 * KIB, 32 * KIB, 32 * KIB, 32 * KIB, 1]).await;
    assert_eq!(code, 1009);
    assert_eq!(running.functions.pending("echo"), 0);
}

#[tokio::test]
async fn a_client_that_is_still_sending_hears_why_it_is_closed() {
    let running = Running::usual().await;
    let mut client = running.connect().await;
    // The message exceeds the socket buffers. The write may fail when the gateway closes, but the
    // close frame must arrive.
    let _ = client.send(Message::text("x".repeat(16 * KIB * KIB))).await;
    assert_eq!(close_frame(&mut client).await.0, 1009);
}

#[tokio::test]
async fn a_binary_message_is_1003() {
    let running = Running::usual().await;
    let mut client = running.connect().await;
    client.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(close_frame(&mut client).await.0, 1003);
    let event = running.functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1003);
    assert_eq!(running.functions.pending("echo"), 0);
}

#[tokio::test]
async fn a_binary_message_passes_in_base64_where_a_test_allows_it() {
    let running = Running::start(Config { allow_binary: true, ..config() }, usual_functions()).await;
    let mut client = running.connect().await;
    client.send(Message::binary(vec![0, 159, 146, 150])).await.unwrap();
    let echoed = soon(futures::StreamExt::next(&mut client)).await.unwrap().unwrap();
    assert_eq!(echoed, Message::binary(vec![0, 159, 146, 150]));
    let event = running.functions.json_event("echo").await;
    assert_eq!((event["body"].as_str(), event["isBase64Encoded"].as_bool()), (Some("AJ+Slg=="), Some(true)));
}

fn with_idle_timeout(idle_timeout: Duration) -> Config {
    let mut config = config();
    config.limits.idle_timeout = idle_timeout;
    config
}

#[tokio::test]
async fn an_idle_connection_is_going_away_and_not_a_moment_earlier() {
    let idle = Duration::from_millis(300);
    let running = Running::start(with_idle_timeout(idle), usual_functions()).await;
    let started = Instant::now();
    let mut client = running.connect().await;
    assert_eq!(close_frame(&mut client).await, (1001, "Going away".to_owned()));
    assert!(started.elapsed() >= idle);
    let event = running.functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
    assert_eq!(event["requestContext"]["disconnectReason"], "Going away");
}

#[tokio::test]
async fn pings_do_not_keep_a_connection_alive() {
    let running = Running::start(with_idle_timeout(Duration::from_millis(300)), usual_functions()).await;
    let mut client = running.connect().await;
    let mut pings = tokio::time::interval(Duration::from_millis(20));
    let (code, _) = soon(async {
        loop {
            tokio::select! {
                _ = pings.tick() => client.send(Message::Ping("".into())).await.unwrap_or_default(),
                frame = close_frame(&mut client) => break frame,
            }
        }
    })
    .await;
    assert_eq!(code, 1001);
}

#[tokio::test]
async fn a_client_that_never_pauses_grows_old_all_the_same() {
    let running = Running::start(with_idle_timeout(Duration::from_millis(300)), usual_functions()).await;
    let (mut reading, mut writing) = raw_client(&running, &opening("/local", "")).await.into_split();
    let pings = [0x89, 0x80, 0, 0, 0, 0].repeat(10_000);
    let flood = tokio::spawn(async move { while writing.write_all(&pings).await.is_ok() {} });
    let mut pongs = Vec::new();
    // The connection ends with a reset or a close, because a ping does not reset the idle timeout.
    let _ = soon(reading.read_to_end(&mut pongs)).await;
    soon(flood).await.unwrap();
    let event = running.functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
}

#[tokio::test]
async fn a_message_that_never_ends_is_no_sign_of_life() {
    let running = Running::start(with_idle_timeout(Duration::from_millis(300)), usual_functions()).await;
    let (mut reading, mut writing) = raw_client(&running, &opening("/local", "")).await.into_split();
    let drip = tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        let mut byte: &[u8] = &[0x81, 0xfe, 0x70, 0x00, 0, 0, 0, 0];
        while writing.write_all(byte).await.is_ok() {
            byte = b"x";
            pace.tick().await;
        }
    });
    let mut close = Vec::new();
    let _ = soon(reading.read_to_end(&mut close)).await;
    soon(drip).await.unwrap();
    let event = running.functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
    assert_eq!(running.functions.pending("echo"), 0);
}

/// Exchanges data until three idle timeouts have passed. The connection may be lost only if the
/// test itself was too slow.
async fn assert_kept_alive_by<F: Future<Output = bool>>(idle: Duration, mut exchange: impl FnMut() -> F) {
    let started = Instant::now();
    let mut pace = tokio::time::interval(idle / 5);
    let mut last = started;
    while started.elapsed() < idle * 3 {
        pace.tick().await;
        let alive = exchange().await;
        assert!(alive || last.elapsed() >= idle, "closed {:?} after the last data", last.elapsed());
        if !alive {
            return;
        }
        last = Instant::now();
    }
}

#[tokio::test]
async fn messages_keep_a_connection_alive() {
    let idle = Duration::from_millis(500);
    let mut config = with_idle_timeout(idle);
    config.routes = vec![route("$default", "silent", false)];
    let running = Running::start(config, usual_functions().answering("silent", ok())).await;
    let client = Arc::new(Mutex::new(running.connect().await));
    assert_kept_alive_by(idle, || {
        let (client, gateway) = (Arc::clone(&client), running.gateway.clone());
        async move {
            let sent = client.lock().await.send(Message::text("hi")).await;
            sent.is_ok() && gateway.stats().connections_open == 1
        }
    })
    .await;
}

#[tokio::test]
async fn posts_keep_a_connection_alive() {
    let idle = Duration::from_millis(500);
    let running = Running::start(with_idle_timeout(idle), usual_functions()).await;
    let (_client, id) = running.connect_as().await;
    let sdk = running.sdk();
    assert_kept_alive_by(idle, || {
        let post = sdk.post_to_connection().connection_id(&id).data(b"hi".to_vec().into());
        async move { post.send().await.is_ok() }
    })
    .await;
}

#[tokio::test]
async fn a_connection_ends_at_its_age_however_busy_it_is() {
    let mut config = config();
    config.limits.connection_duration = Duration::from_millis(400);
    config.limits.account_rate = None;
    let running = Running::start(config, usual_functions()).await;
    let started = Instant::now();
    let mut client = running.connect().await;
    let frame = loop {
        send(&mut client, "hi").await;
        match soon(futures::StreamExt::next(&mut client)).await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            other => assert_eq!(other, Message::text("hi")),
        }
    };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "Going away"));
    assert!(started.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_url_or_headers_beyond_the_quota_are_refused() {
    let running = Running::usual().await;
    let target = |bytes: usize| format!("/local?q={}", "x".repeat(bytes - "/local?q=".len()));
    assert_eq!(status(&running.raw(opening(&target(4_096), "")).await), 101);
    assert_eq!(status(&running.raw(opening(&target(4_097), "")).await), 414);
    let headers = |bytes: usize| opening("/local", &format!("X-Long: {}\r\n", "x".repeat(bytes)));
    assert_eq!(status(&running.raw(headers(9_500)).await), 101);
    assert_eq!(status(&running.raw(headers(10_240)).await), 431);
    assert_eq!(status(&running.raw(headers(100_000)).await), 431);
}
