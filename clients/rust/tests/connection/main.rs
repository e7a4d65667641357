//! The client rules over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::{Data, Device, RoomId};
use roomcast_client::connection::{PublishError, QuestionError, Token, TokenPlace, connect};
use roomcast_client::rules::{Event, Loss, NotTaken};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::peer::{Peer, block, joined, next_sequence, soon, until};

fn lobby() -> RoomId {
    RoomId::parse("lobby").unwrap()
}

#[tokio::test]
async fn a_client_offers_its_token_and_takes_the_echo_without_it() {
    let peer = Peer::listen().await;
    let options = peer.options().with_token(Token::Fixed("a.b.c".to_owned()));
    let (_handle, mut events) = connect(options.with_device(Some(Device::parse("phone").unwrap()))).unwrap();
    let guest = peer.accept().await;
    assert_eq!(guest.headers["sec-websocket-protocol"], "rooms.v1, token.a.b.c");
    assert_eq!(guest.uri, "/local?device=phone");
    assert_eq!(soon(events.next()).await, Some(Event::Online));
}

#[tokio::test]
async fn a_token_can_go_into_a_header_and_is_asked_for_with_every_handshake() {
    let peer = Peer::listen().await;
    let count = Arc::new(AtomicU32::new(1));
    let renew = move || std::future::ready(Some(format!("token{}", count.fetch_add(1, Ordering::SeqCst))));
    let mut options = peer.options().with_token(Token::renewed(renew));
    options.token_place = TokenPlace::Header;
    let (_handle, _events) = connect(options).unwrap();
    for expected in ["Bearer token1", "Bearer token2"] {
        let guest = peer.accept().await;
        assert_eq!(guest.headers["authorization"], expected);
        assert_eq!(guest.headers["sec-websocket-protocol"], "rooms.v1");
    }
}

#[tokio::test]
async fn what_is_published_is_accepted_and_heard() {
    let peer = Peer::listen().await;
    let (handle, mut events) = connect(peer.options()).unwrap();
    handle.join(lobby(), None).await.unwrap();
    let receipt = handle.publish(lobby(), Data::text("hi").unwrap()).await.unwrap();
    let mut guest = peer.accept().await;
    guest.answer_sync(joined(10)).await;
    let (id, publish) = guest.asked("publish").await;
    assert_eq!((&publish["pid"], &publish["data"]), (&json!(receipt.pid()), &json!({"text": "hi"})));
    guest.say(&json!({"id": id, "ok": {"accepted": [receipt.pid()]}})).await;
    guest.say(&json!({"b": [block(11, &json!({"text": "hi"}))]})).await;
    assert_eq!(next_sequence(&mut events).await, 11);
    soon(receipt.accepted()).await.unwrap();
    assert_eq!(handle.position(lobby()).await.unwrap().unwrap().sequence.get(), 11);
}

#[tokio::test]
async fn a_refused_publication_and_refused_history_are_told_to_who_asked() {
    let peer = Peer::listen().await;
    let (handle, _events) = connect(peer.options()).unwrap();
    let receipt = handle.publish(lobby(), Data::text("hi").unwrap()).await.unwrap();
    let mut guest = peer.accept().await;
    let refusal = |id: u64| {
        let err = json!({"code": "forbidden", "retry": false, "message": "not you", "field": "room"});
        json!({"id": id, "err": err})
    };
    let (id, _) = guest.asked("publish").await;
    guest.say(&refusal(id)).await;
    let Err(PublishError::Rejected(failure)) = soon(receipt.accepted()).await else { panic!() };
    assert_eq!(failure.message, "not you");
    let history = tokio::spawn(async move { handle.history(lobby(), None, 20).await });
    let (id, _) = guest.asked("history").await;
    guest.say(&refusal(id)).await;
    assert!(matches!(soon(history).await.unwrap(), Err(QuestionError::None(_))));
}

#[tokio::test]
async fn a_client_comes_back_after_any_close_and_resumes_where_it_was() {
    let peer = Peer::listen().await;
    let (handle, mut events) = connect(peer.options()).unwrap();
    handle.join(lobby(), None).await.unwrap();
    let mut guest = peer.accept().await;
    guest.answer_sync(joined(10)).await;
    guest.say(&json!({"b": [block(11, &json!(1))]})).await;
    assert_eq!(next_sequence(&mut events).await, 11);
    guest.send(Message::Close(Some(CloseFrame { code: CloseCode::Away, reason: "Going away".into() }))).await;
    let because = until(&mut events, |event| match event {
        Event::Offline { because, .. } => Some(because),
        _ => None,
    });
    assert_eq!(because.await, Loss::Closed { code: Some(1001) });
    let mut guest = peer.accept().await;
    let replay = json!({"room": "lobby", "ep": "k7Qf", "seq": 12, "recovered": true, "b": [block(12, &json!(2))]});
    let sync = guest.answer_sync(replay).await;
    assert_eq!(sync["rooms"]["lobby"], json!({"ep": "k7Qf", "seq": 11}));
    assert_eq!(next_sequence(&mut events).await, 12);
    until(&mut events, |event| matches!(event, Event::Resumed { replayed: 1, .. }).then_some(())).await;
}

#[tokio::test]
async fn a_refused_token_ends_the_client_and_everything_asked_of_it() {
    let peer = Peer::listen().await;
    let (handle, mut events) = connect(peer.options()).unwrap();
    let receipt = handle.publish(lobby(), Data::text("hi").unwrap()).await.unwrap();
    peer.refuse("401 Unauthorized").await;
    assert_eq!(soon(events.next()).await, Some(Event::Ended { because: Loss::Refused { status: 401 } }));
    assert_eq!(soon(events.next()).await, None);
    assert_eq!(soon(receipt.accepted()).await, Err(PublishError::NotTaken(NotTaken::Ended)));
    assert!(handle.join(lobby(), None).await.is_err());
    soon(handle.close()).await;
}

#[tokio::test]
async fn a_client_that_can_get_another_token_comes_back_with_it() {
    let peer = Peer::listen().await;
    let got = AtomicU32::new(0);
    let renew = move || std::future::ready(Some(format!("a.{}.c", got.fetch_add(1, Ordering::Relaxed))));
    let (_handle, mut events) = connect(peer.options().with_token(Token::renewed(renew))).unwrap();
    peer.refuse("401 Unauthorized").await;
    let Some(Event::Offline { because, .. }) = soon(events.next()).await else { panic!() };
    assert_eq!(because, Loss::Refused { status: 401 });
    let guest = peer.accept().await;
    assert_eq!(guest.headers["sec-websocket-protocol"], "rooms.v1, token.a.1.c");
    assert_eq!(soon(events.next()).await, Some(Event::Online));
}

#[tokio::test]
async fn a_server_in_trouble_is_tried_again() {
    let peer = Peer::listen().await;
    let (_handle, mut events) = connect(peer.options()).unwrap();
    peer.refuse("502 Bad Gateway").await;
    let Some(Event::Offline { because, .. }) = soon(events.next()).await else { panic!() };
    assert_eq!(because, Loss::Refused { status: 502 });
    peer.accept().await;
    assert_eq!(soon(events.next()).await, Some(Event::Online));
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_has_failed() {
    let peer = Peer::listen().await;
    let mut options = peer.options();
    options.connect_timeout = Duration::from_millis(50);
    let (_handle, mut events) = connect(options).unwrap();
    let _silent = peer.accept_raw().await;
    let Some(Event::Offline { because, .. }) = soon(events.next()).await else { panic!() };
    assert_eq!(because, Loss::Failed("the server did not answer the handshake within 50ms".to_owned()));
}

#[tokio::test]
async fn closing_says_goodbye() {
    let peer = Peer::listen().await;
    let (handle, mut events) = connect(peer.options()).unwrap();
    let mut guest = peer.accept().await;
    assert_eq!(soon(events.next()).await, Some(Event::Online));
    let closing = tokio::spawn(handle.close());
    assert!(matches!(guest.hear().await, Message::Close(Some(frame)) if frame.code == CloseCode::Normal));
    drop(guest);
    soon(closing).await.unwrap();
    assert_eq!(soon(events.next()).await, None);
}

#[tokio::test]
async fn dropping_the_events_ends_the_client() {
    let peer = Peer::listen().await;
    let (handle, mut events) = connect(peer.options()).unwrap();
    let mut guest = peer.accept().await;
    assert_eq!(soon(events.next()).await, Some(Event::Online));
    drop(events);
    assert!(matches!(guest.hear().await, Message::Close(_)));
    drop(guest);
    soon(handle.close()).await;
}

#[tokio::test]
async fn pings_are_answered_and_what_is_none_of_rooms_v1_is_passed_over() {
    let peer = Peer::listen().await;
    let (handle, mut events) = connect(peer.options()).unwrap();
    handle.join(lobby(), None).await.unwrap();
    let mut guest = peer.accept().await;
    let (id, _) = guest.asked("sync").await;
    guest.send(Message::Binary(vec![1, 2, 3].into())).await;
    guest.send(Message::Ping(vec![7].into())).await;
    guest.say(&json!({"message": "Internal server error", "connectionId": "c", "requestId": "r"})).await;
    assert!(matches!(guest.hear().await, Message::Pong(payload) if payload[..] == [7]));
    guest.say(&json!({"id": id, "ok": {"rooms": {"lobby": joined(10)}}})).await;
    until(&mut events, |event| matches!(event, Event::Joined { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_slow_application_slows_the_socket_and_loses_nothing() {
    let peer = Peer::listen().await;
    let mut options = peer.options();
    options.events_waiting = 1;
    let (handle, mut events) = connect(options).unwrap();
    handle.join(lobby(), None).await.unwrap();
    let mut guest = peer.accept().await;
    guest.answer_sync(joined(0)).await;
    let data = json!("x".repeat(20_000));
    let sending = tokio::spawn(async move {
        for seq in 1..=1_000 {
            guest.say(&json!({"b": [block(seq, &data)]})).await;
        }
        guest
    });
    for seq in 1..=1_000 {
        assert_eq!(next_sequence(&mut events).await, seq);
        tokio::task::yield_now().await;
    }
    soon(sending).await.unwrap();
}

#[tokio::test]
async fn a_wss_url_is_spoken_to_with_tls() {
    let peer = Peer::listen().await;
    let mut options = peer.options();
    options.url = options.url.replace("ws://", "wss://");
    let (_handle, _events) = connect(options).unwrap();
    let mut record = [0; 3];
    // A TLS handshake record (RFC 8446, 5.1): type 22, legacy version 3.1.
    soon(peer.accept_raw().await.read_exact(&mut record)).await.unwrap();
    assert_eq!(record, [22, 3, 1]);
}
