//! Allocations for each received frame, counted over 100,000 frames through a real socket.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::alloc::System;
use std::fmt::Write;
use std::time::Instant;

use futures::{SinkExt, StreamExt};
use loadtest::ledger::Room;
use loadtest::member::{Listener, Patience};
use loadtest::wire::pid::Pids;
use loadtest::wire::socket;
use loadtest::wire::target::Target;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FRAMES: usize = 100_000;
const AT_MOST: f64 = 2.0;

/// An unmasked text frame, as servers send them.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, 126];
    bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Every frame that the member will receive, ready to be written.
fn all_frames() -> Vec<u8> {
    let mut all = Vec::new();
    let mut text = String::new();
    for n in 0..FRAMES {
        text.clear();
        let at = n + 1;
        write!(
            text,
            r#"{{"b":[{{"room":"load-r1-0","ep":"e1","seq":{at},"m":[{{"id":"r1.0.{n}","by":"guest:0123456789ab","at":1764000000000,"data":{{"n":{n},"pad":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}},"from":"L0SM9cOFvHcCIhw="}}]}}]}}"#
        )
        .unwrap();
        all.extend(frame(&text));
    }
    all
}

#[allow(clippy::result_large_err, reason = "the library's own type")]
async fn serve(listener: TcpListener, frames: Vec<u8>) {
    let accept = |_: &Request, mut response: Response| {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("rooms.v1"));
        Ok(response)
    };
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = accept_hdr_async(stream, accept).await.unwrap();
    let Some(Ok(Message::Text(_))) = socket.next().await else { panic!("a join") };
    let joined = r#"{"id":1,"ok":{"room":"load-r1-0","ep":"e1","seq":0}}"#;
    socket.send(Message::text(joined)).await.unwrap();
    // The member sends a message when it begins to count.
    let Some(Ok(Message::Text(_))) = socket.next().await else { panic!("a word") };
    socket.get_mut().write_all(&frames).await.unwrap();
}

#[tokio::test]
async fn a_received_frame_costs_at_most_2_allocations() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/local", tcp.local_addr().unwrap());
    let serving = tokio::spawn(serve(tcp, all_frames()));
    let (pids, mut room) = (Pids::new("r1"), Room::new("load-r1-0", 1));
    for _ in 0..FRAMES {
        room.publish(0, 0, true);
    }
    let mut member = Listener::new(0, 0, true, Patience::default());
    let mut socket = socket::open(&Target::parse(&url, None).unwrap(), 0, "load-0").await.unwrap();
    member.open(&room, 0);
    socket.send(Message::text(member.say.pop().unwrap())).await.unwrap();
    let joined = socket.next().await.unwrap().unwrap().into_text().unwrap();
    member.hear(&joined, &mut room, &pids, 0);
    let began = Instant::now();
    let region = Region::new(ALLOCATOR);
    socket.send(Message::text("go")).await.unwrap();
    for _ in 0..FRAMES {
        let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("a frame") };
        let now = i64::try_from(began.elapsed().as_micros()).unwrap();
        member.hear(&text, &mut room, &pids, now);
    }
    let change = region.change();
    assert_eq!((room.tally.delivered, room.tally.not_a_frame), (FRAMES as u64, 0));
    let each = (change.allocations + change.reallocations) as f64 / FRAMES as f64;
    println!("{each:.3} allocations a frame, {:.2} us a frame", began.elapsed().as_secs_f64() * 1e6 / FRAMES as f64);
    assert!(each <= AT_MOST, "{each}: {change:?}");
    serving.await.unwrap();
}
