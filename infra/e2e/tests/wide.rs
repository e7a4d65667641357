//! Tests a wide room and small rooms at the same time, ephemeral traffic, and rates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::{Duration, Instant};

use domain::ports::{Clock, Rooms};
use domain::{Epoch, Shards};
use e2e::{Member, everything, members, start, tables};
use futures::future::join_all;
use serde_json::json;
use testkit::samples;

/// Longest time in which a publication in a small room may reach all its members, beside a wide
/// room.
const PROMISED: Duration = Duration::from_secs(10);

/// The wide room has 3,000 members. There are ten small rooms.
#[tokio::test(flavor = "multi_thread")]
async fn a_wide_room_is_served_while_small_rooms_chat_undisturbed() {
    let (stack, url) = start(everything()).await;
    let tables = tables(&stack);
    // With more than 16 shards, jobs use the wide queue, as in a room of 10,000 members.
    let wide = samples::room("wide");
    let head = tables.create(&wide, &Epoch::from_random(7), lambda_kit::SystemClock.now()).await.unwrap();
    tables.grow(&wide, head.shards, Shards::new(32)).await.unwrap();
    let mut crowd = members(&url, "crowd", 3_000, &["wide"]).await;
    let mut chats = Vec::new();
    for n in 0..10 {
        chats.push(members(&url, &format!("chat{n}-"), 3, &[&format!("small{n}")]).await);
    }
    let mut speaker = members(&url, "speaker", 1, &["wide"]).await.remove(0);
    let broadcast = async {
        for n in 0..10 {
            speaker.publish("wide", &format!("w{n}")).await;
        }
        join_all(crowd.iter_mut().map(|member| member.hear("wide", 10))).await;
    };
    let chat = join_all(chats.iter_mut().enumerate().map(|(n, chat)| async move {
        let room = format!("small{n}");
        let mut slowest = Duration::ZERO;
        for k in 0..10 {
            let began = Instant::now();
            chat[k % 3].publish(&room, &format!("s{k}")).await;
            join_all(chat.iter_mut().map(|member| member.hear(&room, k + 1))).await;
            slowest = slowest.max(began.elapsed());
        }
        slowest
    }));
    let ((), slowest) = tokio::join!(broadcast, chat);
    let order = crowd[0].heard("wide").to_vec();
    assert!(crowd.iter().all(|member| member.heard("wide") == order));
    assert!(slowest.iter().all(|slowest| *slowest < PROMISED), "{slowest:?}");
    drop((crowd, chats, speaker));
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ephemeral_publications_reach_who_is_there_and_are_never_stored() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let mut bob = Member::connect(&url, "bob").await;
    ada.join("lobby").await;
    bob.join("lobby").await;
    let typing = json!({ "action": "publish", "room": "lobby", "ephemeral": true, "key": "typing", "data": true });
    assert!(ada.ask(typing).await["ok"].is_object());
    let note = bob.note(|note| note["e"].is_array()).await;
    assert_eq!((&note["room"], &note["e"][0]["data"]), (&json!("lobby"), &json!(true)));
    ada.publish("lobby", "stored").await;
    bob.hear("lobby", 1).await;
    let page = bob.ask(json!({ "action": "history", "room": "lobby" })).await;
    assert_eq!(page["ok"]["seq"], 1, "{page}");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_echo_a_publisher_does_not_hear_itself_and_its_position_is_whole() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let mut bob = Member::connect(&url, "bob").await;
    ada.join("lobby").await;
    bob.join("lobby").await;
    ada.publish("lobby", "a").await;
    let silent = json!({ "action": "publish", "room": "lobby", "pid": "b", "data": 1, "echo": false });
    assert!(ada.ask(silent).await["ok"].is_object());
    bob.publish("lobby", "c").await;
    bob.hear("lobby", 3).await;
    ada.hear("lobby", 2).await;
    assert_eq!(
        (bob.heard("lobby"), ada.heard("lobby")),
        (&["a", "b", "c"].map(str::to_owned)[..], &["a", "c"].map(str::to_owned)[..])
    );
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_publishes_too_fast_is_told_when_to_try_again_and_keeps_the_connection() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let mut refused = 0;
    for n in 0..10 {
        let items: Vec<_> = (0..10).map(|m| json!({ "pid": format!("p{n}.{m}"), "data": m })).collect();
        let request = json!({ "action": "publish", "room": "lobby", "items": items });
        let answer = ada.ask(request).await;
        if answer["err"]["code"] == "rate_limited" {
            assert!(answer["err"]["after_ms"].as_u64().is_some_and(|ms| (1..=5_000).contains(&ms)), "{answer}");
            assert_eq!(answer["err"]["retry"], true);
            refused += 10;
        }
    }
    assert!(refused > 0, "100 at once are more than 40");
    ada.hear("lobby", 100 - refused).await;
    stack.shutdown().await;
}
