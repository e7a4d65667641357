//! Tests that a client can join hundreds of rooms besides its other requests, and that reads create
//! no rooms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::RoomId;
use domain::ports::Rooms;
use e2e::{Member, everything, start, tables};
use local::Stack;
use serde_json::{Value, json};
use testkit::samples;

const ROOMS: usize = 100;
/// Time within which all rooms of a returning client are joined, on an otherwise idle machine.
const WHOLE_WITHIN: Duration = Duration::from_secs(1);
/// Number of attempts, because the machine may be busy.
const RETURNS: usize = 5;

fn rooms() -> Vec<RoomId> {
    (0..ROOMS).map(|n| samples::room(&format!("r{n}"))).collect()
}

/// Returns a sync of all rooms from the positions in `synced`, or without positions.
fn sync(id: u64, synced: &Value) -> String {
    let position = |room: &RoomId| match &synced["ok"]["rooms"][room.as_str()] {
        Value::Null => Value::Null,
        joined => json!({ "ep": joined["ep"], "seq": joined["seq"] }),
    };
    let rooms: serde_json::Map<String, Value> =
        rooms().iter().map(|room| (room.as_str().to_owned(), position(room))).collect();
    json!({ "action": "sync", "id": id, "rooms": rooms }).to_string()
}

/// Returns the answers to these requests, which were sent together, when `pongs` pongs have also
/// arrived.
async fn answers(member: &mut Member, ids: &[u64], pongs: usize) -> BTreeMap<u64, Value> {
    let (mut answers, mut seen) = (BTreeMap::new(), 0);
    while answers.len() < ids.len() || seen < pongs {
        let frame: Value = serde_json::from_str(&member.next_text().await).unwrap();
        assert!(frame.get("message").is_none(), "a function failed: {frame}");
        seen += usize::from(frame["sys"] == "pong");
        if let Some(id) = frame["id"].as_u64() {
            answers.insert(id, frame);
        }
    }
    answers
}

fn assert_all_joined(answer: &Value) {
    let joined = answer["ok"]["rooms"].as_object().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(joined.len(), ROOMS);
    assert!(joined.values().all(|room| room["ep"].is_string()), "{answer}");
}

/// Returns the calls of the membership function so far, by operation.
fn calls(stack: &Stack) -> BTreeMap<String, u64> {
    let calls = stack.statistics()["calls"]["membership"].clone();
    let count = |counted: &Value| counted["calls"].as_u64().unwrap_or(0);
    let calls = calls.as_object().cloned().unwrap_or_default();
    calls.into_iter().map(|(operation, counted)| (operation.replace("dynamodb:", ""), count(&counted))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_joined_by_the_hundred_beside_publications_and_pings() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.say(sync(100, &Value::Null)).await;
    for n in 1..=8 {
        ada.say(json!({ "action": "publish", "id": n, "room": "r0", "pid": format!("p{n}"), "data": n }).to_string())
            .await;
        ada.say(json!({ "action": "ping" }).to_string()).await;
        ada.say(json!({ "action": "join", "id": 100 + n, "room": format!("x{n}") }).to_string()).await;
    }
    let ids: Vec<u64> = (1..=8).chain(101..=108).chain([100]).collect();
    let answers = answers(&mut ada, &ids, 8).await;
    assert_all_joined(&answers[&100]);
    for (id, answer) in &answers {
        let ok = answer["ok"].is_object() || answer["err"]["code"] == "limit_exceeded";
        assert!(ok, "request {id} failed beside the others: {answer}");
    }
    assert!((1..=8).all(|id| answers[&id]["ok"]["accepted"].is_array()), "{answers:?}");
    drop(ada);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_to_a_hundred_rooms_takes_few_calls_and_less_than_a_second() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.say(sync(1, &Value::Null)).await;
    let mut synced = answers(&mut ada, &[1], 0).await.remove(&1).unwrap();
    assert_all_joined(&synced);
    let mut took = Vec::new();
    for n in 0..RETURNS {
        drop(ada);
        ada = Member::connect(&url, "ada").await;
        for (again, transactions) in [(false, 1), (true, 0)] {
            let before = calls(&stack);
            let begun = Instant::now();
            ada.say(sync(2, &synced)).await;
            let answer = answers(&mut ada, &[2], 0).await.remove(&2).unwrap();
            took.extend((!again).then(|| begun.elapsed()));
            assert_all_joined(&answer);
            let made = |operation: &str| {
                let count = |calls: &BTreeMap<String, u64>| calls.get(operation).copied().unwrap_or(0);
                count(&calls(&stack)) - count(&before)
            };
            let asked = ["UpdateItem", "BatchGetItem", "GetItem"].map(made);
            assert_eq!(made("TransactWriteItems"), transactions, "return {n}, again: {again}");
            assert_eq!((made("PutItem"), made("BatchWriteItem"), made("DeleteItem")), (0, 0, 0));
            // One or two of the updates charge the user, because the connection is new.
            assert!(asked.iter().sum::<u64>() <= 7, "{asked:?}, return {n}, again: {again}");
            synced = answer;
        }
    }
    let quickest = took.iter().min().unwrap();
    assert!(*quickest < WHOLE_WITHIN, "{took:?}");
    drop(ada);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_and_reading_create_no_room() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let history = ada.ask(json!({ "action": "history", "room": "made-up" })).await;
    assert_eq!((&history["ok"]["seq"], &history["ok"]["history"]), (&json!(0), &json!([])), "{history}");
    let who = ada.ask(json!({ "action": "who", "room": "made-up" })).await;
    assert_eq!(who["ok"]["members"], 0, "{who}");
    let synced = ada.ask(json!({ "action": "sync", "rooms": { "@bob": null } })).await;
    assert_eq!(synced["ok"]["rooms"]["@bob"]["err"]["code"], "forbidden", "{synced}");
    let made_up = json!({ "made-up": { "ep": "k7Qf", "seq": 1 }, "@bob": { "ep": "k7Qf", "seq": 1 } });
    ada.say(json!({ "action": "ping", "at": made_up }).to_string()).await;
    answers(&mut ada, &[], 1).await;
    let mut eve = Member::connect_with(&format!("{url}?room=den"), None).await;
    eve.say(json!({ "action": "ping" }).to_string()).await;
    let asked = ["made-up", "@bob", "den", "*"].map(samples::room);
    let heads = tables(&stack).heads(&asked).await.unwrap();
    assert!(heads.is_empty(), "{heads:?}");
    drop((ada, eve));
    stack.shutdown().await;
}
