//! A refusal for publishing too fast names the exact time of the next try, and delays no other
//! connection.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use domain::ports::{Charges, Clock, Rooms};
use domain::{Endpoint, Format, Identity, Permissions, limits};
use ingest::Ingest;
use lambda_kit::start::Routes;
use lambda_kit::websocket::Call;
use protocol::context::Context;
use serde_json::{Value, json};
use telemetry::{Summary, metric};
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::{World, samples};

fn identity(user: &str) -> Identity {
    let (user, permissions) = (samples::user(user), Permissions::all());
    Identity { user, device: None, guest: false, admin: false, expires_at: None, permissions }
}

/// Returns the answer to a request of one of ada's connections.
async fn ask(world: &World, plan: Plan, connection: &str, request: &Value) -> Value {
    ask_as(world, plan, connection, identity("ada"), request).await
}

async fn ask_as(world: &World, plan: Plan, connection: &str, identity: Identity, request: &Value) -> Value {
    let call = Call {
        connection: samples::connection_id(connection),
        connected_at: samples::NOW,
        route: "publish".to_owned(),
        request_id: format!("r{}", world.queues.publications.bodies().len()),
        context: Ok(Context { identity, format: Format::RoomsV1, room: None }),
        derived_endpoint: Endpoint::new(samples::ENDPOINT),
        body: request.to_string(),
        subprotocols: Vec::new(),
        query: std::collections::HashMap::new(),
    };
    let tables = Faulty::new(world.store.clone(), plan);
    let ingest = Ingest::new(tables, world.queues.clone(), world.gateway.clone(), world.clock.clone(), None);
    let mut summary = Summary::new("ingest");
    let answer = ingest.handle(call, &mut summary).await.body.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(summary.counted(metric::REQUESTS_REJECTED), u64::from(answer["err"].is_object()));
    answer
}

fn one(n: usize) -> Value {
    json!({ "action": "publish", "id": 3, "room": "lobby", "pid": format!("p{n}"), "data": n })
}

fn several(room: &str, count: usize) -> Value {
    let items: Vec<Value> = (0..count).map(|n| json!({ "pid": format!("p{n}"), "data": n })).collect();
    json!({ "action": "publish", "id": 3, "room": room, "items": items })
}

fn refused(answer: &Value) -> (&str, Option<u64>, Option<&str>) {
    let error = &answer["err"];
    (error["code"].as_str().unwrap(), error["after_ms"].as_u64(), error["field"].as_str())
}

async fn connected() -> World {
    let world = World::new();
    world.connect("c1", "ada").await;
    world
}

#[tokio::test]
async fn forty_at_once_are_accepted_and_the_next_is_told_exactly_when() {
    let world = connected().await;
    for n in 0..40 {
        assert!(ask(&world, Plan::new(), "c1", &one(n)).await["ok"].is_object(), "{n}");
    }
    let answer = ask(&world, Plan::new(), "c1", &one(40)).await;
    assert_eq!(refused(&answer), ("rate_limited", Some(50), None));
    assert_eq!(answer["err"]["retry"], true);
    world.clock.advance(Duration::from_millis(50));
    assert!(ask(&world, Plan::new(), "c1", &one(40)).await["ok"].is_object());
    assert_eq!(world.queues.publications.bodies().len(), 41);
}

#[tokio::test]
async fn each_item_of_a_request_counts_and_so_does_what_is_ephemeral() {
    let world = connected().await;
    for room in ["a", "b", "c"] {
        assert!(ask(&world, Plan::new(), "c1", &several(room, 10)).await["ok"].is_object());
    }
    let typing = json!({ "action": "publish", "id": 3, "room": "lobby", "ephemeral": true, "data": true });
    for _ in 0..5 {
        assert!(ask(&world, Plan::new(), "c1", &typing).await["ok"].is_object());
    }
    assert_eq!(refused(&ask(&world, Plan::new(), "c1", &several("d", 10)).await), ("rate_limited", Some(250), None));
    assert!(ask(&world, Plan::new(), "c1", &several("d", 5)).await["ok"].is_object());
}

#[tokio::test]
async fn another_device_of_the_same_user_has_a_rate_of_its_own() {
    let world = connected().await;
    world.connect("c2", "ada").await;
    for n in 0..41 {
        ask(&world, Plan::new(), "c1", &one(n)).await;
    }
    assert!(ask(&world, Plan::new(), "c2", &one(50)).await["ok"].is_object());
}

#[tokio::test]
async fn a_room_that_is_full_refuses_everybody_until_it_has_worked_it_off() {
    let mut world = connected().await;
    // The rate is measured while no time passes.
    world.store = world.store.with_transaction_hold(Duration::ZERO);
    let room = samples::room("lobby");
    let head = world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    let mut head = head;
    for _ in 0..5 {
        let append = samples::append(&room, &head, &vec![samples::data("1"); 20], world.clock.now());
        world.store.append(&append).await.unwrap();
        head = append.head_after();
    }
    assert_eq!(refused(&ask(&world, Plan::new(), "c1", &one(0)).await), ("rate_limited", Some(20), Some("room")));
    assert!(ask(&world, Plan::new(), "c1", &several("team:7", 1)).await["ok"].is_object(), "another room is free");
    world.clock.advance(Duration::from_millis(20));
    assert!(ask(&world, Plan::new(), "c1", &one(0)).await["ok"].is_object());
}

#[tokio::test]
async fn a_room_that_may_not_be_published_to_does_not_show_that_it_is_busy() {
    let world = connected().await;
    let room = samples::room("lobby");
    world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    let silent = Identity { permissions: Permissions { publish: Vec::new(), ..Permissions::all() }, ..identity("ada") };
    for busy_s in [0, 60] {
        let busy_until = world.clock.now().plus(Duration::from_secs(busy_s));
        world.store.note_room_busy(&room, busy_until).await.unwrap();
        let answer = ask_as(&world, Plan::new(), "c1", silent.clone(), &one(0)).await;
        assert_eq!(refused(&answer), ("forbidden", None, Some("room")));
    }
    assert_eq!(refused(&ask(&world, Plan::new(), "c1", &one(0)).await).0, "rate_limited");
}

#[tokio::test]
async fn what_cannot_be_charged_is_not_accepted_and_may_be_sent_again() {
    for operation in [Operation::Charge, Operation::RoomBusyUntil] {
        let world = connected().await;
        let plan = Plan::new().nth(operation, 1, Fault::Before(How::Throttled));
        assert_eq!(refused(&ask(&world, plan, "c1", &one(0)).await), ("unavailable", Some(500), None));
        assert!(world.queues.publications.bodies().is_empty());
    }
}

#[tokio::test]
async fn who_publishes_is_alive_in_the_eyes_of_the_reaper() {
    let world = connected().await;
    world.clock.advance(limits::TOUCH + Duration::from_millis(1));
    ask(&world, Plan::new(), "c1", &one(0)).await;
    assert_eq!(world.store.connections()[0].last_seen_at, world.clock.now());
}
