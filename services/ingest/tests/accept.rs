//! Accepted means queued, and every refusal names its reason.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::HashSet;
use std::time::Duration;

use domain::ports::{Clock, Connections, Renewals, Rooms};
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
    let queues = Faulty::new(world.queues.clone(), plan);
    let ingest = Ingest::new(tables, queues, world.gateway.clone(), world.clock.clone(), None);
    ingest.handle(call, &mut Summary::new("ingest")).await
}

/// Frames that were posted to the connection.
fn posted(world: &World) -> Vec<String> {
    let frames = world.gateway.frames(&samples::connection_id("c1"));
    frames.iter().map(|frame| String::from_utf8(frame.to_vec()).unwrap()).collect()
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
async fn what_the_queue_refuses_is_refused_for_good() {
    let world = connected().await;
    let plan = Plan::new().nth(Operation::Submit, 1, Fault::Before(How::Refused));
    let answer = ask(&world, plan, call(ada(), PUBLISH)).await.body.unwrap();
    assert!(answer.starts_with(r#"{"id":3,"err":{"code":"invalid_field","retry":false,"#), "{answer}");
}

#[tokio::test]
async fn ids_that_were_used_before_are_named_and_a_read_that_fails_names_none() {
    let world = connected().await;
    let room = samples::room("lobby");
    let epoch = samples::epoch("k7Qf");
    let head = world.store.create(&room, &epoch, samples::NOW).await.unwrap();
    let said = samples::submission("lobby", "ada", &["p1"]);
    let appends = domain::plan(&head, &HashSet::new(), [&said], world.clock.now(), 10);
    world.store.append(&appends[0]).await.unwrap();
    let items = r#"{"action":"publish","id":4,"room":"lobby","items":[{"pid":"p0","data":1},{"pid":"p1","data":2}]}"#;
    let answer = ask(&world, Plan::new(), call(ada(), items)).await.body.unwrap();
    assert_eq!(answer, r#"{"id":4,"ok":{"accepted":["p0","p1"],"repeated":["p1"]}}"#);
    let elsewhere = PUBLISH.replace("lobby", "den");
    assert!(!ask(&world, Plan::new(), call(ada(), &elsewhere)).await.body.unwrap().contains("repeated"));
    let plan = Plan::new().nth(Operation::Known, 1, Fault::Before(How::Unavailable));
    let answer = ask(&world, plan, call(ada(), PUBLISH)).await.body.unwrap();
    assert_eq!(answer, r#"{"id":3,"ok":{"accepted":["p1"]}}"#);
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
    world.store.renew(&connection.id, &renewed, world.clock.now()).await.unwrap();
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
    let hello =
        Call { route: "sendMessage".to_owned(), ..call(ada(), r#"{"action":"sendMessage","message":"Hello world!"}"#) };
    let answer = ask(&world, Plan::new(), hello).await;
    assert_eq!((answer, posted(&world)), (Answer::silent(), Vec::new()));
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

#[tokio::test]
async fn by_a_route_that_does_not_respond_refusals_and_what_has_an_id_are_posted() {
    let world = connected().await;
    let say = async |route: &str, body: &str| {
        let call = Call { route: route.to_owned(), ..call(ada(), body) };
        assert_eq!(ask(&world, Plan::new(), call).await, Answer::silent());
    };
    say("$default", "Hello world!").await;
    say("sendmessage", r#"{"action":"sendmessage","id":8,"data":"hi"}"#).await;
    say("sendMessage", r#"{"action":"sendMessage"}"#).await;
    let posted = posted(&world);
    assert!(posted[0].starts_with(r#"{"id":null,"err":{"code":"not_json","#), "{posted:?}");
    assert!(posted[0].ends_with(r#","about":"Hello world!"}}"#), "{posted:?}");
    assert_eq!(posted[1], r#"{"id":8,"ok":{"accepted":["Qyi3UG41tjMFlUg="]}}"#);
    assert!(posted[2].contains("invalid_field"), "{posted:?}");
}

#[tokio::test]
async fn a_request_without_an_id_by_a_route_that_responds_is_answered_all_the_same() {
    let world = connected().await;
    let ephemeral = r#"{"action":"publish","room":"lobby","ephemeral":true,"data":true}"#;
    let answer = ask(&world, Plan::new(), call(ada(), ephemeral)).await.body.unwrap();
    assert_eq!(answer, r#"{"id":null,"ok":{"accepted":[]}}"#);
}

#[tokio::test]
async fn of_lines_that_are_refused_for_their_rate_each_refusal_names_its_line() {
    let world = connected().await;
    for n in 0..45 {
        let body = format!(r#"{{"action":"sendMessage","message":"line {n} \u00fc"}}"#);
        let line = Call { route: "sendMessage".to_owned(), request_id: format!("r{n}"), ..call(ada(), &body) };
        ask(&world, Plan::new(), line).await;
    }
    let named: Vec<String> = (40..45).map(|n| format!(r#""about":"line {n} ?""#)).collect();
    let posted = posted(&world);
    assert_eq!(posted.len(), 5, "{posted:?}");
    assert!(
        posted.iter().zip(named).all(|(refusal, line)| refusal.contains("rate_limited") && refusal.contains(&line)),
        "{posted:?}"
    );
}
