//! Tests that dead letters of every kind are listed, explained and redriven, on a local stack.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::MessageAttributeValue;
use common::Roomcast;
use domain::{
    Data, Epoch, Item, Job, PublicationId, Publisher, Range, RoomId, Sequence, Shards, Submission, Timestamp, UserId,
};
use e2e::{Member, aws, everything, start, topology_with};
use local::{Options, Stack};
use serde_json::{Value, json};

/// Attributes by which a function describes a letter.
const DESCRIBED: [(&str, &str); 3] = [("reason", "no reason"), ("source", "a queue"), ("room", "lobby")];

fn url(stack: &Stack, queue: &str) -> String {
    let name = queue.to_uppercase().replace('-', "_");
    stack.variables()[&format!("ROOMCAST_{name}_QUEUE_URL")].clone()
}

/// Writes messages to a queue, each with an id of its own.
async fn write(stack: &Stack, queue: &str, group: &str, body: &str, attributes: &[(&str, &str)], copies: usize) {
    for copy in 0..copies {
        let url = url(stack, queue);
        let mut send = aws(stack).sqs.send_message().queue_url(&url).message_body(body);
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(*value).build().unwrap();
            send = send.message_attributes(*name, value);
        }
        if url.ends_with(".fifo") {
            send = send.message_group_id(group).message_deduplication_id(format!("{queue}.{copy}"));
        }
        send.send().await.unwrap();
    }
}

/// Changes a log row so that it cannot be read, or repairs it.
async fn change_row(stack: &Stack, epoch: &str, sequence: u64, by: AttributeValue) {
    let update = aws(stack).dynamodb.update_item().table_name(&stack.variables()["ROOMCAST_ROOMS_TABLE"]);
    let update = update.key("pk", AttributeValue::S("ROOM#lobby".to_owned()));
    let update = update.key("sk", AttributeValue::S(format!("PUB#{epoch}#{sequence:020}")));
    let update = update.update_expression("SET #by = :by").expression_attribute_names("#by", "by");
    update.expression_attribute_values(":by", by).send().await.unwrap();
}

async fn until_repeated(member: &mut Member, repeats: u64) {
    let begun = Instant::now();
    while member.repeats() < repeats {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came again");
        member.listen_for(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_died_is_explained_from_its_letter_and_redriven_to_exactly_its_members() {
    let (stack, ws_url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::with_claims(&ws_url, json!({ "sub": "ada" })).await;
    let mut bob = Member::with_claims(&ws_url, json!({ "sub": "bob" })).await;
    let joined = ada.join("lobby").await;
    bob.join("lobby").await;
    for id in ["p1", "p2"] {
        ada.publish("lobby", id).await;
    }
    ada.hear("lobby", 2).await;
    bob.hear("lobby", 2).await;
    let epoch = joined["ok"]["ep"].as_str().unwrap();
    change_row(&stack, epoch, 2, AttributeValue::N("7".to_owned())).await;
    let range = Range { epoch: Epoch::parse(epoch).unwrap(), after: Sequence::ZERO, through: Sequence::new(2) };
    let job = &Job::for_shards(&RoomId::parse("lobby").unwrap(), &range, Shards::new(1))[0];
    write(&stack, "deliveries", &job.group(), &protocol::queue::encode(job).unwrap(), &[], 1).await;
    roomcast.until_dead("deliveries-dead", 1).await;

    let shown = roomcast.json(&["dead-letters", "show", "deliveries-dead", "--room", "lobby"]).await;
    assert_eq!((&shown[0]["missed"], &shown[0]["destination"]), (&json!(format!("{epoch}.1-2")), &json!("deliveries")));
    assert_eq!(shown[0]["members"].as_array().unwrap().len(), 2);
    assert!(roomcast.json(&["dead-letters", "show", "deliveries-dead", "--room", "other"]).await.is_empty());
    let redrive = "roomcast dead-letters redrive deliveries-dead --room lobby";
    let explained = roomcast.run(&["explain", "lobby", "1"]).await;
    assert!(explained.status == 1 && explained.out.contains(redrive), "{explained:?}");
    let of_bob = roomcast.run(&["explain", "lobby", "p1", "--member", "@bob"]).await;
    assert!(of_bob.status == 1 && of_bob.out.contains("the member lacks it"), "{of_bob:?}");

    // The row is repaired. A member that the letter does not name joins.
    change_row(&stack, epoch, 2, AttributeValue::S("ada".to_owned())).await;
    let mut cyn = Member::with_claims(&ws_url, json!({ "sub": "cyn" })).await;
    cyn.join("lobby").await;
    let unasked = roomcast.run(&["dead-letters", "redrive"]).await;
    assert!(unasked.status == 1 && unasked.err.contains("deliveries-dead: 1 letters, to deliveries"), "{unasked:?}");
    let redriven = roomcast.json(&["dead-letters", "redrive", "--room", "lobby", "--force"]).await;
    assert_eq!(
        (redriven.len(), &redriven[0]["redriven"], &redriven[0]["destination"]),
        (1, &json!(true), &json!("deliveries"))
    );
    for member in [&mut ada, &mut bob] {
        until_repeated(member, 2).await;
    }
    let nothing = roomcast.run(&["dead-letters", "redrive", "--force"]).await;
    assert!(nothing.status == 0 && nothing.err.contains("there is no dead letter"), "{nothing:?}");
    ada.publish("lobby", "p3").await;
    for (member, heard) in [(&mut ada, 3), (&mut bob, 3), (&mut cyn, 1)] {
        member.hear("lobby", heard).await;
    }
    assert_eq!([ada.repeats(), bob.repeats(), cyn.repeats()], [2, 2, 0]);
    stack.shutdown().await;
}

/// A submission of one publication.
fn submission(id: &str) -> String {
    let submission = Submission {
        room: RoomId::parse("lobby").unwrap(),
        publisher: Publisher::user(&UserId::parse("ada").unwrap()),
        by: UserId::parse("ada").unwrap(),
        sender: None,
        echo: true,
        accepted_at: Timestamp::from_ms(1_764_000_000_000),
        items: vec![Item { id: PublicationId::parse(id).unwrap(), data: Data::text("late").unwrap() }],
        ephemeral: None,
        held: None,
        reminder: None,
    };
    protocol::queue::encode(&submission).unwrap()
}

/// An event as SNS delivers it.
fn enveloped(event: &str, attributes: &Value) -> String {
    let id = "9a8b7c6d-0000-4000-8000-000000000001";
    json!({ "Type": "Notification", "MessageId": id, "Message": event, "MessageAttributes": attributes }).to_string()
}

fn row(id: &str, room: &str) -> String {
    json!({ "id": { "S": id }, "room": { "S": room }, "data": { "N": "7" } }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_every_door_are_published_once_however_many_copies_are_redriven() {
    let (stack, ws_url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&ws_url, "ada").await;
    ada.join("lobby").await;
    write(&stack, "publications-dead", "g", &submission("submitted"), &DESCRIBED, 2).await;
    write(&stack, "outbox-dead", "", &row("row", "lobby"), &DESCRIBED, 2).await;
    // The function described this letter: its attributes were not those of the event.
    let event = enveloped(r#"{"room":"lobby","id":"event","data":1}"#, &json!({}));
    write(&stack, "events-dead", "", &event, &DESCRIBED, 2).await;
    // SQS moved this one: nothing describes it, and the event's attributes are in the envelope.
    let attribute = |value: &str| json!({ "Type": "String", "Value": value });
    let bare = enveloped(r#"{"price":7}"#, &json!({ "room": attribute("lobby"), "id": attribute("raw") }));
    write(&stack, "events-ordered-dead", "shop", &bare, &[], 2).await;
    for queue in ["publications-dead", "outbox-dead", "events-dead", "events-ordered-dead"] {
        roomcast.until_dead(queue, 2).await;
    }
    let redriven = roomcast.json(&["dead-letters", "redrive", "--force", "--rate", "100"]).await;
    assert_eq!(redriven.len(), 8, "{redriven:?}");
    let to: BTreeMap<&str, &str> =
        redriven.iter().map(|row| (row["queue"].as_str().unwrap(), row["destination"].as_str().unwrap())).collect();
    assert_eq!((to["publications-dead"], to["events-dead"]), ("publications", "events"));
    ada.hear("lobby", 4).await;
    ada.publish("lobby", "end").await;
    ada.hear("lobby", 5).await;
    let mut heard = ada.heard("lobby").to_vec();
    heard.sort();
    assert_eq!(heard, ["end", "event", "raw", "row", "submitted"]);
    let history = roomcast.json(&["history", "lobby"]).await;
    let data = |id: &str| history.iter().find(|row| row["id"] == id).unwrap()["data"].clone();
    assert_eq!((data("event"), data("raw"), data("row")), (json!(1), json!({ "price": 7 }), json!(7)));
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_can_never_be_published_is_kept_with_its_reason_and_the_others_go() {
    let (stack, ws_url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&ws_url, "ada").await;
    ada.join("lobby").await;
    write(&stack, "outbox-dead", "", &row("bad", "no room has spaces"), &DESCRIBED[..2], 1).await;
    write(&stack, "outbox-dead", "", &row("good", "lobby"), &DESCRIBED, 1).await;
    roomcast.until_dead("outbox-dead", 2).await;
    let redriven = roomcast.run(&["--json", "dead-letters", "redrive", "outbox-dead", "--force"]).await;
    assert_eq!(redriven.status, 1, "{redriven:?}");
    let failed: Vec<Value> = redriven.objects().into_iter().filter(|row| row["redriven"] == false).collect();
    assert!(failed.len() == 1 && failed[0]["error"].as_str().unwrap().contains("can never be published"), "{failed:?}");
    ada.hear("lobby", 1).await;
    assert_eq!(ada.heard("lobby"), ["good"]);
    roomcast.until_dead("outbox-dead", 1).await;
    stack.shutdown().await;
}

/// Returns the body by which Lambda names a record of a table's stream that it gave up. Waits for
/// the record with this key.
async fn batch_of(stack: &Stack, table: &str, begins: &[(&str, &str)]) -> String {
    use aws_sdk_dynamodbstreams::types::ShardIteratorType;
    let clients = aws(stack);
    let described = clients.dynamodb.describe_table().table_name(table).send().await.unwrap();
    let arn = described.table.unwrap().latest_stream_arn.unwrap();
    let begun = Instant::now();
    loop {
        let stream = clients.streams.describe_stream().stream_arn(&arn).send().await.unwrap();
        let shard = stream.stream_description.unwrap().shards.unwrap()[0].shard_id.clone().unwrap();
        let iterator = clients.streams.get_shard_iterator().stream_arn(&arn).shard_id(&shard);
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
        let records =
            clients.streams.get_records().shard_iterator(iterator.shard_iterator.unwrap()).send().await.unwrap();
        let key = |record: &aws_sdk_dynamodbstreams::types::StreamRecord, name: &str| {
            record.keys.as_ref().and_then(|keys| keys[name].as_s().ok().cloned()).unwrap_or_default()
        };
        let records = records.records.unwrap_or_default().into_iter().filter_map(|record| record.dynamodb);
        let is_it = |record: &aws_sdk_dynamodbstreams::types::StreamRecord| {
            begins.iter().all(|(name, text)| key(record, name).starts_with(text))
        };
        if let Some(found) = records.into_iter().find(is_it) {
            let number = found.sequence_number.unwrap();
            return json!({
                "requestContext": { "condition": "RetryAttemptsExhausted" },
                "DDBStreamBatchInfo": {
                    "shardId": shard, "startSequenceNumber": number, "endSequenceNumber": number,
                    "batchSize": 1, "streamArn": arn,
                },
            })
            .to_string();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no record of {begins:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_streams_are_read_again_their_rows_published_and_their_rooms_counted() {
    // The functions miss every row of the outbox and every change of a member.
    let folder = topology_with(&[
        ("filters: [{ eventName: [INSERT] }]", "filters: [{ eventName: [NEVER] }]"),
        ("{ eventName: [INSERT, REMOVE], dynamodb", "{ eventName: [NEVER], dynamodb"),
    ]);
    let (stack, ws_url) = start(Options { topology: folder.path().join("topology.yaml"), ..everything() }).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&ws_url, "ada").await;
    ada.join("lobby").await;
    let outbox = &stack.variables()["ROOMCAST_OUTBOX_TABLE"];
    let put = aws(&stack).dynamodb.put_item().table_name(outbox);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = put.item("id", text("row")).item("room", text("lobby"));
    put.item("data", AttributeValue::N("7".to_owned())).send().await.unwrap();
    let of_rows = batch_of(&stack, outbox, &[("id", "row")]).await;
    write(&stack, "outbox-dead", "", &of_rows, &[], 2).await;
    let members = [("pk", "CONN#"), ("sk", "ROOM#lobby")];
    let of_members = batch_of(&stack, &stack.variables()["ROOMCAST_CONNECTIONS_TABLE"], &members).await;
    write(&stack, "presence-dead", "", &of_members, &[], 1).await;
    roomcast.until_dead("outbox-dead", 2).await;
    roomcast.until_dead("presence-dead", 1).await;
    let redriven = roomcast.json(&["dead-letters", "redrive", "--force"]).await;
    assert_eq!(redriven.len(), 3, "{redriven:?}");
    ada.hear("lobby", 1).await;
    assert_eq!(ada.heard("lobby"), ["row"]);
    roomcast.until(&["room", "lobby"], |rows| rows[0]["members_counted"] == 1 && rows[0]["seq"] == 1).await;
    stack.shutdown().await;
}
