//! Tests presence: blocks, counts, and the messages of the activity topic.

use std::time::Duration;

use e2e::{Member, aws, everything, members, start};
use futures::future::join_all;
use local::Stack;
use serde_json::{Value, json};

/// Waits for a presence block for which `wanted` holds.
async fn told(member: &mut Member, wanted: impl Fn(&Value) -> bool) -> Value {
    member.note(|note| note["p"].is_object() && wanted(&note["p"])).await["p"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_two_tabs_comes_once_and_goes_once() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::with_claims(&url, json!({ "sub": "ada" })).await;
    ada.join("lobby").await;
    told(&mut ada, |p| p["members"] == 1).await;
    let mut tab = Member::with_claims(&url, json!({ "sub": "bob" })).await;
    tab.join("lobby").await;
    // The block repeats the name of ada if bob joined right after her.
    let came = told(&mut ada, |p| p["members"] == 2).await;
    assert!(came["in"].as_array().is_some_and(|names| names.contains(&json!("bob"))), "{came}");
    let mut other = Member::with_claims(&url, json!({ "sub": "bob" })).await;
    other.join("lobby").await;
    let counted = told(&mut ada, |p| p["members"] == 3).await;
    assert!(counted["in"].as_array().is_none_or(Vec::is_empty), "{counted}");
    let who = ada.ask(json!({ "action": "who", "room": "lobby" })).await;
    assert_eq!(who["ok"]["members"], 3);
    let users: Vec<(&str, u64)> = who["ok"]["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| (user["user"].as_str().unwrap(), user["connections"].as_u64().unwrap()))
        .collect();
    assert_eq!(users, [("ada", 1), ("bob", 2)]);
    drop(tab);
    let counted = told(&mut ada, |p| p["members"] == 2).await;
    assert!(counted["out"].as_array().is_none_or(Vec::is_empty), "{counted}");
    other.ask(json!({ "action": "leave", "room": "lobby" })).await;
    let went = told(&mut ada, |p| p["out"] == json!(["bob"])).await;
    assert_eq!(went["members"], 1);
    stack.shutdown().await;
}

/// 100 members join and leave 25 times each: 5,000 changes. A connected member receives at most one
/// block a second. Its last block is correct 10 s after the last change.
#[tokio::test(flavor = "multi_thread")]
async fn the_count_of_a_room_is_true_10_s_after_its_last_change() {
    let (stack, url) = start(everything()).await;
    let mut witness = Member::connect(&url, "witness").await;
    witness.join("busy").await;
    let began = std::time::Instant::now();
    let churn = members(&url, "m", 100, &[]).await.into_iter().enumerate().map(|(n, mut member)| async move {
        for _ in 0..25 {
            member.join("busy").await;
            member.ask(json!({ "action": "leave", "room": "busy" })).await;
        }
        if n < 40 {
            member.join("busy").await;
        }
        member
    });
    let churn = async { join_all(churn).await };
    let listening = async {
        loop {
            witness.listen_for(Duration::from_secs(1)).await;
        }
    };
    let staying = tokio::select! {
        staying = churn => staying,
        () = listening => unreachable!("it listens for ever"),
    };
    witness.listen_for(Duration::from_secs(10)).await;
    let seconds = began.elapsed().as_secs();
    let blocks: Vec<&Value> = witness.notes().iter().filter(|note| note["p"].is_object()).collect();
    assert!(!blocks.is_empty() && blocks.len() as u64 <= seconds + 2, "{} blocks in {seconds} s", blocks.len());
    assert_eq!(blocks.last().unwrap()["p"]["members"], 41, "{blocks:?}");
    drop(staying);
    stack.shutdown().await;
}

/// Creates a queue that receives all messages of the activity topic.
async fn spy(stack: &Stack) -> String {
    let aws = aws(stack);
    let url = aws.sqs.create_queue().queue_name("spy").send().await.unwrap().queue_url.unwrap();
    let arn = aws.sqs.get_queue_attributes().queue_url(&url).attribute_names("QueueArn".into()).send().await.unwrap();
    let arn = arn.attributes.unwrap().remove(&"QueueArn".into()).unwrap();
    let topic = &stack.variables()["ROOMCAST_ACTIVITY_TOPIC_ARN"];
    let subscribe = aws.sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(arn);
    subscribe.attributes("RawMessageDelivery", "true").send().await.unwrap();
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn the_activity_topic_tells_the_story_of_a_room_from_occupied_to_vacated() {
    let (stack, url) = start(everything()).await;
    let queue = spy(&stack).await;
    let mut ada = Member::with_claims(&url, json!({ "sub": "ada", "device": "phone" })).await;
    ada.join("tale").await;
    told(&mut ada, |p| p["members"] == 1).await;
    ada.reset();
    let queues = aws(&stack).sqs;
    let mut story: Vec<Value> = Vec::new();
    let complete = |story: &[Value]| {
        let has = |kind: &str| story.iter().any(|event| event["kind"] == kind);
        ["connection_up", "member_joined", "room_occupied", "connection_down", "member_left", "room_vacated"]
            .into_iter()
            .all(has)
    };
    while !complete(&story) {
        let receive = queues.receive_message().queue_url(&queue).wait_time_seconds(20).max_number_of_messages(10);
        let messages = receive.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default();
        assert!(!messages.is_empty(), "the story ends here: {story:?}");
        for message in messages {
            let event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            let attributes = message.message_attributes().unwrap();
            assert_eq!(attributes["kind"].string_value(), event["kind"].as_str(), "to filter on");
            story.push(event);
        }
    }
    let of_the_room = |kind: &str| story.iter().find(|event| event["kind"] == kind).unwrap();
    for kind in ["member_joined", "member_left", "room_occupied", "room_vacated"] {
        assert_eq!(of_the_room(kind)["room"], "tale", "{story:?}");
    }
    assert_eq!(of_the_room("member_joined")["user"], "ada");
    assert!(of_the_room("room_occupied")["at"].as_u64() <= of_the_room("room_vacated")["at"].as_u64());
    stack.shutdown().await;
}
