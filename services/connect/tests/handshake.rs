//! Every connected client is stored, and no refused client is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use connect::Connect;
use domain::ports::{Bans, Clock, Connections, Directory, Gateway, Memberships, Rooms};
use domain::{
    Ban, BanScope, Device, Endpoint, Enlisted, Format, Identity, Permissions, Probe, TokenId, TokenStamp, limits,
};
use lambda_kit::start::Routes;
use lambda_kit::websocket::{Answer, Call};
use protocol::context::Context;
use telemetry::{Summary, field, metric};
use testkit::faults::{Call as Made, Fault, Faulty, How, Operation, Plan};
use testkit::{World, samples};

fn call(format: Format, query: &[(&str, &str)]) -> Call {
    let identity = Identity {
        user: samples::user("ada"),
        device: None,
        guest: false,
        admin: false,
        expires_at: None,
        permissions: Permissions::all(),
        stamp: TokenStamp::default(),
    };
    Call {
        connection: samples::connection_id("c1"),
        connected_at: samples::NOW,
        route: "$connect".to_owned(),
        request_id: "r".to_owned(),
        context: Ok(Context { identity, format, room: None }),
        derived_endpoint: Endpoint::new(samples::ENDPOINT),
        body: String::new(),
        subprotocols: vec!["token.abc".to_owned(), "rooms.v1".to_owned()],
        query: query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

async fn connect(world: &World, call: Call) -> Answer {
    let function = Connect::new(world.store.clone(), world.gateway.clone(), world.clock.clone(), None);
    function.handle(call, &mut Summary::new("connect")).await
}

async fn rooms(world: &World) -> Vec<String> {
    let rooms = world.store.rooms_of(&samples::connection_id("c1")).await.unwrap();
    rooms.into_iter().map(|room| room.into_string()).collect()
}

#[tokio::test]
async fn a_connection_is_stored_in_its_inbox_and_only_rooms_v1_is_echoed() {
    let world = World::new();
    let answer = connect(&world, call(Format::RoomsV1, &[])).await;
    assert_eq!((answer.status, answer.subprotocol.as_deref()), (200, Some("rooms.v1")));
    assert_eq!(rooms(&world).await, ["@ada"]);
}

#[tokio::test]
async fn a_classic_connection_is_in_the_lobby_or_in_the_room_it_names() {
    for (query, room) in [(&[][..], "lobby"), (&[("room", "den")][..], "den")] {
        let world = World::new();
        assert_eq!(connect(&world, call(Format::Classic, query)).await.status, 200);
        let mut rooms = rooms(&world).await;
        rooms.sort();
        assert_eq!(rooms, ["@ada", room]);
    }
}

#[tokio::test]
async fn a_handshake_that_asks_for_what_is_not_or_may_not_be_is_refused() {
    let world = World::new();
    for (query, status) in [(("room", "a#b"), 400), (("room", "@bob"), 403), (("format", "rooms.v9"), 400)] {
        let answer = connect(&world, call(Format::RoomsV1, &[query])).await;
        assert_eq!(answer.status, status, "{query:?}: {:?}", answer.body);
    }
    assert!(world.store.find(&samples::connection_id("c1")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_token_that_has_expired_since_the_authorizer_looked_is_refused_as_there_and_another_one_may_come() {
    let world = World::new();
    let mut late = call(Format::RoomsV1, &[]);
    late.context.as_mut().unwrap().identity.expires_at = Some(samples::NOW);
    assert_eq!(connect(&world, late).await.status, 401);
    assert!(world.store.find(&samples::connection_id("c1")).await.unwrap().is_none());
    let mut renewed = call(Format::RoomsV1, &[]);
    renewed.context.as_mut().unwrap().identity.expires_at = Some(samples::NOW.plus(Duration::from_millis(1)));
    assert_eq!(connect(&world, renewed).await.status, 200);
}

#[tokio::test]
async fn a_deployment_without_its_authorizer_ends_no_client_for_good() {
    let missing = Call { context: Err("the authorizer's context is missing".to_owned()), ..call(Format::RoomsV1, &[]) };
    assert_eq!(connect(&World::new(), missing).await.status, 500);
}

#[tokio::test]
async fn a_disconnect_before_the_connect_leaves_nothing_behind() {
    let world = World::new();
    let goodbye = disconnect::Disconnect::new(world.store.clone(), world.clock.clone());
    goodbye.handle(call(Format::RoomsV1, &[]), &mut Summary::new("disconnect")).await;
    assert_eq!(connect(&world, call(Format::RoomsV1, &[])).await.status, 410);
    assert!(rooms(&world).await.is_empty());
}

#[tokio::test]
async fn a_disconnect_removes_every_membership_and_may_come_twice() {
    let world = World::new();
    connect(&world, call(Format::Classic, &[])).await;
    let goodbye = disconnect::Disconnect::new(world.store.clone(), world.clock.clone());
    for _ in 0..2 {
        goodbye.handle(call(Format::Classic, &[]), &mut Summary::new("disconnect")).await;
        assert!(rooms(&world).await.is_empty());
        assert!(world.store.is_buried(&samples::connection_id("c1")));
    }
}

#[tokio::test]
async fn a_room_that_is_full_refuses_the_handshake_for_now() {
    let world = World::new();
    let there = world.connect("c0", "eve").await;
    world.join(&there, "den").await;
    let function = Connect::new(world.store.clone(), world.gateway.clone(), world.clock.clone(), None);
    let function = function.with_room_members(1);
    let answer = function.handle(call(Format::RoomsV1, &[("room", "den")]), &mut Summary::new("connect")).await;
    assert_eq!((answer.status, answer.body.as_deref()), (503, Some("room den is full: it takes 1 connections")));
    assert!(world.store.find(&samples::connection_id("c1")).await.unwrap().is_none());
}

/// Handles a handshake, and returns its status, its outcome in the log, and how often it counts as
/// refused and as failed.
async fn refusal(function: &impl Routes, call: Call) -> (u16, String, [u64; 2]) {
    let mut summary = Summary::new("connect");
    let status = function.handle(call, &mut summary).await.status;
    let counted = [metric::CONNECTIONS_REFUSED, metric::CONNECTS_FAILED].map(|metric| summary.counted(metric));
    (status, summary.said(field::OUTCOME).unwrap_or_default().to_owned(), counted)
}

#[tokio::test]
async fn a_handshake_counts_as_failed_only_if_the_deployment_is_at_fault() {
    let with = async |plan: Plan| {
        let world = World::new();
        let there = world.connect("c0", "eve").await;
        world.join(&there, "den").await;
        let ports = Faulty::new(world.store.clone(), plan);
        Connect::new(ports, world.gateway.clone(), world.clock.clone(), None).with_room_members(1)
    };
    for (query, status) in [(("room", "a#b"), 400), (("room", "@bob"), 403), (("room", "den"), 503)] {
        let refused = refusal(&with(Plan::new()).await, call(Format::RoomsV1, &[query])).await;
        assert_eq!(refused, (status, "refused".to_owned(), [1, 0]), "{query:?}");
    }
    for operation in [Operation::Open, Operation::Enlist, Operation::BansOf] {
        for how in [How::Unavailable, How::Throttled] {
            let plan = Plan::new().always(operation, Fault::Before(how));
            let failed = refusal(&with(plan).await, call(Format::RoomsV1, &[])).await;
            assert_eq!(failed, (503, "failed".to_owned(), [1, 1]), "{operation:?} {how:?}");
        }
    }
    let missing = Call { context: Err("the authorizer's context is missing".to_owned()), ..call(Format::RoomsV1, &[]) };
    assert_eq!(refusal(&with(Plan::new()).await, missing).await, (500, "failed".to_owned(), [1, 1]));
}

#[tokio::test]
async fn a_banned_user_or_device_is_refused_until_the_ban_ends_and_nothing_is_stored() {
    let hour = Duration::from_secs(3_600);
    let device = |name: &str| Some(Device::parse(name).unwrap());
    for (banned, connecting, status) in [
        (None, None, 403),
        (None, device("phone"), 403),
        (device("phone"), device("phone"), 403),
        (device("phone"), device("tablet"), 200),
        (device("phone"), None, 200),
    ] {
        let world = World::new();
        let scope = banned.map_or(BanScope::User, BanScope::Device);
        let ban = Ban { user: samples::user("ada"), scope, until: samples::NOW.plus(hour) };
        world.store.ban(&ban, samples::NOW).await.unwrap();
        let mut call = call(Format::Classic, &[]);
        call.context.as_mut().unwrap().identity.device = connecting;
        let answer = connect(&world, call.clone()).await;
        assert_eq!(answer.status, status, "{ban:?}: {:?}", answer.body);
        let stored = world.store.find(&samples::connection_id("c1")).await.unwrap();
        assert_eq!((stored.is_some(), rooms(&world).await.is_empty()), (status == 200, status == 403));
        world.clock.advance(hour);
        let again = Call { connection: samples::connection_id("c2"), ..call };
        assert_eq!(connect(&world, again).await.status, 200);
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_another_of_the_same_user_is_not() {
    let second = |number| samples::NOW.plus(Duration::from_secs(number));
    let token = |id: &str| BanScope::Token(TokenId::parse(id).unwrap());
    let unmarked = TokenStamp::default();
    let undated = TokenStamp { issued_at: None, ..samples::stamp("t1", second(0)) };
    for (scope, stamp, status) in [
        (token("t1"), samples::stamp("t1", second(9)), 401),
        (token("t1"), undated.clone(), 401),
        (token("t1"), samples::stamp("t2", second(9)), 200),
        (token("t1"), unmarked.clone(), 200),
        (BanScope::IssuedBefore(second(5)), samples::stamp("t1", second(4)), 401),
        (BanScope::IssuedBefore(second(5)), samples::stamp("t1", second(5)), 200),
        (BanScope::IssuedBefore(second(5)), undated, 401),
        (BanScope::IssuedBefore(second(5)), unmarked, 401),
    ] {
        let world = World::new();
        let ban = Ban { user: samples::user("ada"), scope, until: limits::BAN_WITHOUT_END };
        world.store.ban(&ban, samples::NOW).await.unwrap();
        let mut call = call(Format::RoomsV1, &[]);
        call.context.as_mut().unwrap().identity.stamp = stamp.clone();
        let answer = connect(&world, call).await;
        assert_eq!(answer.status, status, "{ban:?} {stamp:?}: {:?}", answer.body);
        let stored = world.store.find(&samples::connection_id("c1")).await.unwrap();
        assert_eq!(stored.map(|stored| stored.stamp), (status == 200).then_some(stamp));
    }
}

#[tokio::test]
async fn a_banned_user_with_a_revoked_token_is_not_asked_for_another_one() {
    let world = World::new();
    for scope in [BanScope::IssuedBefore(samples::NOW), BanScope::User] {
        let ban = Ban { user: samples::user("ada"), scope, until: limits::BAN_WITHOUT_END };
        world.store.ban(&ban, samples::NOW).await.unwrap();
    }
    assert_eq!(connect(&world, call(Format::RoomsV1, &[])).await.status, 403);
}

#[tokio::test]
async fn a_ban_that_is_stored_while_a_user_connects_is_not_missed() {
    let world = World::new();
    let store = world.store.clone();
    let until = samples::NOW.plus(Duration::from_secs(3_600));
    let ban = Ban { user: samples::user("ada"), scope: BanScope::User, until };
    // The ban is stored after each write of the handshake in turn.
    for operation in [Operation::Enlist, Operation::Open, Operation::BansOf] {
        let (store, ban) = (store.clone(), ban.clone());
        let ports = Faulty::new(world.store.clone(), move |made: Made| {
            if made.operation == operation {
                futures::executor::block_on(store.ban(&ban, samples::NOW)).unwrap();
            }
            Fault::Pass
        });
        let id = samples::connection_id(&format!("{operation:?}"));
        let function = Connect::new(ports, world.gateway.clone(), world.clock.clone(), None);
        let call = Call { connection: id, ..call(Format::RoomsV1, &[]) };
        assert_eq!(function.handle(call, &mut Summary::new("connect")).await.status, 403);
        store_unban(&world).await;
    }
}

async fn store_unban(world: &World) {
    let over = Ban { user: samples::user("ada"), scope: BanScope::User, until: samples::NOW };
    world.store.ban(&over, samples::NOW).await.unwrap();
}

/// Connects ada, who may have three connections, a second after the connection before.
async fn connect_one_of_three(world: &World, plan: Plan, id: &str, device: Option<&str>) -> Summary {
    let (tables, gateway) = (world.store.clone(), Faulty::new(world.gateway.clone(), plan));
    let function = Connect::new(tables, gateway, world.clock.clone(), None).with_user_connections(3);
    world.clock.advance(Duration::from_secs(1));
    world.gateway.open(&samples::connection_id(id));
    let connected_at = world.clock.now();
    let mut call = Call { connection: samples::connection_id(id), connected_at, ..call(Format::RoomsV1, &[]) };
    call.context.as_mut().unwrap().identity.device = device.map(|name| Device::parse(name).unwrap());
    let mut summary = Summary::new("connect");
    assert_eq!(function.handle(call, &mut summary).await.status, 200, "no connection is refused for the number");
    summary
}

fn connected(world: &World) -> Vec<String> {
    world.store.connections().into_iter().map(|connection| connection.id.to_string()).collect()
}

#[tokio::test]
async fn a_user_with_too_many_connections_loses_the_oldest_and_is_sent_a_bye() {
    let world = World::new();
    world.connect("b1", "bob").await;
    for id in ["c1", "c2", "c3"] {
        let summary = connect_one_of_three(&world, Plan::new(), id, None).await;
        assert_eq!(summary.counted(metric::CONNECTIONS_REPLACED), 0);
    }
    let summary = connect_one_of_three(&world, Plan::new(), "c4", None).await;
    assert_eq!(summary.counted(metric::CONNECTIONS_REPLACED), 1);
    assert_eq!(connected(&world), ["b1", "c2", "c3", "c4"]);
    let oldest = samples::connection_id("c1");
    assert_eq!(world.heard(&oldest), [r#"{"sys":"bye","code":"replaced","retry":"never"}"#]);
    assert!(world.store.is_buried(&oldest));
    let probed = world.gateway.probe(&Endpoint::new(samples::ENDPOINT), &oldest).await.unwrap();
    assert_eq!(probed, Probe::Gone, "its socket is closed");
}

#[tokio::test]
async fn a_device_that_returns_again_and_again_ends_its_own_connections_and_gets_in() {
    let world = World::new();
    connect_one_of_three(&world, Plan::new(), "laptop", Some("laptop")).await;
    for n in 0..20 {
        connect_one_of_three(&world, Plan::new(), &format!("phone{n:02}"), Some("phone")).await;
    }
    assert_eq!(connected(&world), ["laptop", "phone18", "phone19"]);
}

#[tokio::test]
async fn connections_that_are_gone_make_space_and_cost_no_other_connection() {
    let world = World::new();
    for id in ["c1", "c2", "c3"] {
        connect_one_of_three(&world, Plan::new(), id, None).await;
        world.store.bury(&samples::connection_id(id), world.clock.now()).await.unwrap();
    }
    // The stream has not reported the three yet.
    for id in ["c4", "c5", "c6"] {
        let summary = connect_one_of_three(&world, Plan::new(), id, None).await;
        assert_eq!(summary.counted(metric::CONNECTIONS_REPLACED), 0);
    }
    assert_eq!(connected(&world), ["c4", "c5", "c6"]);
}

async fn entries(world: &World) -> Vec<String> {
    let entries = world.store.connections_of(&samples::user("ada"), world.clock.now()).await.unwrap();
    let mut entries: Vec<String> = entries.into_iter().map(|connection| connection.to_string()).collect();
    entries.sort();
    entries
}

#[tokio::test]
async fn a_handshake_that_is_not_over_counts_neither_as_a_connection_nor_as_gone() {
    let world = World::new();
    let pending = Enlisted { at: world.clock.now(), connection: samples::connection_id("c0"), device: None };
    world.store.enlist(&samples::user("ada"), &pending).await.unwrap();
    for id in ["c1", "c2", "c3"] {
        let summary = connect_one_of_three(&world, Plan::new(), id, None).await;
        assert_eq!(summary.counted(metric::CONNECTIONS_REPLACED), 0);
    }
    assert_eq!(entries(&world).await, ["c0", "c1", "c2", "c3"]);
    world.clock.advance(limits::HANDSHAKE_OVER);
    connect_one_of_three(&world, Plan::new(), "c4", None).await;
    assert_eq!(entries(&world).await, ["c2", "c3", "c4"], "c0 has failed, and c1 was one too many");
}

#[tokio::test]
async fn a_connection_that_its_client_exchanges_takes_no_place_of_others() {
    let world = World::new();
    connect_one_of_three(&world, Plan::new(), "c1", None).await;
    world.clock.advance(limits::EXCHANGED_AFTER);
    for id in ["c2", "c3", "c4"] {
        let summary = connect_one_of_three(&world, Plan::new(), id, None).await;
        assert_eq!(summary.counted(metric::CONNECTIONS_REPLACED), 0);
    }
    assert_eq!(connected(&world), ["c1", "c2", "c3", "c4"]);
}

#[tokio::test]
async fn a_handshake_that_newer_ones_overtook_is_refused_and_may_be_repeated() {
    let world = World::new();
    for id in ["c1", "c2", "c3"] {
        connect_one_of_three(&world, Plan::new(), id, None).await;
    }
    let (tables, gateway) = (world.store.clone(), world.gateway.clone());
    let function = Connect::new(tables, gateway, world.clock.clone(), None).with_user_connections(3);
    let connected_at = samples::NOW;
    let call = Call { connection: samples::connection_id("c0"), connected_at, ..call(Format::RoomsV1, &[]) };
    assert_eq!(function.handle(call, &mut Summary::new("connect")).await.status, 503);
    assert_eq!(connected(&world), ["c1", "c2", "c3"]);
}

#[tokio::test]
async fn a_connection_that_cannot_be_ended_now_is_ended_by_the_next_one() {
    let world = World::new();
    for id in ["c1", "c2", "c3"] {
        connect_one_of_three(&world, Plan::new(), id, None).await;
    }
    let fails = Plan::new().nth(Operation::Close, 1, Fault::Before(How::Unavailable));
    connect_one_of_three(&world, fails, "c4", None).await;
    assert_eq!(connected(&world), ["c1", "c2", "c3", "c4"]);
    let summary = connect_one_of_three(&world, Plan::new(), "c5", None).await;
    assert_eq!(summary.counted(metric::CONNECTIONS_REPLACED), 2);
    assert_eq!(connected(&world), ["c3", "c4", "c5"]);
}

#[tokio::test]
async fn connecting_creates_no_head() {
    let world = World::new();
    assert_eq!(connect(&world, call(Format::Classic, &[("room", "den")])).await.status, 200);
    let rooms = ["*", "@ada", "den", "lobby"].map(samples::room);
    assert!(world.store.heads(&rooms).await.unwrap().is_empty());
}
