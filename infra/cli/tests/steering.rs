//! Tests the commands that publish, kick and drain, on a local stack, and those that need none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::Roomcast;
use domain::{PublicationId, RoomId};
use e2e::chaos::{Ledger, Truth};
use e2e::{Member, aws, everything, start};
use roomcast_client::connection::{Options, connect};
use roomcast_client::rules::Event;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

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
async fn tokens_of_a_user_are_revoked_by_their_time_or_by_their_id() {
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut old = Member::with_claims(&url, json!({ "sub": "eve", "iat": 1_764_266_644 })).await;
    let mut young = Member::with_claims(&url, json!({ "sub": "eve", "iat": 1_764_266_645, "jti": "t-1" })).await;
    let unasked = roomcast.run(&["revoke", "@eve"]).await;
    assert!(unasked.status == 1 && unasked.err.contains("--force"), "{}", unasked.err);
    let since = ["--issued-before", "2025-11-27T18:04:05Z"];
    let command = |name: &str| json!({ "command": name, "user": "eve", "issued_before": 1_764_266_645_000_u64 });
    let revoked = roomcast.json(&[&["revoke", "--force", "@eve"], &since[..]].concat()).await;
    assert_eq!(revoked, [command("revoke")]);
    assert_eq!(old.until_closed().await, 1000);
    let banned = roomcast.json(&["ban", "--force", "@eve", "--token-id", "t-1"]).await;
    assert_eq!(banned, [json!({ "command": "ban", "user": "eve", "token_id": "t-1" })]);
    assert_eq!(young.until_closed().await, 1000);
    let lifted = roomcast.json(&[&["unban", "@eve"], &since[..]].concat()).await;
    assert_eq!(lifted, [command("unban")]);
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

/// Runs a member with the client library until its application has received so many publications.
async fn follow(url: String, number: u64, room: RoomId, publications: usize) -> Ledger {
    let mut options = Options::new(&url);
    options.seed = number;
    let (handle, mut events) = connect(options).unwrap();
    let mut ledger = Ledger::new(format!("m{number}"));
    ledger.begin(room.clone());
    handle.join(room, None).await.unwrap();
    let mut received = 0;
    while received < publications {
        match events.next().await.expect("the client goes on") {
            Event::Joined { room, head, .. } => ledger.joined(&room, head),
            Event::Message(message) => {
                ledger.heard(&message.room, &message.at.epoch, message.at.sequence, message.pid);
                received += 1;
            }
            Event::Missed { from, to, .. } => ledger.find(format!("missed {:?} to {:?}", from.sequence, to.sequence)),
            Event::Ended { because } => ledger.find(format!("ended: {because}")),
            _ => {}
        }
    }
    handle.close().await;
    ledger
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_drained_move_to_new_connections_at_the_rate_and_miss_nothing() {
    const MEMBERS: usize = 200;
    const RATE: u64 = 100;
    const PUBLICATIONS: usize = 60;
    /// Publications after the last connection has moved.
    const AFTER: usize = 10;
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let room = RoomId::parse("lobby").unwrap();
    let mut members = JoinSet::new();
    for number in 0..MEMBERS as u64 {
        members.spawn(follow(url.clone(), number, room.clone(), PUBLICATIONS));
    }
    let listed = ["who", "lobby", "--limit", "1000"];
    let connections = |rows: &[Value]| -> BTreeSet<String> {
        rows.iter().map(|row| row["connection"].as_str().unwrap().to_owned()).collect()
    };
    let before = connections(&roomcast.until(&listed, |rows| rows.len() == MEMBERS).await);

    let topic = stack.variables()["ROOMCAST_EVENTS_TOPIC_ARN"].clone();
    let sns = aws(&stack).sns;
    let publish = async |numbers: std::ops::Range<usize>| {
        let mut pace = interval(Duration::from_millis(50));
        for number in numbers {
            pace.tick().await;
            let event = json!({ "room": "lobby", "id": format!("p{number}"), "data": number }).to_string();
            sns.publish().topic_arn(&topic).message(event).send().await.unwrap();
        }
    };
    let rate = RATE.to_string();
    let drain = ["drain", "--rate", &rate, "--force"];
    let (drained, ()) = tokio::join!(roomcast.json(&drain), publish(0..PUBLICATIONS - AFTER));
    assert!(drained[0]["closed"].as_u64().unwrap() >= MEMBERS as u64 && drained[0]["failed"] == 0, "{drained:?}");
    let least_ms = (MEMBERS as u64 - 1) * 1_000 / RATE;
    assert!(drained[0]["took_ms"].as_u64().unwrap() >= least_ms, "{drained:?}");
    let has_moved = |rows: &[Value]| rows.len() == MEMBERS && connections(rows).is_disjoint(&before);
    roomcast.until(&listed, has_moved).await;
    publish(PUBLICATIONS - AFTER..PUBLICATIONS).await;

    let ledgers =
        timeout(Duration::from_secs(120), members.join_all()).await.expect("every member received everything");
    let log = roomcast.json(&["history", "lobby", "--limit", "100"]).await;
    let ids = log.iter().map(|row| PublicationId::parse(row["id"].as_str().unwrap()).unwrap());
    let truth = Truth::from([(room, ids.collect::<Vec<_>>())]);
    for ledger in &ledgers {
        assert_eq!(ledger.check(&truth), (PUBLICATIONS as u64, Vec::new()));
    }
    let unasked = roomcast.run(&["drain", "lobby"]).await;
    assert!(
        unasked.status == 1 && unasked.err.contains("300 a second") && unasked.err.contains("--force"),
        "{unasked:?}"
    );
    stack.shutdown().await;
}
