//! Tests commands of backends to members through the topic `commands`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::{Duration, Instant};

use e2e::{Member, aws, everything, start, token};
use local::Stack;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

/// Returns the status of a handshake with a token of this user.
async fn handshake(url: &str, user: &str) -> u16 {
    handshake_with(url, json!({ "sub": user })).await
}

/// Returns the status of a handshake with a token of these claims.
async fn handshake_with(url: &str, claims: Value) -> u16 {
    match connect_async(format!("{url}?token={}", token(claims))).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

async fn command(stack: &Stack, command: Value) {
    let topic = &stack.variables()["ROOMCAST_COMMANDS_TOPIC_ARN"];
    aws(stack).sns.publish().topic_arn(topic).message(command.to_string()).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_was_removed_is_out_within_2_s_and_one_who_was_joined_is_in() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::with_claims(&url, json!({ "sub": "ada" })).await;
    let mut bob = Member::with_claims(&url, json!({ "sub": "bob" })).await;
    ada.join("lobby").await;
    bob.join("lobby").await;
    let began = Instant::now();
    command(&stack, json!({ "command": "remove", "room": "lobby", "user": "bob" })).await;
    let left = bob.note(|note| note["sys"] == "left").await;
    assert_eq!((&left["room"], &left["code"]), (&json!("lobby"), &json!("removed")));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    ada.publish("lobby", "without-bob").await;
    ada.hear("lobby", 1).await;
    command(&stack, json!({ "command": "join", "room": "lobby", "user": "bob" })).await;
    let joined = bob.note(|note| note["sys"] == "joined").await;
    assert_eq!((&joined["room"], &joined["seq"]), (&json!("lobby"), &json!(1)));
    ada.publish("lobby", "with-bob").await;
    bob.hear("lobby", 1).await;
    assert_eq!(bob.heard("lobby"), ["with-bob"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kicked_user_is_told_and_closed_on_every_device_within_2_s() {
    let (stack, url) = start(everything()).await;
    let mut phone = Member::with_claims(&url, json!({ "sub": "bob", "device": "phone" })).await;
    let mut laptop = Member::with_claims(&url, json!({ "sub": "bob", "device": "laptop" })).await;
    let began = Instant::now();
    command(&stack, json!({ "command": "close", "user": "bob" })).await;
    for device in [&mut phone, &mut laptop] {
        assert_eq!(device.until_closed().await, 1000);
        let bye = device.notes().iter().find(|note| note["sys"] == "bye").unwrap();
        assert_eq!((&bye["code"], &bye["retry"]), (&json!("kicked"), &json!("never")));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    stack.shutdown().await;
}

#[tokio::test]
async fn a_banned_user_with_fifty_connections_is_out_within_2_s_and_stays_out() {
    let (stack, url) = start(everything()).await;
    let mut members = Vec::new();
    for _ in 0..50 {
        members.push(Member::with_claims(&url, json!({ "sub": "bob" })).await);
    }
    let began = Instant::now();
    command(&stack, json!({ "command": "ban", "user": "bob" })).await;
    for member in &mut members {
        assert_eq!(member.until_closed().await, 1000);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!((handshake(&url, "bob").await, handshake(&url, "ada").await), (403, 101));
    command(&stack, json!({ "command": "unban", "user": "bob" })).await;
    while handshake(&url, "bob").await != 101 {}
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_tokens_are_out_within_2_s_and_a_newer_one_of_the_user_is_accepted() {
    let (stack, url) = start(everything()).await;
    let now_s = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let issued = |id: &str, at_s: u64| json!({ "sub": "bob", "jti": id, "iat": at_s });
    let (old, young, undated) = (issued("t1", now_s - 60), issued("t2", now_s), json!({ "sub": "bob" }));
    let mut revoked = Vec::new();
    for claims in [&old, &old, &undated] {
        revoked.push(Member::with_claims(&url, claims.clone()).await);
    }
    let mut member = Member::with_claims(&url, young.clone()).await;
    let began = Instant::now();
    command(&stack, json!({ "command": "revoke", "user": "bob", "issued_before": now_s * 1_000 })).await;
    for revoked in &mut revoked {
        assert_eq!(revoked.until_closed().await, 1000);
        let bye = revoked.notes().iter().find(|note| note["sys"] == "bye").unwrap();
        assert_eq!((&bye["code"], &bye["retry"]), (&json!("revoked"), &json!("never")));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    for (claims, status) in [(&old, 401), (&undated, 401), (&young, 101)] {
        assert_eq!(handshake_with(&url, claims.clone()).await, status, "{claims}");
    }
    member.join("lobby").await;
    let began = Instant::now();
    command(&stack, json!({ "command": "ban", "user": "bob", "token_id": "t2" })).await;
    assert_eq!(member.until_closed().await, 1000);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(handshake_with(&url, young).await, 401);
    assert_eq!(handshake_with(&url, issued("t3", now_s)).await, 101);
    stack.shutdown().await;
}
