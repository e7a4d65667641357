//! Tests the commands that show rooms, on a local stack.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::process::Stdio;

use common::Roomcast;
use e2e::{Member, everything, start};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

fn texts<'a>(rows: &'a [Value], field: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[field].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_shown_with_its_position_its_members_and_its_log() {
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::with_claims(&url, json!({ "sub": "ada", "device": "phone" })).await;
    let mut bob = Member::with_claims(&url, json!({ "sub": "bob" })).await;
    bob.join("lobby").await;
    ada.join("lobby").await;
    for id in ["p1", "p2", "p3"] {
        ada.publish("lobby", id).await;
    }
    ada.hear("lobby", 3).await;
    bob.hear("lobby", 3).await;

    let room = roomcast.until(&["room", "lobby"], |rows| rows[0]["shards"][0]["through"] == 3).await;
    let room = &room[0];
    assert_eq!(
        [&room["seq"], &room["sent"], &room["members"], &room["held"]],
        [&json!(3), &json!(3), &json!(2), &json!(0)]
    );
    assert_eq!(room["shards"].as_array().unwrap().len(), 1);
    assert_eq!(room["shards"][0]["behind"], 0);
    let shown = roomcast.run(&["room", "lobby"]).await.out;
    assert!(shown.contains("sequence 3") && shown.contains("SHARD  MEMBERS  THROUGH  BEHIND  RECORDED"), "{shown}");

    let page = roomcast.run(&["--json", "history", "lobby", "--limit", "2"]).await;
    assert_eq!(texts(&page.objects(), "id"), ["p2", "p3"]);
    assert!(page.err.contains("older: roomcast history lobby --before 2 --limit 2"), "{}", page.err);
    let older = roomcast.json(&["history", "lobby", "--before", "2"]).await;
    assert_eq!((texts(&older, "id"), &older[0]["by"], &older[0]["seq"]), (vec!["p1"], &json!("ada"), &json!(1)));

    let members = roomcast.json(&["who", "lobby"]).await;
    assert_eq!(texts(&members, "user"), ["ada", "bob"]);
    let devices = roomcast.json(&["who", "@ada"]).await;
    assert_eq!((&devices[0]["connection"], &devices[0]["device"]), (&members[0]["connection"], &json!("phone")));
    assert!(devices[0]["rooms"].as_array().unwrap().contains(&json!("lobby")), "{devices:?}");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_begins_in_the_past_and_goes_on_with_what_is_published_next() {
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    ada.publish("lobby", "p1").await;
    ada.hear("lobby", 1).await;
    let mut command = roomcast.command(&["--json", "tail", "lobby", "--since", "1h", "--count", "2"]);
    let mut tail = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next =
        async || serde_json::from_str::<Value>(&lines.next_line().await.unwrap().unwrap()).unwrap()["id"].clone();
    assert_eq!(next().await, "p1");
    ada.publish("lobby", "p2").await;
    assert_eq!(next().await, "p2");
    assert!(tail.wait().await.unwrap().success());
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_its_cause_and_the_next_command() {
    let (stack, _) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let unknown = roomcast.run(&["room", "nowhere"]).await;
    assert_eq!((unknown.status, unknown.out.as_str()), (1, ""));
    assert!(
        unknown.err.contains("room nowhere has no head") && unknown.err.contains("next: roomcast publish nowhere"),
        "{}",
        unknown.err
    );
    let bad = roomcast.run(&["room", "a#b"]).await;
    assert!(bad.status == 2 && bad.err.contains("room has '#' at character 2"), "{}", bad.err);
    stack.shutdown().await;

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = Roomcast::at(&format!("http://{free}")).run(&["room", "lobby"]).await;
    assert_eq!(absent.status, 1);
    assert!(
        absent.err.contains("no local stack answers at")
            && absent.err.contains("next: start the stack with `cargo dev`"),
        "{}",
        absent.err
    );
}
