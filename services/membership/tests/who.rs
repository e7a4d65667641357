//! Lists of a room's users, and the number of connections that a room takes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use domain::ports::{Connections, Memberships, Presences, Rooms};
use domain::{
    Census, Connection, Device, Endpoint, Format, Identity, Pattern, Permissions, Presence, Shard, Shards, limits,
};
use lambda_kit::start::Routes;
use lambda_kit::websocket::Call;
use membership::Membership;
use protocol::context::Context;
use protocol::reply::{Answer, Joined, Who};
use protocol::server::ServerFrame;
use telemetry::Summary;
use testkit::{World, samples};
use tokens::Verifier;

/// The number of connections that a room takes in these tests.
const ROOM_MEMBERS: u64 = 5;

async fn ask_as(world: &World, user: &str, connection: &str, permissions: Permissions, body: &str) -> ServerFrame {
    let user = samples::user(user);
    let identity = Identity {
        user,
        device: None,
        guest: false,
        admin: false,
        expires_at: None,
        permissions,
        stamp: domain::TokenStamp::default(),
    };
    let call = Call {
        connection: samples::connection_id(connection),
        connected_at: samples::NOW,
        route: "who".to_owned(),
        request_id: "r".to_owned(),
        context: Ok(Context { identity, format: Format::RoomsV1, room: None }),
        derived_endpoint: Endpoint::new(samples::ENDPOINT),
        body: body.to_owned(),
        subprotocols: Vec::new(),
        query: std::collections::HashMap::new(),
    };
    let verifier = Verifier::new(None, Some(testkit::keys::JWKS), None, None).unwrap();
    let function = Membership::new(world.store.clone(), verifier, world.clock.clone(), world.chance.clone(), None);
    let answer = function.with_room_members(ROOM_MEMBERS).handle(call, &mut Summary::new("membership")).await;
    ServerFrame::parse(&answer.body.unwrap()).unwrap()
}

/// Sends a request from a connection that is in no plain room.
async fn ask(world: &World, body: &str) -> ServerFrame {
    if world.store.find(&samples::connection_id("asker")).await.unwrap().is_none() {
        world.connect("asker", "ann").await;
    }
    ask_as(world, "ann", "asker", Permissions::all(), body).await
}

fn done<T: serde::de::DeserializeOwned>(frame: ServerFrame) -> T {
    match frame {
        ServerFrame::Answer(Answer { outcome: Ok(raw), .. }) => Answer::done(&raw).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn refused(frame: ServerFrame) -> String {
    match frame {
        ServerFrame::Answer(Answer { outcome: Err(failure), .. }) => failure.code.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn room(world: &World, name: &str, shards: u16) {
    let head = world.store.create(&samples::room(name), &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    world.store.grow(&samples::room(name), head.shards, Shards::new(shards)).await.unwrap();
}

async fn on_device(world: &World, id: &str, user: &str, device: &str, room: &str) -> Connection {
    let connection = samples::connection(id, user, samples::NOW);
    let connection = Connection { device: Some(Device::parse(device).unwrap()), ..connection };
    world.store.open(&connection, &[samples::everyone(&connection), samples::inbox(&connection)]).await.unwrap();
    world.join(&connection, room).await;
    connection
}

fn names(who: &Who) -> Vec<String> {
    who.users.as_ref().unwrap().iter().map(|present| present.user.to_string()).collect()
}

#[tokio::test]
async fn who_names_users_with_their_devices_and_since_when() {
    let world = World::new();
    room(&world, "lobby", 1).await;
    on_device(&world, "c1", "ada", "phone", "lobby").await;
    on_device(&world, "c2", "ada", "laptop", "lobby").await;
    let bob = world.connect("c3", "bob").await;
    world.join(&bob, "lobby").await;
    let who: Who = done(ask(&world, r#"{"action":"who","id":5,"room":"lobby"}"#).await);
    assert_eq!((who.members, names(&who), &who.next), (3, vec!["ada".to_owned(), "bob".to_owned()], &None));
    let ada = &who.users.unwrap()[0];
    let devices: Vec<&str> = ada.devices.iter().map(AsRef::as_ref).collect();
    assert_eq!((ada.connections, devices, ada.since), (2, vec!["laptop", "phone"], samples::NOW));
}

#[tokio::test]
async fn who_is_read_page_by_page_in_the_order_of_names() {
    let world = World::new();
    room(&world, "lobby", 2).await;
    for n in 0..25 {
        let connection = world.connect(&format!("c{n}"), &format!("u{:02}", 24 - n)).await;
        world.join(&connection, "lobby").await;
    }
    let (mut all, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let body = format!(r#"{{"action":"who","id":5,"room":"lobby","limit":10{after}}}"#);
        let who: Who = done(ask(&world, &body).await);
        assert_eq!(who.members, 25);
        all.extend(names(&who));
        pages += 1;
        match who.next {
            Some(next) => after = format!(r#","after":"{next}""#),
            None => break,
        }
    }
    assert_eq!((pages, all), (3, (0..25).map(|n| format!("u{n:02}")).collect()));
}

#[tokio::test]
async fn a_reply_to_who_fits_one_frame_whatever_the_names() {
    let world = World::new();
    room(&world, "lobby", 1).await;
    for n in 0..60 {
        for device in 0..8 {
            let (id, user) = (format!("c{n}-{device}"), format!("{n:0>127}"));
            on_device(&world, &id, &user, &format!("{device:0>64}"), "lobby").await;
        }
    }
    let frame = ask(&world, r#"{"action":"who","id":5,"room":"lobby","limit":100}"#).await;
    let who: Who = done(frame);
    assert!(who.next.is_some() && names(&who).len() > 30);
    assert!(serde_json::to_string(&who).unwrap().len() < limits::GATEWAY_FRAME_BYTES);
}

#[tokio::test]
async fn a_room_of_more_than_1000_members_is_only_counted() {
    let world = World::new();
    room(&world, "lobby", 2).await;
    for n in 0..=limits::WHO_MEMBERS {
        let connection = world.connect(&format!("c{n}"), &format!("u{n}")).await;
        world.join(&connection, "lobby").await;
    }
    let who: Who = done(ask(&world, r#"{"action":"who","id":5,"room":"lobby"}"#).await);
    assert_eq!(who, Who { room: samples::room("lobby"), members: 1_001, users: None, next: None });
}

#[tokio::test]
async fn a_room_of_many_shards_is_counted_by_presence_and_listed_where_there_are_members() {
    let world = World::new();
    room(&world, "arena", 64).await;
    let ada = world.connect("c1", "ada").await;
    let shard = world.join(&ada, "arena").await.shard;
    let census = |members| [(shard, Census { members, users: None })].into();
    let known = |version, members| Presence { version, census: census(members), ..Presence::default() };
    let arena = samples::room("arena");
    world.store.write_presence(&arena, &known(0, 4_812)).await.unwrap();
    let who: Who = done(ask(&world, r#"{"action":"who","id":5,"room":"arena"}"#).await);
    assert_eq!((who.members, who.users), (4_812, None));
    world.store.write_presence(&arena, &known(1, 1)).await.unwrap();
    let who: Who = done(ask(&world, r#"{"action":"who","id":5,"room":"arena"}"#).await);
    assert_eq!(names(&who), ["ada"]);
}

#[tokio::test]
async fn who_takes_the_permission_and_no_membership_and_an_inbox_its_owner() {
    let world = World::new();
    world.connect("c1", "ada").await;
    let only = Permissions { presence: vec![Pattern::new("team:*")], ..Permissions::default() };
    let ask = async |body: &str| ask_as(&world, "ada", "c1", only.clone(), body).await;
    assert_eq!(refused(ask(r#"{"action":"who","id":1,"room":"lobby"}"#).await), "forbidden");
    assert_eq!(refused(ask(r#"{"action":"who","id":1,"room":"@bob"}"#).await), "forbidden");
    assert_eq!(refused(ask(r#"{"action":"who","id":1,"room":"*"}"#).await), "invalid_room");
    let nobody: Who = done(ask(r#"{"action":"who","id":1,"room":"team:7"}"#).await);
    assert_eq!((nobody.members, nobody.users), (0, Some(Vec::new())));
    room(&world, "@ada", 1).await;
    let own: Who = done(ask(r#"{"action":"who","id":1,"room":"@ada"}"#).await);
    assert_eq!((own.members, names(&own)), (1, vec!["ada".to_owned()]));
}

#[tokio::test]
async fn who_left_is_not_there_even_if_the_index_lags() {
    let world = World::new();
    room(&world, "lobby", 1).await;
    let ada = world.connect("c1", "ada").await;
    world.join(&ada, "lobby").await;
    world.store.set_lag(testkit::memory::Lag::Time(std::time::Duration::from_secs(5)));
    world.store.leave(&ada.id, &[samples::room("lobby")]).await.unwrap();
    let who: Who = done(ask(&world, r#"{"action":"who","id":5,"room":"lobby"}"#).await);
    assert_eq!((who.members, who.users), (0, Some(Vec::new())));
}

#[tokio::test]
async fn a_full_room_is_refused_with_its_limit_but_not_to_who_is_in_it() {
    let world = World::new();
    for n in 0..ROOM_MEMBERS {
        world.connect(&format!("c{n}"), "ada").await;
        let body = r#"{"action":"join","id":2,"room":"lobby"}"#;
        let joined: Joined = done(ask_as(&world, "ada", &format!("c{n}"), Permissions::all(), body).await);
        assert_eq!(joined.members, Some(n + 1));
    }
    assert_eq!(refused(ask(&world, r#"{"action":"join","id":2,"room":"lobby"}"#).await), "limit_exceeded");
    let again = ask_as(&world, "ada", "c0", Permissions::all(), r#"{"action":"join","id":2,"room":"lobby"}"#).await;
    assert_eq!(done::<Joined>(again).members, None, "presence has not counted the room, and a member counts nothing");
    let inbox = ask(&world, r#"{"action":"join","id":2,"room":"@ann"}"#).await;
    assert_eq!(done::<Joined>(inbox).members, None, "inboxes and * have no presence");
}

#[tokio::test]
async fn a_join_of_a_room_of_many_shards_tells_what_presence_counted_and_obeys_the_limit() {
    let world = World::new();
    room(&world, "arena", 8).await;
    let census = |members| [(Shard::FIRST, Census { members, users: None })].into();
    let known = |version, members| Presence { version, census: census(members), ..Presence::default() };
    let arena = samples::room("arena");
    world.store.write_presence(&arena, &known(0, ROOM_MEMBERS - 1)).await.unwrap();
    let joined: Joined = done(ask(&world, r#"{"action":"join","id":2,"room":"arena"}"#).await);
    assert_eq!(joined.members, Some(ROOM_MEMBERS));
    world.store.write_presence(&arena, &known(1, ROOM_MEMBERS)).await.unwrap();
    world.connect("c9", "eve").await;
    let body = r#"{"action":"join","id":2,"room":"arena"}"#;
    assert_eq!(refused(ask_as(&world, "eve", "c9", Permissions::all(), body).await), "limit_exceeded");
}
