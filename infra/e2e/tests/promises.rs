//! Tests promises to members besides the main path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::{Duration, Instant};

use e2e::{Member, aws, everything, received, start};
use local::Stack;
use serde_json::{Value, json};
use testkit::samples;

/// Returns the frames before the answer to a ping.
async fn until_pong(member: &mut Member) -> Vec<Value> {
    member.say(json!({ "action": "ping" }).to_string()).await;
    let mut frames = Vec::new();
    loop {
        let frame: Value = serde_json::from_str(&member.next_text().await).unwrap();
        if frame["sys"] == "pong" {
            return frames;
        }
        frames.push(frame);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_is_posted_nothing_more() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let mut bob = Member::connect(&url, "bob").await;
    ada.join("lobby").await;
    bob.join("lobby").await;
    let answer = bob.ask(json!({ "action": "leave", "room": "lobby" })).await;
    assert_eq!(answer["ok"]["room"], "lobby");
    for n in 0..10 {
        ada.publish("lobby", &format!("p{n}")).await;
    }
    ada.hear("lobby", 10).await;
    let heard = until_pong(&mut bob).await;
    let blocks = heard.iter().filter_map(|frame| frame["b"].as_array()).flatten();
    assert!(blocks.into_iter().all(|block| block["m"].is_null()), "{heard:?}");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pong_names_the_rooms_that_have_moved_on() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let joined = ada.join("lobby").await;
    ada.publish("lobby", "p").await;
    ada.hear("lobby", 1).await;
    let behind = json!({ "ep": joined["ok"]["ep"], "seq": joined["ok"]["seq"] });
    ada.say(json!({ "action": "ping", "at": { "lobby": behind } }).to_string()).await;
    let pong = loop {
        let frame: Value = serde_json::from_str(&ada.next_text().await).unwrap();
        if frame["sys"] == "pong" {
            break frame;
        }
    };
    assert_eq!(pong["behind"]["lobby"], json!({ "ep": joined["ok"]["ep"], "seq": 1 }));
    stack.shutdown().await;
}

/// Sends a body that is not a submission to a room's own group.
async fn poison(stack: &Stack, room: &str, body: &str) {
    let queues = aws(stack).sqs;
    let url = &stack.variables()["ROOMCAST_PUBLICATIONS_QUEUE_URL"];
    let submission = samples::submission(room, "ada", &["p"]);
    let message = queues.send_message().queue_url(url).message_body(body).message_group_id(submission.group());
    message.message_deduplication_id(body.replace(' ', "-")).send().await.unwrap();
}

/// Time within which other members receive publications while one member reads nothing and
/// unreadable messages are in the queue.
const PROMISED: Duration = Duration::from_secs(10);

/// A member of two rooms reads nothing. Backends publish more to one of them than its buffers hold,
/// and poison is sent too. All other members continue in both rooms without a delay.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_poison_or_for_a_slow_member() {
    let (stack, url) = start(everything()).await;
    let mut slow = Member::connect(&url, "slow").await;
    let mut ada = Member::connect(&url, "ada").await;
    let mut bob = Member::connect(&url, "bob").await;
    for room in ["lobby", "den"] {
        slow.join(room).await;
        ada.join(room).await;
        bob.join(room).await;
    }
    let topic = &stack.variables()["ROOMCAST_EVENTS_TOPIC_ARN"];
    let (backend, much) = (aws(&stack).sns, "x".repeat(20 * 1024));
    let full = || stack.statistics()["gateway"]["posts_buffer_full"].as_u64().unwrap();
    let (mut said, mut slowest) = (0, Duration::ZERO);
    while said < 60 || full() == 0 {
        assert!(said < 600, "the buffers of the slow member never fill");
        for _ in 0..10 {
            let event = json!({ "room": "lobby", "id": format!("e{said}"), "data": much });
            backend.publish().topic_arn(topic).message(event.to_string()).send().await.unwrap();
            said += 1;
        }
        poison(&stack, "lobby", &format!("this is no submission {said}")).await;
        for room in ["lobby", "den"] {
            let (began, before) = (Instant::now(), bob.heard("den").len());
            ada.publish(room, &format!("p{said}")).await;
            match room {
                "den" => bob.hear(room, before + 1).await,
                _ => bob.hear(room, said + said / 10).await,
            }
            slowest = slowest.max(began.elapsed());
        }
    }
    assert!(slowest < PROMISED, "{slowest:?}");
    drop(slow);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_dead_lettered_and_its_own_room_goes_on() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    ada.publish("lobby", "before").await;
    poison(&stack, "lobby", "this is no submission").await;
    poison(&stack, "lobby", r#"{"v":2,"room":"lobby"}"#).await;
    ada.publish("lobby", "after").await;
    ada.hear("lobby", 2).await;
    assert_eq!(ada.heard("lobby"), ["before", "after"]);
    let dead = received(&stack, "publications-dead", 2).await;
    let mut dead: Vec<_> = dead.into_iter().filter_map(|message| message.body).collect();
    dead.sort();
    assert_eq!(dead, ["this is no submission", r#"{"v":2,"room":"lobby"}"#]);
    stack.shutdown().await;
}
