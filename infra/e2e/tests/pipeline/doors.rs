//! Tests the three ways to publish to one log: clients, events through SNS, and rows of the outbox.
//! Also tests that every address is a room.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use aws_sdk_sns::types::MessageAttributeValue;
use e2e::{Member, aws, everything, members, received, start};
use futures::future::join_all;
use local::Stack;
use local::clients::Clients;
use serde_json::{Value, json};

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Publishes to the events topic.
async fn event(aws: &Clients, stack: &Stack, body: &Value) {
    let topic = &stack.variables()["ROOMCAST_EVENTS_TOPIC_ARN"];
    aws.sns.publish().topic_arn(topic).message(body.to_string()).send().await.unwrap();
}

/// Writes business data and a publication in one transaction.
async fn outbox(aws: &Clients, stack: &Stack, room: &str, id: &str) {
    let variables = stack.variables();
    let row = Put::builder()
        .table_name(&variables["ROOMCAST_OUTBOX_TABLE"])
        .item("id", text(id))
        .item("room", text(room))
        .item("data", AttributeValue::M([("text".to_owned(), text(id))].into()));
    // The business data of an application is in a table of its own; any other table will do here.
    let order = Put::builder().table_name(&variables["ROOMCAST_ROOMS_TABLE"]);
    let order = order.item("pk", text(&format!("ORDER#{id}"))).item("sk", text("ORDER"));
    let put = |put: aws_sdk_dynamodb::types::builders::PutBuilder| {
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    let items = vec![put(order), put(row)];
    aws.dynamodb.transact_write_items().set_transact_items(Some(items)).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_of_all_three_doors_have_one_order_for_all_200_members() {
    const EACH: usize = 20;
    let (stack, url) = start(everything()).await;
    let mut all = members(&url, "m", 199, &["mixed"]).await;
    let mut publisher = members(&url, "publisher", 1, &["mixed"]).await.remove(0);
    let aws = aws(&stack);
    let by_client = async {
        for n in 0..EACH {
            publisher.publish("mixed", &format!("client-{n}")).await;
        }
    };
    let by_event = async {
        for n in 0..EACH {
            event(&aws, &stack, &json!({ "room": "mixed", "id": format!("event-{n}"), "data": n })).await;
        }
    };
    let by_outbox = async {
        for n in 0..EACH {
            outbox(&aws, &stack, "mixed", &format!("outbox-{n}")).await;
        }
    };
    tokio::join!(by_client, by_event, by_outbox);
    all.push(publisher);
    join_all(all.iter_mut().map(|member| member.hear("mixed", 3 * EACH))).await;
    let order = all[0].heard("mixed").to_vec();
    assert!(all.iter().all(|member| member.heard("mixed") == order));
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 3 * EACH);
    drop(all);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_or_row_that_comes_twice_is_published_once() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let aws = aws(&stack);
    for _ in 0..3 {
        event(&aws, &stack, &json!({ "room": "lobby", "id": "once", "data": 1 })).await;
    }
    outbox(&aws, &stack, "lobby", "row").await;
    event(&aws, &stack, &json!({ "rooms": ["lobby", "other"], "id": "last", "data": 1 })).await;
    ada.hear("lobby", 3).await;
    ada.publish("lobby", "end").await;
    ada.hear("lobby", 4).await;
    let mut heard = ada.heard("lobby").to_vec();
    heard.sort();
    assert_eq!(heard, ["end", "last", "once", "row"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_fifo_topic_keep_their_order() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let aws = aws(&stack);
    let topic = &stack.variables()["ROOMCAST_EVENTS_ORDERED_TOPIC_ARN"];
    let ids: Vec<String> = (0..30).map(|n| format!("e{n}")).collect();
    for id in &ids {
        let body = json!({ "room": "lobby", "id": id, "data": 1 }).to_string();
        let publish = aws.sns.publish().topic_arn(topic).message(body).message_group_id("lobby");
        publish.message_deduplication_id(id).send().await.unwrap();
    }
    ada.hear("lobby", ids.len()).await;
    assert_eq!(ada.heard("lobby"), ids);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_bodies_are_as_many_events_through_either_topic() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let aws = aws(&stack);
    let ordered = &stack.variables()["ROOMCAST_EVENTS_ORDERED_TOPIC_ARN"];
    let attribute =
        |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap();
    for id in ["a", "b", "c", "d"] {
        let publish = aws.sns.publish().topic_arn(ordered).message(r#"{"price":1}"#).message_group_id("shop");
        let publish = publish.message_attributes("room", attribute("lobby")).message_attributes("id", attribute(id));
        publish.message_attributes("by", attribute("shop")).message_deduplication_id(id).send().await.unwrap();
    }
    ada.hear("lobby", 4).await;
    assert_eq!(ada.heard("lobby"), ["a", "b", "c", "d"]);
    for (topic, n) in [("ROOMCAST_EVENTS_ORDERED_TOPIC_ARN", 0), ("ROOMCAST_EVENTS_TOPIC_ARN", 1)] {
        for again in 0..2 {
            let publish =
                aws.sns.publish().topic_arn(&stack.variables()[topic]).message(r#"{"room":"lobby","data":1}"#);
            let publish = if n == 0 {
                publish.message_group_id("shop").message_deduplication_id(format!("again{again}"))
            } else {
                publish
            };
            publish.send().await.unwrap();
        }
    }
    ada.hear("lobby", 8).await;
    let bare = aws.sns.publish().topic_arn(ordered).message(r#"{"room":"lobby","data":1}"#).message_group_id("shop");
    let refused = bare.send().await.unwrap_err().into_service_error();
    assert!(
        refused.to_string().contains("InvalidParameter") && format!("{refused:?}").contains("MessageDeduplicationId")
    );
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_rows_of_one_writer_to_one_room_keep_their_order() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let aws = aws(&stack);
    let ids: Vec<String> = (0..40).map(|n| format!("row{n}")).collect();
    for id in &ids {
        outbox(&aws, &stack, "lobby", id).await;
    }
    ada.hear("lobby", ids.len()).await;
    assert_eq!(ada.heard("lobby"), ids);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_characters_that_no_queue_accepts_is_published_and_one_that_is_poison_beside_is_a_dead_letter() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let aws = aws(&stack);
    outbox(&aws, &stack, "no room\u{ffff}", "bad\u{fffe}").await;
    let table = &stack.variables()["ROOMCAST_OUTBOX_TABLE"];
    let put = aws.dynamodb.put_item().table_name(table).item("id", text("odd"));
    let data = AttributeValue::M([("x\u{fffe}".to_owned(), text("y\u{ffff}"))].into());
    put.item("room", text("lobby")).item("data", data).send().await.unwrap();
    outbox(&aws, &stack, "lobby", "behind").await;
    ada.hear("lobby", 2).await;
    assert_eq!(ada.heard("lobby"), ["odd", "behind"]);
    let page = ada.ask(json!({ "action": "history", "room": "lobby" })).await;
    assert_eq!(page["ok"]["history"][0]["m"][0]["data"], json!({ "x\u{fffe}": "y\u{ffff}" }), "{page}");
    let dead = received(&stack, "outbox-dead", 1).await;
    let body: Value = serde_json::from_str(dead[0].body().unwrap()).unwrap();
    assert_eq!(body["id"]["S"], "bad\u{fffe}", "{body}");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_a_byte_order_mark_is_dead_lettered_by_that_name() {
    let (stack, _) = start(everything()).await;
    let aws = aws(&stack);
    let topic = &stack.variables()["ROOMCAST_EVENTS_TOPIC_ARN"];
    aws.sns.publish().topic_arn(topic).message("\u{feff}{\"room\":\"lobby\",\"data\":1}").send().await.unwrap();
    let dead = received(&stack, "events-dead", 1).await;
    let reason = dead[0].message_attributes().and_then(|all| all.get("reason")).and_then(|r| r.string_value());
    assert!(reason.is_some_and(|reason| reason.contains("byte order mark")), "{:?}", dead[0]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_of_a_backend_is_dead_lettered_with_its_reason_and_nothing_waits_behind_it() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let aws = aws(&stack);
    let topic = &stack.variables()["ROOMCAST_EVENTS_TOPIC_ARN"];
    aws.sns.publish().topic_arn(topic).message("this is no JSON").send().await.unwrap();
    event(&aws, &stack, &json!({ "data": "which room?" })).await;
    event(&aws, &stack, &json!({ "room": "lobby", "id": "good", "data": 1 })).await;
    ada.hear("lobby", 1).await;
    let dead = received(&stack, "events-dead", 2).await;
    for message in &dead {
        let reason = message.message_attributes().and_then(|all| all.get("reason")).and_then(|r| r.string_value());
        assert!(reason.is_some_and(|reason| reason.len() > 10), "{message:?}");
    }
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_poison_is_dead_lettered_with_its_reason_and_nothing_waits_behind_it() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let aws = aws(&stack);
    outbox(&aws, &stack, "no room has spaces", "bad").await;
    outbox(&aws, &stack, "lobby", "good").await;
    ada.hear("lobby", 1).await;
    assert_eq!(ada.heard("lobby"), ["good"]);
    let dead = received(&stack, "outbox-dead", 1).await;
    let reason = dead[0].message_attributes().and_then(|all| all.get("reason")).and_then(|r| r.string_value());
    assert!(reason.is_some_and(|reason| reason.contains("room")), "{:?}", dead[0]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_a_user_reaches_every_device_and_the_one_that_was_away_on_its_return() {
    let (stack, url) = start(everything()).await;
    let device = async |name: &str| {
        let mut device = Member::with_claims(&url, json!({ "sub": "ada", "device": name })).await;
        device.join("@ada").await;
        device
    };
    let (mut phone, mut laptop, tablet) = (device("phone").await, device("laptop").await, device("tablet").await);
    let away = tablet.reset();
    let mut bob = Member::connect(&url, "bob").await;
    bob.publish("@ada", "from-bob").await;
    event(&aws(&stack), &stack, &json!({ "room": "@ada", "id": "from-backend", "data": 1 })).await;
    join_all([phone.hear("@ada", 2), laptop.hear("@ada", 2)]).await;
    let mut tablet = away.return_as(Member::with_claims(&url, json!({ "sub": "ada", "device": "tablet" })).await);
    assert_eq!(tablet.join("@ada").await["ok"]["recovered"], true);
    assert_eq!(tablet.heard("@ada"), phone.heard("@ada"));
    assert_eq!(laptop.heard("@ada"), phone.heard("@ada"));
    stack.shutdown().await;
}
