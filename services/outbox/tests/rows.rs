//! A row becomes one publication, whatever is repeated. A row that is poison becomes a dead letter,
//! and the stream goes on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use domain::ports::{Charges, Clock, Rooms};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Records;
use outbox::Outbox;
use protocol::stream::StreamEvent;
use serde_json::{Value, json};
use telemetry::Summary;
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::{World, samples};

/// A record of a new row; `fields` in DynamoDB's JSON.
fn row(number: u64, id: &str, mut fields: Value) -> Value {
    let keys = json!({ "id": { "S": id } });
    fields["id"] = keys["id"].clone();
    json!({
        "eventID": number.to_string(), "eventName": "INSERT", "eventSource": "aws:dynamodb",
        "dynamodb": { "SequenceNumber": number.to_string(), "Keys": keys, "NewImage": fields, "ApproximateCreationDateTime": 1_764_000_000 },
    })
}

async fn read_with(world: &World, plan: Plan, records: Vec<Value>) -> Vec<String> {
    let event: StreamEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
    let (tables, queues) = (world.store.clone(), world.queues.clone());
    let outbox = Outbox::new(Faulty::new(tables, plan.clone()), Faulty::new(queues, plan), world.clock.clone());
    let deadline = Deadline::at(world.clock.now().plus(Duration::from_secs(5)));
    outbox.handle_records(event.records, deadline, &mut Summary::new("outbox")).await
}

async fn read(world: &World, records: Vec<Value>) {
    assert!(read_with(world, Plan::new(), records).await.is_empty());
}

#[tokio::test]
async fn a_row_is_published_under_the_id_of_its_key_with_its_data_as_json() {
    let world = World::new();
    let data = json!({ "M": { "total": { "N": "19.90" }, "paid": { "BOOL": true }, "tags": { "SS": ["a", "b"] },
        "note": { "NULL": true }, "lines": { "L": [{ "S": "x \"y\"" }, { "N": "1" }] } } });
    read(&world, vec![row(1, "order-7", json!({ "room": { "S": "shop" }, "data": data }))]).await;
    let queued = &world.queues.publications.bodies()[0];
    assert_eq!((queued.room.as_str(), queued.publisher.as_str(), queued.by.as_ref()), ("shop", "*outbox", "backend"));
    assert_eq!(queued.items[0].id.as_ref(), "order-7");
    let expected = r#"{"lines":["x \"y\"",1],"note":null,"paid":true,"tags":["a","b"],"total":19.90}"#;
    assert_eq!(queued.items[0].data.as_json(), expected, "numbers are not rounded");
}

#[tokio::test]
async fn a_row_may_name_several_rooms_its_own_id_author_and_json_text() {
    let world = World::new();
    let fields = json!({ "rooms": { "L": [{ "S": "a" }, { "S": "@ada" }] }, "json": { "S": "{\"n\":1}" },
        "publication": { "S": "p7" }, "by": { "S": "shop" }, "ttl": { "N": "1764086400" } });
    read(&world, vec![row(1, "x", fields)]).await;
    let queued = world.queues.publications.bodies();
    let rooms: Vec<&str> = queued.iter().map(|submission| submission.room.as_str()).collect();
    assert_eq!(rooms, ["@ada", "a"]);
    assert_eq!((queued[0].items[0].id.as_ref(), queued[0].by.as_ref()), ("p7", "shop"));
}

#[tokio::test]
async fn a_record_that_comes_again_is_the_same_publication() {
    let world = World::new();
    let record = row(1, "x", json!({ "room": { "S": "shop" }, "data": { "S": "hi" } }));
    read(&world, vec![record.clone()]).await;
    read(&world, vec![record]).await;
    assert_eq!(world.queues.publications.bodies().len(), 1, "the queue knows it, and later the dedupe row");
}

#[tokio::test]
async fn a_row_that_is_poison_is_a_dead_letter_with_itself_and_its_reason() {
    let world = World::new();
    let bad = vec![
        row(1, "a", json!({ "data": { "S": "x" } })),
        row(2, "b", json!({ "room": { "S": "no spaces" }, "data": { "S": "x" } })),
        row(3, "c", json!({ "room": { "S": "shop" } })),
        row(4, "d", json!({ "room": { "S": "shop" }, "data": { "B": "AP8=" } })),
        row(5, "e", json!({ "room": { "S": "shop" }, "json": { "S": "{" } })),
        row(6, "f", json!({ "rooms": { "L": [{ "N": "1" }] }, "data": { "S": "x" } })),
        row(7, "g", json!({ "room": { "S": "shop" }, "data": { "S": "x".repeat(25_000) } })),
        row(8, "good", json!({ "room": { "S": "shop" }, "data": { "S": "x" } })),
    ];
    read(&world, bad).await;
    let dead = world.queues.dead.lock().unwrap().clone();
    assert_eq!((dead.len(), world.queues.publications.bodies().len()), (7, 1));
    assert!(dead.iter().all(|letter| letter.reason.len() > 10 && letter.body.contains(r#""id":{"S""#)), "{dead:?}");
}

#[tokio::test]
async fn a_row_that_cannot_be_queued_now_comes_again() {
    let world = World::new();
    let plan = Plan::new().nth(Operation::Submit, 2, Fault::Before(How::Unavailable));
    assert_eq!(read_with(&world, plan, vec![to("a", 1), to("b", 2), to("c", 3)]).await, ["2"]);
}

fn to(room: &str, number: u64) -> Value {
    row(number, &number.to_string(), json!({ "room": { "S": room }, "data": { "N": number.to_string() } }))
}

fn queued(world: &World, room: &str) -> Vec<String> {
    let bodies = world.queues.publications.bodies();
    let of_room = bodies.iter().filter(|submission| submission.room.as_str() == room);
    of_room.flat_map(|submission| &submission.items).map(|item| item.id.to_string()).collect()
}

#[tokio::test]
async fn rows_of_one_room_are_queued_in_the_order_of_the_stream() {
    let world = World::new();
    let rooms = ["a", "b", "c"];
    read(&world, (0..90_u64).map(|n| to(rooms[n as usize % 3], n)).collect()).await;
    for (first, room) in rooms.iter().enumerate() {
        let expected: Vec<String> = (0..30).map(|n| (first + 3 * n).to_string()).collect();
        assert_eq!(queued(&world, room), expected);
    }
}

#[tokio::test]
async fn what_fails_for_now_is_not_overtaken_by_later_rows_of_its_room() {
    let world = World::new();
    let plan = Plan::new().nth(Operation::Submit, 2, Fault::Before(How::Unavailable));
    let to_a = |numbers: std::ops::RangeInclusive<u64>| numbers.map(|number| to("a", number));
    let batch: Vec<Value> = to_a(1..=12).chain([to("b", 13), to("a", 14)]).collect();
    assert_eq!(read_with(&world, plan, batch.clone()).await, ["11"]);
    let ids = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<String>>();
    let first: Vec<u64> = (1..=10).collect();
    assert_eq!((queued(&world, "a"), queued(&world, "b")), (ids(&first), ids(&[13])));
    read(&world, batch[10..].to_vec()).await;
    assert_eq!(queued(&world, "a"), ids(&[&first[..], &[11, 12, 14]].concat()));
}

#[tokio::test]
async fn rows_of_a_room_beyond_its_rate_are_held_and_those_of_other_rooms_are_not() {
    let world = World::new();
    let room = samples::room("hot");
    world.store.create(&room, &samples::epoch("k7Qf"), world.clock.now()).await.unwrap();
    world
        .store
        .note_room_busy(&room, &domain::Load::until(world.clock.now().plus(Duration::from_secs(4))))
        .await
        .unwrap();
    read(&world, (1..=40).map(|n| to(if n % 2 == 0 { "hot" } else { "den" }, n)).collect()).await;
    assert_eq!((queued(&world, "hot").len(), queued(&world, "den").len()), (0, 20));
    let held = world.queues.publications_held.bodies();
    let ids = held.iter().flat_map(|submission| &submission.items).map(|item| item.id.to_string());
    assert_eq!(ids.collect::<Vec<_>>(), (1..=20).map(|n| (2 * n).to_string()).collect::<Vec<_>>());
    assert_eq!(held.iter().map(|one| one.held_number().unwrap()).collect::<Vec<_>>(), [10, 20]);
}

#[tokio::test]
async fn a_row_that_the_queue_refuses_is_a_dead_letter_at_once_and_those_behind_it_are_published() {
    let world = World::new();
    // The call for all four, and that for the second one.
    let refused = Fault::Before(How::Refused);
    let plan = Plan::new().nth(Operation::Submit, 1, refused).nth(Operation::Submit, 3, refused);
    assert!(read_with(&world, plan, (1..=4).map(|n| to("a", n)).collect()).await.is_empty());
    assert_eq!(queued(&world, "a"), ["1", "3", "4"]);
    let dead = world.queues.dead.lock().unwrap().clone();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].body.contains(r#""id":{"S":"2"}"#) && dead[0].reason.contains("could not be queued"), "{dead:?}");
}

#[tokio::test]
async fn a_row_whose_letter_is_refused_is_a_letter_of_its_key_or_passed_over() {
    let poison = |number: u64| row(number, &number.to_string(), json!({ "data": { "S": "no room" } }));
    let world = World::new();
    let plan = Plan::new().nth(Operation::BuryLetter, 1, Fault::Before(How::Refused));
    assert!(read_with(&world, plan, vec![poison(1), to("a", 2)]).await.is_empty());
    let dead = world.queues.dead.lock().unwrap().clone();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].body.contains(r#""id":{"S":"1"}"#) && !dead[0].body.contains("no room"), "{dead:?}");
    let plan = Plan::new().always(Operation::BuryLetter, Fault::Before(How::Refused));
    assert!(read_with(&world, plan, vec![poison(3), to("a", 4)]).await.is_empty());
    assert_eq!(queued(&world, "a"), ["2", "4"]);
}

#[tokio::test]
async fn rows_that_the_deadline_leaves_no_time_for_come_again() {
    let world = World::new();
    let event: StreamEvent =
        serde_json::from_value(json!({ "Records": (0..60).map(|n| to("a", n)).collect::<Vec<_>>() })).unwrap();
    let outbox = Outbox::new(world.store.clone(), world.queues.clone(), world.clock.clone());
    let over = Deadline::at(world.clock.now().plus(Duration::from_secs(1)));
    assert_eq!(outbox.handle_records(event.records, over, &mut Summary::new("outbox")).await, ["0"]);
    assert!(world.queues.publications.bodies().is_empty());
}

#[tokio::test]
async fn other_changes_are_passed_over() {
    let world = World::new();
    let mut expired = row(1, "x", json!({ "room": { "S": "shop" }, "data": { "S": "x" } }));
    expired["eventName"] = json!("REMOVE");
    let mut changed = row(2, "x", json!({ "room": { "S": "shop" }, "data": { "S": "x" } }));
    changed["eventName"] = json!("MODIFY");
    read(&world, vec![expired, changed]).await;
    assert!(world.queues.publications.bodies().is_empty() && world.queues.dead.lock().unwrap().is_empty());
}
