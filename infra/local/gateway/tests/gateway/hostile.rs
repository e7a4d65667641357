//! Tests clients that violate the protocol, byte by byte, and clients that are only slow.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

/// Returns the close code for a client that sends these bytes after its handshake.
async fn close_code_after(bytes: &[u8]) -> u16 {
    let running = Running::usual().await;
    let mut stream = raw_client(&running, &opening("/local", "")).await;
    stream.write_all(bytes).await.unwrap();
    let code = raw_close_code(stream).await;
    assert_eq!(running.functions.json_event("disconnect").await["requestContext"]["disconnectStatusCode"], code);
    assert_eq!(running.functions.pending("echo"), 0);
    code
}

/// Builds a masked frame with a mask of zero.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn an_unmasked_frame_is_1002() {
    assert_eq!(close_code_after(&[0x81, 2, b'h', b'i']).await, 1002);
}

#[tokio::test]
async fn a_reserved_bit_is_1002() {
    for bit in [0x40, 0x20, 0x10] {
        assert_eq!(close_code_after(&frame(0x81 | bit, b"hi")).await, 1002);
    }
}

#[tokio::test]
async fn a_reserved_opcode_is_1002() {
    for opcode in [0x83, 0x87, 0x8b, 0x8f] {
        assert_eq!(close_code_after(&frame(opcode, b"")).await, 1002);
    }
}

#[tokio::test]
async fn a_control_frame_in_pieces_or_too_long_is_1002() {
    assert_eq!(close_code_after(&frame(0x09, b"ping")).await, 1002);
    let long = [&[0x89, 0xfe, 0, 126, 0, 0, 0, 0], [b'x'; 126].as_slice()].concat();
    assert_eq!(close_code_after(&long).await, 1002);
}

#[tokio::test]
async fn a_continuation_of_nothing_and_a_message_inside_a_message_are_1002() {
    assert_eq!(close_code_after(&frame(0x80, b"hi")).await, 1002);
    assert_eq!(close_code_after(&[frame(0x01, b"he"), frame(0x81, b"llo")].concat()).await, 1002);
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_1007_also_when_a_character_is_cut_by_the_end() {
    assert_eq!(close_code_after(&frame(0x81, &[0xc3, 0x28])).await, 1007);
    assert_eq!(close_code_after(&frame(0x81, &[0xed, 0xa0, 0x80])).await, 1007);
    assert_eq!(close_code_after(&[frame(0x01, &[0xe2, 0x82]), frame(0x80, &[])].concat()).await, 1007);
}

#[tokio::test]
async fn a_character_may_be_split_between_frames() {
    let running = Running::usual().await;
    let mut stream = raw_client(&running, &opening("/local", "")).await;
    stream.write_all(&[frame(0x01, &[0xe2, 0x82]), frame(0x89, b""), frame(0x80, &[0xac])].concat()).await.unwrap();
    assert_eq!(running.functions.json_event("echo").await["body"], "€");
}

#[tokio::test]
async fn a_length_that_no_message_can_have_is_1009_before_anything_is_allocated() {
    let claims_8_exabytes = [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    assert_eq!(close_code_after(&claims_8_exabytes).await, 1009);
}

#[tokio::test]
async fn a_close_frame_with_a_code_that_must_not_be_sent_is_answered_with_1002() {
    for code in [999u16, 1004, 1005, 1006, 1015] {
        assert_eq!(close_code_after(&frame(0x88, &code.to_be_bytes())).await, 1002);
    }
}

#[tokio::test]
async fn a_flood_of_pings_that_reads_no_pong_is_read_no_further() {
    let mut config = config();
    config.limits.socket_send_buffer_bytes = Some(4 * 1024);
    let running = Running::start(config, usual_functions()).await;
    let mut stream = raw_client(&running, &opening("/local", "")).await;
    // The pings exceed both kernel buffers, so at some point the client cannot send more.
    let pings = frame(0x89, &[b'x'; 125]).repeat(1_000);
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(Duration::from_secs(1), stream.write_all(&pings)).await {
        written.unwrap();
        sent += pings.len();
        assert!(sent < 64 * 1024 * 1024, "the gateway takes in every ping");
    }
    let mut other = running.connect().await;
    send(&mut other, "hi").await;
    assert_eq!(text(&mut other).await, "hi");
}

#[tokio::test]
async fn a_message_that_comes_byte_by_byte_arrives() {
    let running = Running::usual().await;
    let mut stream = raw_client(&running, &opening("/local", "")).await;
    for byte in frame(0x81, b"slow") {
        stream.write_all(&[byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    assert_eq!(running.functions.json_event("echo").await["body"], "slow");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_off() {
    let mut config = config();
    config.limits.header_read_timeout = Duration::from_millis(100);
    let running = Running::start(config, usual_functions()).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.write_all(b"GET /local HTTP/1.1\r\nHost: x\r\nX-Endless: ").await.unwrap();
    for stream in [&mut silent, &mut slow] {
        let mut nothing = Vec::new();
        let _ = soon(stream.read_to_end(&mut nothing)).await;
        assert!(!String::from_utf8_lossy(&nothing).contains("101"));
    }
    assert_eq!(running.functions.pending("connect"), 0);
}

#[tokio::test]
async fn a_thousand_half_open_handshakes_keep_nobody_out() {
    let running = Running::usual().await;
    let mut half_open = Vec::new();
    for _ in 0..1_000 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET /local HTTP/1.1\r\n").await.unwrap();
        half_open.push(stream);
    }
    let mut client = running.connect().await;
    send(&mut client, "hi").await;
    assert_eq!(text(&mut client).await, "hi");
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused() {
    let running = Running::usual().await;
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"HELLO\r\n\r\n", b"\0\0\0\0\r\n\r\n"] {
        let response = running.raw(garbage).await;
        assert!(response.is_empty() || status(&response) == 400, "{response}");
    }
}

#[tokio::test]
async fn log_injection_through_headers_stays_in_its_json_string() {
    let running = Running::usual().await;
    raw_client(&running, &opening("/local?x=%0d%0aFAKE%1b[31m", "User-Agent: a\tb\"c\\d\r\n")).await;
    let event = running.functions.json_event("connect").await;
    assert_eq!(event["requestContext"]["identity"]["userAgent"], "a\tb\"c\\d");
    assert_eq!(event["queryStringParameters"]["x"], "\r\nFAKE\u{1b}[31m");
}
