//! Tests the commands that publish and kick, on a local stack, and those that need none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::Roomcast;
use e2e::{Member, everything, start};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_received_once_and_a_kicked_user_is_out() {
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::with_claims(&url, json!({ "sub": "ada" })).await;
    let mut bob = Member::with_claims(&url, json!({ "sub": "bob" })).await;
    ada.join("lobby").await;
    for _ in 0..2 {
        let published = roomcast.json(&["publish", "lobby", "--id", "order-7", r#"{"order":7}"#]).await;
        assert_eq!(published, [json!({ "room": "lobby", "id": "order-7" })]);
    }
    let drawn = roomcast.run(&["publish", "lobby", "--text", "hello"]).await;
    ada.hear("lobby", 2).await;
    let mut heard = ada.heard("lobby").to_vec();
    heard.sort();
    let mut expected = ["order-7".to_owned(), drawn.out.trim().to_owned()];
    expected.sort();
    assert_eq!(heard, expected);
    assert!(drawn.err.contains(&format!("roomcast explain lobby {}", drawn.out.trim())), "{}", drawn.err);

    let unasked = roomcast.run(&["kick", "@bob"]).await;
    assert!(unasked.status == 1 && unasked.err.contains("--force"), "{}", unasked.err);
    let unknown = roomcast.run(&["kick", "--force", "bob"]).await;
    assert!(unknown.status == 1 && unknown.err.contains("roomcast kick @bob"), "{}", unknown.err);
    assert_eq!(roomcast.json(&["who", "@bob"]).await.len(), 1);
    roomcast.json(&["kick", "--force", "@bob"]).await;
    assert_eq!(bob.until_closed().await, 1000);
    roomcast.until(&["who", "@bob"], <[_]>::is_empty).await;

    let connection = roomcast.json(&["who", "lobby"]).await[0]["connection"].as_str().unwrap().to_owned();
    roomcast.json(&["kick", "--force", &connection]).await;
    assert_eq!(ada.until_closed().await, 1000);

    let mut eve = Member::with_claims(&url, json!({ "sub": "eve" })).await;
    let unnamed = roomcast.run(&["ban", "--force", "eve"]).await;
    assert!(unnamed.status == 1 && unnamed.err.contains("roomcast ban @eve"), "{}", unnamed.err);
    let banned = roomcast.json(&["ban", "--force", "@eve", "--for", "1h"]).await;
    assert!(banned[0]["until"].as_u64().is_some(), "{banned:?}");
    assert_eq!(eve.until_closed().await, 1000);
    let lifted = roomcast.json(&["unban", "@eve"]).await;
    assert_eq!(lifted, [json!({ "command": "unban", "user": "eve" })]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_printed_is_good_and_a_changed_one_is_refused() {
    let (stack, _) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let token = roomcast.run(&["token", "--user", "ada", "--join", "team:*", "--expires", "2h"]).await.out;
    let good = roomcast.json(&["token", "check", token.trim()]).await;
    assert_eq!((&good[0]["user"], &good[0]["rooms"]["join"]), (&json!("ada"), &json!(["team:*"])));
    let mut parts: Vec<&str> = token.trim().split('.').collect();
    parts[1] = "eyJzdWIiOiJib2IiLCJleHAiOjQxMDI0NDQ4MDB9";
    let changed = parts.join(".");
    let refused = roomcast.run(&["token", "check", &changed]).await;
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("the token's signature is not that of its key"), "{}", refused.err);
    assert!(!refused.err.contains(parts[2]), "an error shows nothing of the token");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_completions_and_the_man_page_need_no_stack() {
    let roomcast = Roomcast::at("http://127.0.0.1:1");
    let code = roomcast.run(&["code", "rate_limited"]).await;
    assert!(code.status == 0 && code.out.contains("wait `after_ms`"), "{code:?}");
    let unknown = roomcast.run(&["code", "rate"]).await;
    assert!(unknown.status == 1 && unknown.err.contains("next: roomcast code"), "{unknown:?}");
    let codes = roomcast.json(&["code"]).await;
    assert!(codes.iter().any(|code| code["code"] == "kicked" && code["retry"] == false), "{codes:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = roomcast.run(&["completions", shell]).await;
        assert!(script.status == 0 && script.out.contains("dead-letters"), "{shell}: {script:?}");
    }
    let page = roomcast.run(&["man"]).await;
    assert!(page.status == 0 && page.out.contains(".TH") && page.out.contains("explain"), "{page:?}");
}
