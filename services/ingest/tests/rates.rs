//! A refusal for publishing too fast names the exact time of the next try, and delays no other
//! connection.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use domain::ports::{Charges, Clock, Rooms};
use domain::{Endpoint, Format, Identity, Load, Permissions, Publisher, Shares, limits};
use ingest::Ingest;
use lambda_kit::start::Routes;
use lambda_kit::websocket::Call;
use protocol::context::Context;
use serde_json::{Value, json};
use telemetry::{Summary, metric};
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::memory::Store;
use testkit::{World, samples};

fn identity(user: &str) -> Identity {
    let (user, permissions) = (samples::user(user), Permissions::all());
    Identity {
        user,
        device: None,
        guest: false,
        admin: false,
        expires_at: None,
        permissions,
        stamp: domain::TokenStamp::default(),
    }
}

/// Returns the answer to a request of one of ada's connections.
async fn ask(world: &World, plan: Plan, connection: &str, request: &Value) -> Value {
    ask_as(world, plan, connection, identity("ada"), request).await
}

async fn ask_as(world: &World, plan: Plan, connection: &str, identity: Identity, request: &Value) -> Value {
    ask_with(world, &Faulty::new(world.store.clone(), plan), connection, identity, request).await
}

async fn ask_with(
    world: &World,
    tables: &Faulty<Store, Plan>,
    connection: &str,
    identity: Identity,
    request: &Value,
) -> Value {
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
    let ingest = Ingest::new(tables.clone(), world.queues.clone(), world.gateway.clone(), world.clock.clone(), None);
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
async fn the_connections_of_a_user_share_one_rate_and_a_new_one_does_not_renew_it() {
    let mut world = connected().await;
    // The rate is measured while no time passes.
    world.store = world.store.with_transaction_hold(Duration::ZERO);
    world.connect("b1", "bob").await;
    world.connect("c2", "ada").await;
    for room in ["a", "b", "c", "d"] {
        let connection = if room == "b" { "c2" } else { "c1" };
        assert!(ask(&world, Plan::new(), connection, &several(room, 10)).await["ok"].is_object());
    }
    world.connect("c3", "ada").await;
    for connection in ["c2", "c3"] {
        let answer = ask(&world, Plan::new(), connection, &one(50)).await;
        assert_eq!(refused(&answer), ("rate_limited", Some(50), None));
        assert!(answer["err"]["message"].as_str().unwrap().contains("a user may publish"), "{answer}");
    }
    assert!(ask_as(&world, Plan::new(), "b1", identity("bob"), &one(50)).await["ok"].is_object());
    world.clock.advance(Duration::from_millis(50));
    assert!(ask(&world, Plan::new(), "c3", &one(50)).await["ok"].is_object());
}

#[tokio::test]
async fn what_the_user_was_refused_is_accepted_after_its_pause_on_the_same_connection() {
    let world = connected().await;
    world.connect("c2", "ada").await;
    for room in ["a", "b", "c"] {
        ask(&world, Plan::new(), "c1", &several(room, 10)).await;
    }
    let mut pause = None;
    for _ in 0..4 {
        let answer = ask(&world, Plan::new(), "c2", &several("lobby", 10)).await;
        pause = answer["err"]["after_ms"].as_u64().or(pause);
    }
    // Refused requests have used the allowance of the connection up, too.
    world.clock.advance(Duration::from_millis(pause.unwrap() - 1));
    assert_eq!(refused(&ask(&world, Plan::new(), "c2", &several("lobby", 10)).await), ("rate_limited", Some(1), None));
    world.clock.advance(Duration::from_millis(1));
    assert!(ask(&world, Plan::new(), "c2", &several("lobby", 10)).await["ok"].is_object());
}

#[tokio::test]
async fn a_line_now_and_then_costs_no_write_for_its_user_and_a_fast_exchange_one_each() {
    let world = connected().await;
    let charges = async |pause_s: u64, count: usize| {
        let tables = Faulty::new(world.store.clone(), Plan::new());
        for n in 0..count {
            world.clock.advance(Duration::from_secs(pause_s));
            ask_with(&world, &tables, "c1", identity("ada"), &one(n)).await;
        }
        tables.calls(Operation::ChargeUser)
    };
    assert_eq!(charges(10, 10).await, 1, "a connection is not quiet before its first request");
    assert_eq!(charges(10, 10).await, 0);
    assert_eq!(charges(3, 10).await, 10);
}

/// Ten connections of one user, each within its rate, flood a room. The sequencer notes what it has
/// worked off 300 ms later, which is slow. Another user publishes ten times a second.
#[tokio::test]
async fn the_other_members_of_a_flooded_room_get_101_of_101_accepted() {
    let mut world = World::new();
    world.store = world.store.with_transaction_hold(Duration::ZERO);
    let room = samples::room("lobby");
    world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    world.connect("b1", "bob").await;
    let floods: Vec<String> = (0..10).map(|n| format!("e{n}")).collect();
    for id in &floods {
        world.connect(id, "eve").await;
    }
    let (mut accepted, mut waiting, mut eves) = (0, Vec::new(), 0);
    for tick in 0..1_010_usize {
        for id in floods.iter().filter(|_| tick % 5 == 0) {
            let flood = ask_as(&world, Plan::new(), id, identity("eve"), &several("lobby", 1)).await;
            if flood["ok"].is_object() {
                waiting.push((tick, "eve"));
                eves += 1;
            }
        }
        if tick % 10 == 0 {
            let answer = ask_as(&world, Plan::new(), "b1", identity("bob"), &one(tick)).await;
            assert!(answer["ok"].is_object(), "{tick}: {answer}");
            waiting.push((tick, "bob"));
            accepted += 1;
        }
        for (_, user) in waiting.extract_if(.., |(at, _)| *at + 30 <= tick) {
            let publisher = Publisher::user(&samples::user(user));
            let head = world.store.head(&room).await.unwrap().unwrap();
            let load = head.load_after([&publisher], world.clock.now());
            world.store.note_room_busy(&room, &load).await.unwrap();
        }
        world.clock.advance(Duration::from_millis(10));
    }
    assert_eq!(accepted, 101);
    assert!((200..=250).contains(&eves), "eve has the rate of one connection: {eves} in 10 s");
}

#[tokio::test]
async fn a_sender_uses_a_tenth_of_the_inbox_of_another_and_the_others_get_in() {
    let mut world = connected().await;
    world.store = world.store.with_transaction_hold(Duration::ZERO);
    let inbox = samples::room("@zoe");
    world.store.create(&inbox, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    let (ada, zoe, now) = (Publisher::user(&samples::user("ada")), samples::user("zoe"), world.clock.now());
    let load = Load { busy_until: now, shares: Shares::default().note([&ada; 20], now) };
    world.store.note_room_busy(&inbox, &load).await.unwrap();
    let answer = ask(&world, Plan::new(), "c1", &several("@zoe", 1)).await;
    assert_eq!(refused(&answer), ("rate_limited", Some(200), Some("room")));
    for (id, user) in [("b1", "bob"), ("z1", zoe.as_ref())] {
        world.connect(id, user).await;
        assert!(ask_as(&world, Plan::new(), id, identity(user), &several("@zoe", 10)).await["ok"].is_object());
    }
    world.clock.advance(Duration::from_millis(200));
    assert!(ask(&world, Plan::new(), "c1", &several("@zoe", 1)).await["ok"].is_object());
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
    world.connect("b1", "bob").await;
    let bob = async || ask_as(&world, Plan::new(), "b1", identity("bob"), &one(0)).await;
    assert_eq!(refused(&bob().await), ("rate_limited", Some(20), Some("room")));
    let ada = ask(&world, Plan::new(), "c1", &one(0)).await;
    assert_eq!(refused(&ada), ("rate_limited", Some(1_020), Some("room")), "it was ada that filled the room");
    assert!(ask(&world, Plan::new(), "c1", &several("team:7", 1)).await["ok"].is_object(), "another room is free");
    world.clock.advance(Duration::from_millis(20));
    assert!(bob().await["ok"].is_object());
}

#[tokio::test]
async fn a_room_that_may_not_be_published_to_does_not_show_that_it_is_busy() {
    let world = connected().await;
    let room = samples::room("lobby");
    world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    let silent = Identity { permissions: Permissions { publish: Vec::new(), ..Permissions::all() }, ..identity("ada") };
    for busy_s in [0, 60] {
        let busy_until = world.clock.now().plus(Duration::from_secs(busy_s));
        world.store.note_room_busy(&room, &domain::Load::until(busy_until)).await.unwrap();
        let answer = ask_as(&world, Plan::new(), "c1", silent.clone(), &one(0)).await;
        assert_eq!(refused(&answer), ("forbidden", None, Some("room")));
    }
    assert_eq!(refused(&ask(&world, Plan::new(), "c1", &one(0)).await).0, "rate_limited");
}

#[tokio::test]
async fn what_cannot_be_charged_is_not_accepted_and_may_be_sent_again() {
    for operation in [Operation::Charge, Operation::ChargeUser, Operation::RoomLoad] {
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
