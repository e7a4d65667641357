//! Tests `doctor` and `explain` on a local stack.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::collections::BTreeSet;

use common::Roomcast;
use e2e::{Member, aws, everything, start};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_stack_passes_every_check_and_a_dead_letter_fails_with_its_fix() {
    let (stack, _) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let well = roomcast.run(&["--json", "doctor"]).await;
    assert_eq!(well.status, 0, "{well:?}");
    let findings = well.objects();
    assert!(findings.iter().all(|finding| finding["status"] == "ok"), "{findings:?}");
    let codes: BTreeSet<&str> = findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["D1", "D3", "D4", "D5", "D6", "D8"]);

    let url = &stack.variables()["ROOMCAST_EVENTS_DEAD_QUEUE_URL"];
    aws(&stack).sqs.send_message().queue_url(url).message_body("no JSON").send().await.unwrap();
    roomcast.until_dead("events-dead", 1).await;
    let ill = roomcast.run(&["doctor"]).await;
    assert_eq!(ill.status, 2, "{ill:?}");
    assert!(ill.out.contains("fix: roomcast dead-letters show events-dead"), "{}", ill.out);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_lost_its_expiry_is_found() {
    let (stack, _) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let specification =
        aws_sdk_dynamodb::types::TimeToLiveSpecification::builder().enabled(false).attribute_name("ttl");
    let rooms = &stack.variables()["ROOMCAST_ROOMS_TABLE"];
    let update = aws(&stack).dynamodb.update_time_to_live().table_name(rooms);
    update.time_to_live_specification(specification.build().unwrap()).send().await.unwrap();
    let ill = roomcast.run(&["--json", "doctor"]).await;
    let failed: Vec<Value> = ill.objects().into_iter().filter(|finding| finding["status"] == "failure").collect();
    assert_eq!((ill.status, failed.len(), &failed[0]["subject"]), (2, 1, &json!("table rooms")), "{failed:?}");
    assert_eq!(failed[0]["found"], "items expire by none instead of ttl");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_is_explained_by_its_id_its_sequence_and_for_a_member() {
    let (stack, ws_url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::with_claims(&ws_url, json!({ "sub": "ada" })).await;
    ada.join("lobby").await;
    ada.publish("lobby", "p1").await;
    roomcast.json(&["publish", "lobby", "--id", "order-7", "1"]).await;
    ada.hear("lobby", 2).await;
    let mut bob = Member::with_claims(&ws_url, json!({ "sub": "bob" })).await;
    bob.join("lobby").await;
    roomcast.until(&["room", "lobby"], |rows| rows[0]["shards"][0]["through"] == 2).await;
    for subject in [&["p1"][..], &["p1", "--by", "ada"], &["order-7"], &["1"], &["2"]] {
        let explained = roomcast.json(&[&["explain", "lobby"], subject].concat()).await;
        let steps: Vec<&str> = explained.iter().filter_map(|row| row["step"].as_str()).collect();
        assert_eq!(steps, ["accepted", "sequenced", "queued", "given"], "{subject:?}");
        let verdict = explained.last().unwrap()["verdict"].as_str().unwrap();
        assert_eq!(verdict, "Given to 1 of 1 shards with members (2 members now).");
    }
    let shown = roomcast.run(&["explain", "lobby", "p1", "--member", "@ada"]).await;
    assert!(shown.status == 0 && shown.out.contains("its shard 0 was given it"), "{shown:?}");
    let shown = roomcast.run(&["explain", "lobby", "p1", "--member", "@bob"]).await;
    assert!(shown.out.contains("the member joined after it was sequenced"), "{shown:?}");
    let unknown = roomcast.run(&["explain", "lobby", "p9"]).await;
    assert!(unknown.status == 1 && unknown.out.contains("no publication p9"), "{unknown:?}");
    let unknown = roomcast.run(&["explain", "lobby", "9"]).await;
    assert!(unknown.status == 1 && unknown.out.contains("the head is at 2"), "{unknown:?}");
    stack.shutdown().await;
}
