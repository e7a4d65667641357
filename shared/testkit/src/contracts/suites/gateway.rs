//! Promises of [`Gateway`]: frames arrive in order, and a closed connection is reported as gone.

use std::time::Duration;

use bytes::Bytes;
use domain::ports::{Clock, Gateway};
use domain::{Delivery, Probe, limits};

use crate::contracts::scene::{eventually, unique};
use crate::contracts::{GatewayFixture, Peer};
use crate::samples;

/// The largest difference between the gateway's clock and that of the test.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

pub async fn a_frame_arrives_byte_for_byte(fixture: &impl GatewayFixture) {
    let peer = fixture.open().await;
    let frames = [
        "{\"b\":[{\"data\":{\"text\":\"👩\u{200d}👧 \u{202e}x\u{0301}\"}}]}".to_owned(),
        " ".to_owned(),
        format!("\"{}\"", "x".repeat(limits::FRAME_BYTES - 2)),
    ];
    for frame in &frames {
        assert_eq!(post(fixture, &peer, frame.clone()).await, Delivery::Delivered);
    }
    receives(fixture, &peer, &frames).await;
}

pub async fn frames_arrive_in_the_order_of_the_posts(fixture: &impl GatewayFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    let frames: Vec<String> = (0..100).map(|n| format!("{{\"n\":{n}}}")).collect();
    for frame in &frames {
        for peer in [&one, &other] {
            assert_eq!(post(fixture, peer, frame.clone()).await, Delivery::Delivered);
        }
    }
    for peer in [&one, &other] {
        receives(fixture, peer, &frames).await;
    }
}

pub async fn a_post_to_one_that_hung_up_is_gone(fixture: &impl GatewayFixture) {
    let (leaves, stays) = (fixture.open().await, fixture.open().await);
    fixture.hang_up(&leaves).await;
    is_gone(fixture, &leaves).await;
    assert_eq!(post(fixture, &leaves, "1").await, Delivery::Gone);
    assert_eq!(post(fixture, &stays, "1").await, Delivery::Delivered);
    receives(fixture, &stays, &["1"]).await;
}

pub async fn a_post_to_one_that_never_was_is_gone(fixture: &impl GatewayFixture) {
    let peer = fixture.open().await;
    // Ids contain characters that have a meaning in a path.
    for id in [unique("c"), "L0SM9cOFvHcCIhw=".to_owned(), "a/../b?c=d&e%2Ff+g=".to_owned()] {
        let stranger = Peer { connection: samples::connection_id(&id), ..peer.clone() };
        assert_eq!(post(fixture, &stranger, "1").await, Delivery::Gone, "{id}");
    }
}

pub async fn a_frame_beyond_the_limit_is_too_large_and_does_no_harm(fixture: &impl GatewayFixture) {
    let peer = fixture.open().await;
    let largest = "x".repeat(limits::GATEWAY_MESSAGE_BYTES);
    assert_eq!(post(fixture, &peer, format!("{largest}x")).await, Delivery::TooLarge);
    assert_eq!(post(fixture, &peer, "1").await, Delivery::Delivered);
    receives(fixture, &peer, &["1"]).await;
}

pub async fn a_probe_tells_the_living_from_the_gone(fixture: &impl GatewayFixture) {
    let (leaves, stays) = (fixture.open().await, fixture.open().await);
    assert!(matches!(probe(fixture, &leaves).await, Probe::Alive { .. }));
    fixture.hang_up(&leaves).await;
    is_gone(fixture, &leaves).await;
    assert!(matches!(probe(fixture, &stays).await, Probe::Alive { .. }));
    let never_was = Peer { connection: samples::connection_id(&unique("c")), ..stays };
    assert_eq!(probe(fixture, &never_was).await, Probe::Gone);
}

pub async fn a_probe_tells_when_it_was_last_active(fixture: &impl GatewayFixture) {
    let peer = fixture.open().await;
    let opened_at = fixture.clock().now();
    assert_eq!(post(fixture, &peer, "1").await, Delivery::Delivered);
    let Probe::Alive { last_active_at } = probe(fixture, &peer).await else {
        panic!("{} is not alive", peer.connection)
    };
    let earliest = opened_at.minus(CLOCKS_DIFFER);
    let latest = fixture.clock().now().plus(CLOCKS_DIFFER);
    assert!((earliest..=latest).contains(&last_active_at), "{last_active_at:?}");
}

pub async fn a_closed_connection_is_closed_for_its_peer_and_gone_for_us(fixture: &impl GatewayFixture) {
    let peer = fixture.open().await;
    fixture.gateway().close(&peer.endpoint, &peer.connection).await.unwrap();
    let closed = async || fixture.is_closed(&peer).await.then_some(());
    eventually(fixture.clock(), "a closed peer", closed).await;
    is_gone(fixture, &peer).await;
    assert_eq!(post(fixture, &peer, "1").await, Delivery::Gone);
}

pub async fn closing_one_that_is_gone_is_no_error(fixture: &impl GatewayFixture) {
    let peer = fixture.open().await;
    for _ in 0..2 {
        fixture.gateway().close(&peer.endpoint, &peer.connection).await.unwrap();
        is_gone(fixture, &peer).await;
    }
}

async fn post(fixture: &impl GatewayFixture, peer: &Peer, frame: impl Into<Bytes>) -> Delivery {
    fixture.gateway().post(&peer.endpoint, &peer.connection, frame.into()).await
}

async fn probe(fixture: &impl GatewayFixture, peer: &Peer) -> Probe {
    fixture.gateway().probe(&peer.endpoint, &peer.connection).await.unwrap()
}

async fn is_gone(fixture: &impl GatewayFixture, peer: &Peer) {
    let gone = async || (probe(fixture, peer).await == Probe::Gone).then_some(());
    eventually(fixture.clock(), "a connection that is gone", gone).await;
}

async fn receives(fixture: &impl GatewayFixture, peer: &Peer, expected: &[impl AsRef<str>]) {
    let all = async || Some(fixture.frames(peer).await).filter(|frames| frames.len() >= expected.len());
    let frames = eventually(fixture.clock(), &format!("{} frames", expected.len()), all).await;
    let texts: Vec<String> = frames.iter().map(|frame| String::from_utf8_lossy(frame).into_owned()).collect();
    assert_eq!(texts, expected.iter().map(AsRef::as_ref).collect::<Vec<&str>>());
}
