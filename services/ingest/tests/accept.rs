//! Accepted means queued, and every refusal says why.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use domain::ports::{Clock, Connections, Renewals};
use domain::{Endpoint, Format, Identity, Pattern, Permissions, Timestamp};
use ingest::Ingest;
use lambda_kit::start::Routes;
use lambda_kit::websocket::{Answer, Call};
use protocol::context::Context;
use telemetry::Summary;
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::{World, samples};

fn ada() -> Identity {
    let (user, permissions) = (samples::user("ada"), Permissions::all());
    Identity { user, device: None, guest: false, admin: false, expires_at: None, permissions }
}

fn call(identity: Identity, body: &str) -> Call {
    Call {
        connection: samples::connection_id("c1"),
        connected_at: samples::NOW,
        route: "publish".to_owned(),
        request_id: "Qyi3UG41tjMFlUg=".to_owned(),
        context: Ok(Context { identity, format: Format::RoomsV1, room: Some(samples::room("den")) }),
        derived_endpoint: Endpoint::new(samples::ENDPOINT),
        body: body.to_owned(),
        subprotocols: Vec::new(),
        query: std::collections::HashMap::new(),
    }
}

/// A world in which `c1` is connected.
async fn connected() -> World {
    let world = World::new();
    world.connect("c1", "ada").await;
    world
}

async fn ask(world: &World, plan: Plan, call: Call) -> Answer {
    let tables = Faulty::new(world.store.clone(), plan.clone());
    let ingest = Ingest::new(tables, Faulty::new(world.queues.clone(), plan), world.clock.clone());
    ingest.handle(call, &mut Summary::new("ingest")).await
}

const PUBLISH: &str = r#"{"action":"publish","id":3,"room":"lobby","pid":"p1","data":{"text":"hi"}}"#;

#[tokio::test]
async fn accepted_means_that_the_queue_has_it() {
    let world = connected().await;
    let answer = ask(&world, Plan::new(), call(ada(), PUBLISH)).await;
    assert_eq!(answer.body.unwrap(), r#"{"id":3,"ok":{"accepted":["p1"]}}"#);
    let queued = &world.queues.publications.bodies()[0];
    assert_eq!((queued.room.as_str(), queued.by.as_ref(), queued.items.len()), ("lobby", "ada", 1));
}

#[tokio::test]
async fn what_the_queue_did_not_take_is_not_accepted() {
    let world = connected().await;
    let plan = Plan::new().nth(Operation::Submit, 1, Fault::Before(How::Unavailable));
    let answer = ask(&world, plan, call(ada(), PUBLISH)).await.body.unwrap();
    assert!(answer.starts_with(r#"{"id":3,"err":{"code":"unavailable","retry":true,"after_ms":500,"#), "{answer}");
    assert!(world.queues.publications.bodies().is_empty());
}

#[tokio::test]
async fn publishing_without_permission_or_with_an_expired_token_is_refused() {
    let world = connected().await;
    let permissions = Permissions { publish: vec![Pattern::new("team:*")], ..Permissions::all() };
    let expired = Identity { expires_at: Some(Timestamp::from_ms(world.clock.now().as_ms())), ..ada() };
    for (identity, code) in [(Identity { permissions, ..ada() }, "forbidden"), (expired, "token_expired")] {
        let answer = ask(&world, Plan::new(), call(identity, PUBLISH)).await.body.unwrap();
        assert!(answer.starts_with(&format!(r#"{{"id":3,"err":{{"code":"{code}","retry":false,"#)), "{answer}");
    }
    let everyone = r#"{"action":"broadcastAll","message":"x"}"#;
    assert!(ask(&world, Plan::new(), call(ada(), everyone)).await.body.unwrap().contains("forbidden"));
    assert!(world.queues.publications.bodies().is_empty());
}

#[tokio::test]
async fn a_renewed_token_is_what_counts_whatever_the_connection_came_with() {
    let world = World::new();
    let connection = world.connect("c1", "ada").await;
    let later = world.clock.now().plus(Duration::from_secs(60));
    let permissions = Permissions { publish: vec![Pattern::new("lobby")], ..Permissions::default() };
    let renewed = Identity { expires_at: Some(later), permissions, ..ada() };
    world.store.renew(&connection.id, &renewed).await.unwrap();
    let expired = Identity { expires_at: Some(world.clock.now()), ..ada() };
    let accepted = ask(&world, Plan::new(), call(expired.clone(), PUBLISH)).await.body.unwrap();
    assert_eq!(accepted, r#"{"id":3,"ok":{"accepted":["p1"]}}"#);
    let elsewhere = PUBLISH.replace("lobby", "den");
    assert!(ask(&world, Plan::new(), call(ada(), &elsewhere)).await.body.unwrap().contains("forbidden"));
    world.clock.advance(Duration::from_secs(60));
    assert!(ask(&world, Plan::new(), call(ada(), PUBLISH)).await.body.unwrap().contains("token_expired"));
    assert_eq!(world.queues.publications.bodies().len(), 1);
}

#[tokio::test]
async fn one_that_is_not_known_any_more_publishes_nothing_and_is_told_to_come_back() {
    let world = World::new();
    let connection = world.connect("c1", "ada").await;
    world.connect("c2", "bob").await;
    world.store.bury(&connection.id, world.clock.now()).await.unwrap();
    let answer = ask(&world, Plan::new(), call(ada(), PUBLISH)).await.body.unwrap();
    assert!(answer.starts_with(r#"{"id":3,"err":{"code":"not_connected","retry":false,"#), "{answer}");
    assert!(world.queues.publications.bodies().is_empty());
}

#[tokio::test]
async fn the_classic_recipes_message_goes_to_the_connections_own_room_without_a_reply() {
    let world = connected().await;
    let answer = ask(&world, Plan::new(), call(ada(), r#"{"action":"sendMessage","message":"Hello world!"}"#)).await;
    assert_eq!(answer, Answer::silent());
    let queued = &world.queues.publications.bodies()[0];
    assert_eq!(queued.room.as_str(), "den");
    assert_eq!(queued.items[0].data.as_json(), r#"{"text":"Hello world!"}"#);
    assert_eq!(queued.items[0].id.as_ref(), "Qyi3UG41tjMFlUg=", "named after the gateway's id, so a repeat is one");
}

#[tokio::test]
async fn what_is_no_request_is_answered_with_what_one_looks_like() {
    let world = connected().await;
    let answer = ask(&world, Plan::new(), call(ada(), "hello")).await.body.unwrap();
    assert!(answer.starts_with(r#"{"id":null,"err":{"code":"not_json","#), "{answer}");
}
