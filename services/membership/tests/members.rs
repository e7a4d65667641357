//! Memberships, positions at a join, and the replay for a member that returns.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use domain::ports::{Clock, Connections, Memberships, Rooms};
use domain::{Connection, Data, Endpoint, Format, Identity, Pattern, Permissions};
use lambda_kit::start::Routes;
use lambda_kit::websocket::Call;
use membership::{Membership, Ports};
use protocol::block::Block;
use protocol::context::Context;
use protocol::reply::{Answer, History, Joined, Synced, SyncedRooms};
use protocol::server::{Return, ServerFrame, System};
use telemetry::Summary;
use testkit::faults::{Call as Made, Decide, Fault, Faulty, Operation, Plan};
use testkit::memory::{Bug, Meter};
use testkit::{World, samples};
use tokens::Verifier;

async fn ask_as(world: &World, connection: &Connection, permissions: Permissions, body: &str) -> ServerFrame {
    ask_over(world, world.store.clone(), connection, permissions, body).await
}

async fn ask_over(
    world: &World,
    tables: impl Ports,
    connection: &Connection,
    permissions: Permissions,
    body: &str,
) -> ServerFrame {
    let identity = Identity {
        user: connection.user.clone(),
        device: None,
        guest: false,
        admin: false,
        expires_at: None,
        permissions,
        stamp: domain::TokenStamp::default(),
    };
    let call = Call {
        connection: connection.id.clone(),
        connected_at: connection.connected_at,
        route: "join".to_owned(),
        request_id: "r".to_owned(),
        context: Ok(Context { identity, format: Format::RoomsV1, room: None }),
        derived_endpoint: Endpoint::new(samples::ENDPOINT),
        body: body.to_owned(),
        subprotocols: Vec::new(),
        query: std::collections::HashMap::new(),
    };
    let verifier = Verifier::new(None, Some(testkit::keys::JWKS), None, None).unwrap();
    let function = Membership::new(tables, verifier, world.clock.clone(), world.chance.clone(), None);
    let answer = function.handle(call, &mut Summary::new("membership")).await;
    ServerFrame::parse(&answer.body.unwrap()).unwrap()
}

async fn ask(world: &World, connection: &Connection, body: &str) -> ServerFrame {
    ask_as(world, connection, Permissions::all(), body).await
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

/// Appends publications of these sizes to a room's log.
async fn publish(world: &World, room: &str, sizes: &[usize]) {
    let room = samples::room(room);
    let mut head = match world.store.head(&room).await.unwrap() {
        Some(head) => head,
        None => world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap(),
    };
    for chunk in sizes.chunks(49) {
        let data: Vec<Data> = chunk.iter().map(|size| Data::text(&"x".repeat(*size)).unwrap()).collect();
        let append = samples::append(&room, &head, &data, world.clock.now());
        world.store.append(&append).await.unwrap();
        head = append.head_after();
    }
}

#[tokio::test]
async fn a_join_states_where_the_room_stands_and_makes_a_member() {
    let world = World::new();
    publish(&world, "lobby", &[1; 7]).await;
    let ada = world.connect("c1", "ada").await;
    let joined: Joined = done(ask(&world, &ada, r#"{"action":"join","id":2,"room":"lobby"}"#).await);
    assert_eq!((joined.seq.get(), joined.recovered, joined.members), (7, None, Some(1)));
    assert!(world.store.membership(&ada.id, &samples::room("lobby")).is_some());
}

#[tokio::test]
async fn a_resume_gives_exactly_what_was_missed_page_by_page() {
    let world = World::new();
    publish(&world, "lobby", &[6_000; 23]).await;
    let ada = world.connect("c1", "ada").await;
    let (mut since, mut got, mut pages) = (3, Vec::new(), 0);
    loop {
        let body = format!(r#"{{"action":"join","id":2,"room":"lobby","since":{{"ep":"k7Qf","seq":{since}}}}}"#);
        let joined: Joined = done(ask(&world, &ada, &body).await);
        assert_eq!(joined.recovered, Some(true));
        pages += 1;
        got.extend(joined.b.iter().flat_map(|block| block.messages()).map(|(sequence, _)| sequence.get()));
        match joined.next {
            Some(next) => since = next.get(),
            None => break,
        }
    }
    assert_eq!(got, (4..=23).collect::<Vec<_>>());
    assert!(pages > 3, "{pages} pages of 30 KB");
}

#[tokio::test]
async fn recovered_is_never_partly_true() {
    let world = World::new();
    publish(&world, "lobby", &[1; 5]).await;
    world.clock.advance(domain::limits::RETENTION);
    publish(&world, "lobby", &[1; 5]).await;
    let ada = world.connect("c1", "ada").await;
    for (since, recovered) in [
        (r#"{"ep":"k7Qf","seq":3}"#, false),
        (r#"{"ep":"k7Qf","seq":11}"#, false),
        (r#"{"ep":"other","seq":5}"#, false),
        (r#"{"ep":"k7Qf","seq":5}"#, true),
        (r#"{"ep":"k7Qf","seq":10}"#, true),
    ] {
        let body = format!(r#"{{"action":"join","id":2,"room":"lobby","since":{since}}}"#);
        let joined: Joined = done(ask(&world, &ada, &body).await);
        assert_eq!(joined.recovered, Some(recovered), "{since}");
        assert_eq!(joined.b.is_empty(), !recovered || since.contains("10"), "{since}");
    }
}

#[tokio::test]
async fn a_sync_joins_every_room_and_its_replays_share_one_reply() {
    let world = World::new();
    for room in ["a", "b", "c"] {
        publish(&world, room, &[9_000; 3]).await;
    }
    let ada = world.connect("c1", "ada").await;
    let body = r#"{"action":"sync","id":1,"rooms":{"a":{"ep":"k7Qf","seq":0},"b":{"ep":"k7Qf","seq":0},"c":null,"@bob":null}}"#;
    let synced: SyncedRooms = done(ask(&world, &ada, body).await);
    let joined = |room: &str| match &synced.rooms[&samples::room(room)] {
        Synced::Joined(joined) => joined.clone(),
        Synced::Refused { err } => panic!("{room}: {err:?}"),
    };
    assert_eq!((joined("a").next, joined("a").b[0].m.len()), (None, 3));
    assert_eq!((joined("b").next.unwrap().get(), joined("b").recovered, joined("b").b.len()), (0, Some(true), 0));
    assert_eq!((joined("c").recovered, joined("c").seq.get()), (None, 3));
    assert!(
        matches!(&synced.rooms[&samples::room("@bob")], Synced::Refused { err } if err.code.as_str() == "forbidden")
    );
    assert_eq!(world.store.rooms_of(&ada.id).await.unwrap().len(), 4, "a, b, c and her inbox");
}

#[tokio::test]
async fn a_member_who_left_is_no_member_and_may_leave_again() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    ask(&world, &ada, r#"{"action":"join","id":2,"room":"lobby"}"#).await;
    for _ in 0..2 {
        ask(&world, &ada, r#"{"action":"leave","id":6,"room":"lobby"}"#).await;
        assert!(world.store.membership(&ada.id, &samples::room("lobby")).is_none());
    }
    assert_eq!(refused(ask(&world, &ada, r#"{"action":"leave","id":6,"room":"*"}"#).await), "invalid_room");
}

#[tokio::test]
async fn history_is_read_page_by_page_back_to_the_first() {
    let world = World::new();
    publish(&world, "lobby", &[10; 120]).await;
    let ada = world.connect("c1", "ada").await;
    let (mut before, mut got) = (String::new(), Vec::new());
    loop {
        let body = format!(r#"{{"action":"history","id":4,"room":"lobby","limit":50{before}}}"#);
        let page: History = done(ask(&world, &ada, &body).await);
        let rows: Vec<u64> = page.history.iter().flat_map(|b| b.messages()).map(|(s, _)| s.get()).collect();
        got.splice(0..0, rows);
        match page.before {
            Some(at) => before = format!(r#","before":{at}"#),
            None => break,
        }
    }
    assert_eq!(got, (1..=120).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_token_does_not_allow_is_refused() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    let only = Permissions { join: vec![Pattern::new("team:*")], ..Permissions::default() };
    for body in [
        r#"{"action":"join","id":1,"room":"lobby"}"#,
        r#"{"action":"join","id":1,"room":"@bob"}"#,
        r#"{"action":"history","id":1,"room":"team:7"}"#,
    ] {
        assert_eq!(refused(ask_as(&world, &ada, only.clone(), body).await), "forbidden", "{body}");
    }
    done::<Joined>(ask_as(&world, &ada, only, r#"{"action":"join","id":1,"room":"team:7"}"#).await);
}

/// The permissions of a token that may join every room, and read no history.
fn without_history() -> Permissions {
    Permissions { history: Vec::new(), ..Permissions::all() }
}

async fn since(world: &World, connection: &Connection, sequence: u64) -> (Option<bool>, usize) {
    let body = format!(r#"{{"action":"join","id":2,"room":"lobby","since":{{"ep":"k7Qf","seq":{sequence}}}}}"#);
    let joined: Joined = done(ask_as(world, connection, without_history(), &body).await);
    (joined.recovered, joined.b.iter().map(|block| block.m.len()).sum())
}

#[tokio::test]
async fn a_token_without_history_reads_nothing_from_before_its_membership_and_everything_since() {
    let world = World::new();
    publish(&world, "lobby", &[1; 5]).await;
    let ada = world.connect("c1", "ada").await;
    for _ in 0..2 {
        assert_eq!((since(&world, &ada, 0).await, since(&world, &ada, 4).await), ((Some(false), 0), (Some(false), 0)));
    }
    assert_eq!(since(&world, &ada, 5).await, (Some(true), 0));
    publish(&world, "lobby", &[1; 3]).await;
    assert_eq!((since(&world, &ada, 5).await, since(&world, &ada, 7).await), ((Some(true), 3), (Some(true), 1)));
    assert_eq!(since(&world, &ada, 4).await, (Some(false), 0));
    // A sync is no way around, and another connection of the user begins anew.
    let body = r#"{"action":"sync","id":1,"rooms":{"lobby":{"ep":"k7Qf","seq":2}}}"#;
    let synced: SyncedRooms = done(ask_as(&world, &ada, without_history(), body).await);
    let Synced::Joined(joined) = &synced.rooms[&samples::room("lobby")] else { panic!("{synced:?}") };
    assert_eq!((joined.recovered, joined.b.len(), joined.seq.get()), (Some(false), 0, 8));
    let tablet = world.connect("c2", "ada").await;
    assert_eq!(since(&world, &tablet, 5).await, (Some(false), 0));
    // A member that leaves and returns begins anew too.
    ask(&world, &ada, r#"{"action":"leave","id":6,"room":"lobby"}"#).await;
    assert_eq!(since(&world, &ada, 5).await, (Some(false), 0));
}

#[tokio::test]
async fn a_token_without_history_reads_all_of_a_room_that_is_younger_than_its_membership_and_its_own_inbox() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    ask_as(&world, &ada, without_history(), r#"{"action":"join","id":1,"room":"lobby"}"#).await;
    let epoch = world.store.head(&samples::room("lobby")).await.unwrap().unwrap().epoch;
    publish(&world, "lobby", &[1; 3]).await;
    publish(&world, "@ada", &[1; 2]).await;
    for (room, epoch, rows) in [("lobby", epoch.as_str(), 3), ("@ada", "k7Qf", 2)] {
        let body = format!(r#"{{"action":"join","id":2,"room":"{room}","since":{{"ep":"{epoch}","seq":0}}}}"#);
        let joined: Joined = done(ask_as(&world, &ada, without_history(), &body).await);
        assert_eq!((joined.recovered, joined.b[0].m.len()), (Some(true), rows), "{room}");
    }
}

#[tokio::test]
async fn a_member_sees_the_names_of_members_as_its_present_token_allows() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    let counts = Permissions { presence: vec![Pattern::new("team:*")], ..Permissions::all() };
    let body = r#"{"action":"sync","id":1,"rooms":{"lobby":null,"team:7":null}}"#;
    let sees = |room: &str| world.store.membership(&ada.id, &samples::room(room)).unwrap().member.sees_members;
    for (permissions, in_lobby) in [(counts.clone(), false), (Permissions::all(), true), (counts, false)] {
        let _: SyncedRooms = done(ask_as(&world, &ada, permissions, body).await);
        assert_eq!((sees("lobby"), sees("team:7")), (in_lobby, true));
    }
}

#[tokio::test]
async fn reading_a_room_that_does_not_exist_writes_nothing() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    for body in [
        r#"{"action":"history","id":1,"room":"none"}"#,
        r#"{"action":"who","id":1,"room":"none"}"#,
        r#"{"action":"ping","at":{"none":{"ep":"k7Qf","seq":5}}}"#,
        r#"{"action":"leave","id":1,"room":"none"}"#,
    ] {
        ask(&world, &ada, body).await;
        assert_eq!(world.store.head(&samples::room("none")).await.unwrap(), None, "{body}");
    }
    assert_eq!(world.store.rooms_of(&ada.id).await.unwrap(), [samples::room("@ada")]);
}

#[tokio::test]
async fn a_pong_says_which_rooms_have_moved_on() {
    let world = World::new();
    publish(&world, "lobby", &[1; 7]).await;
    publish(&world, "den", &[1; 2]).await;
    let ada = world.connect("c1", "ada").await;
    let body = r#"{"action":"ping","at":{"lobby":{"ep":"k7Qf","seq":5},"den":{"ep":"k7Qf","seq":2},"@bob":{"ep":"e","seq":1}}}"#;
    let ServerFrame::System(System::Pong { behind }) = ask(&world, &ada, body).await else { panic!() };
    assert_eq!(
        behind.into_iter().map(|(room, at)| (room.into_string(), at.sequence.get())).collect::<Vec<_>>(),
        [("@bob".to_owned(), 2), ("lobby".to_owned(), 7)],
        "of a room that it may not hear it learns only that it should ask"
    );
}

#[tokio::test]
async fn a_pong_names_a_room_that_a_backend_gave_if_it_has_moved_on() {
    let world = World::new();
    publish(&world, "@bob", &[1; 3]).await;
    let ada = world.connect("c1", "ada").await;
    let given = samples::membership(&ada, &samples::room("@bob"), domain::Shard::FIRST);
    let given = domain::Membership { granted: true, ..given };
    world.store.join(&[given]).await.remove(0).unwrap();
    for (stands, named) in [(3, vec![]), (2, vec![3])] {
        let body = format!(r#"{{"action":"ping","at":{{"@bob":{{"ep":"k7Qf","seq":{stands}}}}}}}"#);
        let ServerFrame::System(System::Pong { behind }) = ask(&world, &ada, &body).await else { panic!() };
        assert_eq!(behind.into_values().map(|at| at.sequence.get()).collect::<Vec<_>>(), named);
    }
}

#[tokio::test]
async fn a_ping_keeps_a_connection_alive_and_tells_a_forgotten_one_to_come_back() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    world.clock.advance(domain::limits::KEEP_ALIVE);
    ask(&world, &ada, r#"{"action":"ping"}"#).await;
    assert_eq!(world.store.find(&ada.id).await.unwrap().unwrap().last_seen_at, world.clock.now());
    world.store.bury(&ada.id, world.clock.now()).await.unwrap();
    let ServerFrame::System(System::Bye { retry, .. }) = ask(&world, &ada, r#"{"action":"ping"}"#).await else {
        panic!()
    };
    assert_eq!(retry, Return::Now);
}

#[tokio::test]
async fn a_room_of_500_members_grows_before_the_next_one_joins() {
    let world = World::new();
    for n in 0..501 {
        let member = world.connect(&format!("c{n}"), "ada").await;
        ask(&world, &member, r#"{"action":"join","id":2,"room":"lobby"}"#).await;
    }
    let head = world.store.head(&samples::room("lobby")).await.unwrap().unwrap();
    assert_eq!(head.shards.get(), 2);
}

#[tokio::test]
async fn a_connection_may_be_in_100_rooms_and_ask_again_where_it_is() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    for n in 0..99 {
        world.join(&ada, &format!("r{n}")).await;
    }
    let synced: SyncedRooms = done(
        ask(&world, &ada, r#"{"action":"sync","id":1,"rooms":{"@ada":null,"new1":null,"new2":null,"r0":null}}"#).await,
    );
    let outcomes: Vec<(&str, bool)> =
        synced.rooms.iter().map(|(room, synced)| (room.as_str(), matches!(synced, Synced::Joined(_)))).collect();
    assert_eq!(outcomes, [("@ada", true), ("new1", true), ("new2", false), ("r0", true)]);
    assert_eq!(refused(ask(&world, &ada, r#"{"action":"join","id":2,"room":"new2"}"#).await), "limit_exceeded");
    assert!(world.store.membership(&ada.id, &samples::room("new2")).is_none());
    let _: Joined = done(ask(&world, &ada, r#"{"action":"join","id":3,"room":"r7"}"#).await);
    ask(&world, &ada, r#"{"action":"leave","id":4,"room":"r7"}"#).await;
    let _: Joined = done(ask(&world, &ada, r#"{"action":"join","id":5,"room":"new2"}"#).await);
}

/// A world in which a meter counts what the function reads. Replicas have everything that was
/// published before.
fn metered(world: World) -> (World, Meter) {
    let meter = Meter::default();
    world.clock.advance(std::time::Duration::from_secs(1));
    let store = world.store.metered(&meter);
    (World { store, ..world }, meter)
}

fn log_bytes_read(meter: &Meter) -> usize {
    meter.take().iter().map(|read| read.bytes).sum()
}

fn bytes_given(blocks: &[Block]) -> usize {
    serde_json::to_string(blocks).unwrap().len()
}

#[tokio::test]
async fn a_resume_reads_at_most_1_3_times_the_bytes_it_gives() {
    let world = World::new();
    publish(&world, "lobby", &[4_096; 1_000]).await;
    let ada = world.connect("c1", "ada").await;
    let (world, meter) = metered(world);
    let (mut since, mut rows, mut given, mut read) = (0, 0, 0, 0);
    loop {
        let body = format!(r#"{{"action":"join","id":2,"room":"lobby","since":{{"ep":"k7Qf","seq":{since}}}}}"#);
        let joined: Joined = done(ask(&world, &ada, &body).await);
        assert_eq!(joined.recovered, Some(true));
        rows += joined.b.iter().map(|block| block.m.len()).sum::<usize>();
        given += bytes_given(&joined.b);
        read += log_bytes_read(&meter);
        match joined.next {
            Some(next) => since = next.get(),
            None => break,
        }
    }
    assert_eq!(rows, 1_000);
    assert!(read * 10 <= given * 13, "{read} bytes read for {given} given");
}

#[tokio::test]
async fn a_sync_of_a_hundred_rooms_reads_at_most_1_5_times_the_bytes_it_gives() {
    let world = World::new();
    let names: Vec<String> = (0..100).map(|n| format!("room{n}")).collect();
    for name in &names {
        publish(&world, name, &[500; 64]).await;
    }
    let ada = world.connect("c1", "ada").await;
    let (world, meter) = metered(world);
    let mut since: std::collections::BTreeMap<String, u64> = names.iter().map(|name| (name.clone(), 0)).collect();
    let (mut rows, mut given, mut read) = (0, 0, 0);
    while !since.is_empty() {
        let rooms: Vec<String> =
            since.iter().map(|(room, seq)| format!(r#""{room}":{{"ep":"k7Qf","seq":{seq}}}"#)).collect();
        let body = format!(r#"{{"action":"sync","id":1,"rooms":{{{}}}}}"#, rooms.join(","));
        let synced: SyncedRooms = done(ask(&world, &ada, &body).await);
        world.clock.advance(Duration::from_millis(300));
        let (now_given, now_read) = (given, read);
        for (room, outcome) in synced.rooms {
            let Synced::Joined(joined) = outcome else { panic!("{room} was refused") };
            assert_eq!(joined.recovered, Some(true));
            rows += joined.b.iter().map(|block| block.m.len()).sum::<usize>();
            given += bytes_given(&joined.b);
            match joined.next {
                Some(next) => since.insert(room.to_string(), next.get()),
                None => since.remove(&room.to_string()),
            };
        }
        read += log_bytes_read(&meter);
        let (given, read) = (given - now_given, read - now_read);
        assert!(read * 10 <= given * 15, "{read} bytes read for {given} given by one sync");
    }
    assert_eq!(rows, 6_400);
}

#[tokio::test]
async fn history_reads_at_most_1_5_times_the_bytes_it_gives() {
    let world = World::new();
    publish(&world, "lobby", &[4_096; 300]).await;
    let ada = world.connect("c1", "ada").await;
    let (world, meter) = metered(world);
    let body = r#"{"action":"history","id":4,"room":"lobby","limit":100}"#;
    let page: History = done(ask(&world, &ada, body).await);
    let (read, given) = (log_bytes_read(&meter), bytes_given(&page.history));
    assert!(given > 20_000 && read * 10 <= given * 15, "{read} bytes read for {given} given");
}

#[tokio::test]
async fn a_publication_that_no_replica_has_yet_is_replayed_all_the_same() {
    let world = World::new();
    publish(&world, "lobby", &[1; 5]).await;
    world.clock.advance(std::time::Duration::from_secs(1));
    publish(&world, "lobby", &[1; 2]).await;
    let ada = world.connect("c1", "ada").await;
    for (since, missed) in [(3, 4), (5, 2), (6, 1)] {
        let body = format!(r#"{{"action":"join","id":2,"room":"lobby","since":{{"ep":"k7Qf","seq":{since}}}}}"#);
        let joined: Joined = done(ask(&world, &ada, &body).await);
        assert_eq!((joined.recovered, joined.next), (Some(true), None), "since {since}");
        assert_eq!(joined.b.iter().map(|block| block.m.len()).sum::<usize>(), missed);
    }
    let page: History = done(ask(&world, &ada, r#"{"action":"history","id":4,"room":"lobby","limit":7}"#).await);
    assert_eq!(page.history.iter().map(|block| block.m.len()).sum::<usize>(), 7);
}

/// The mistake that the previous test is there to find.
#[tokio::test]
async fn a_short_run_that_is_believed_loses_what_no_replica_has_yet() {
    let world = World::new();
    publish(&world, "lobby", &[1; 5]).await;
    let ada = world.connect("c1", "ada").await;
    let world = World { store: world.store.with_bug(Some(Bug::ShortRunBelieved)), ..world };
    let body = r#"{"action":"join","id":2,"room":"lobby","since":{"ep":"k7Qf","seq":3}}"#;
    let joined: Joined = done(ask(&world, &ada, body).await);
    assert_eq!(joined.recovered, Some(false));
}

#[tokio::test]
async fn what_only_reads_writes_no_head() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    for body in [
        r#"{"action":"history","id":4,"room":"made:up"}"#,
        r#"{"action":"who","id":5,"room":"made:up"}"#,
        r#"{"action":"ping","at":{"made:up":{"ep":"k7Qf","seq":1}}}"#,
        r#"{"action":"sync","id":1,"rooms":{"@bob":null}}"#,
    ] {
        ask(&world, &ada, body).await;
        for room in ["made:up", "@bob", "@ada"] {
            assert_eq!(world.store.head(&samples::room(room)).await.unwrap(), None, "{room} after {body}");
        }
    }
}

#[tokio::test]
async fn a_join_of_a_room_without_a_head_states_the_epoch_of_its_first_publication() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    let joined: Joined = done(ask(&world, &ada, r#"{"action":"join","id":2,"room":"new"}"#).await);
    assert_eq!(joined.seq.get(), 0);
    publish(&world, "new", &[1]).await;
    let head = world.store.head(&samples::room("new")).await.unwrap().unwrap();
    assert_eq!((head.epoch, head.sequence.get()), (joined.ep, 1));
}

#[tokio::test]
async fn a_head_outlives_a_member_that_joins_and_is_written_only_when_less_than_half_of_its_life_is_left() {
    let world = World::new();
    publish(&world, "lobby", &[1]).await;
    let room = samples::room("lobby");
    let ends = async || world.store.head(&room).await.unwrap().unwrap().expires_at;
    let first = ends().await;
    for (id, days, moves) in [("c1", 3, false), ("c2", 2, true), ("c3", 3, false)] {
        world.clock.advance(std::time::Duration::from_secs(days * 24 * 60 * 60));
        let before = ends().await;
        let member = world.connect(id, "ada").await;
        done::<Joined>(ask(&world, &member, r#"{"action":"join","id":2,"room":"lobby"}"#).await);
        assert_eq!(ends().await > before, moves, "{id}");
    }
    assert!(ends().await > first);
}

#[tokio::test]
async fn a_room_that_comes_back_after_its_head_expired_has_another_epoch_and_is_recovered_false() {
    let world = World::new();
    publish(&world, "lobby", &[1; 3]).await;
    world.clock.advance(domain::limits::HEAD_LIFE);
    world.store.sweep_expired();
    let ada = world.connect("c1", "ada").await;
    let pong = ask(&world, &ada, r#"{"action":"ping","at":{"lobby":{"ep":"k7Qf","seq":3}}}"#).await;
    assert!(matches!(pong, ServerFrame::System(System::Pong { behind }) if behind.len() == 1));
    let body = r#"{"action":"join","id":2,"room":"lobby","since":{"ep":"k7Qf","seq":3}}"#;
    let joined: Joined = done(ask(&world, &ada, body).await);
    assert_eq!((joined.recovered, joined.seq.get()), (Some(false), 0));
    assert_ne!(joined.ep.as_str(), "k7Qf");
}

#[tokio::test]
async fn a_client_ahead_of_a_restored_room_learns_it_from_a_pong_and_from_a_resume() {
    let world = World::new();
    publish(&world, "lobby", &[1; 7]).await;
    let room = samples::room("lobby");
    let ada = world.connect("c1", "ada").await;
    let before = world.store.head(&room).await.unwrap().unwrap();
    world.store.restore(&room, 3);
    let after = world.store.head(&room).await.unwrap().unwrap();
    assert!(after.epoch != before.epoch && after.sequence.get() == 4 && after.unsent().is_none());
    let ServerFrame::System(System::Pong { behind }) =
        ask(&world, &ada, r#"{"action":"ping","at":{"lobby":{"ep":"k7Qf","seq":7}}}"#).await
    else {
        panic!("no pong")
    };
    assert_eq!(behind[&room], after.position());
    let body = r#"{"action":"join","id":2,"room":"lobby","since":{"ep":"k7Qf","seq":3}}"#;
    let joined: Joined = done(ask(&world, &ada, body).await);
    assert_eq!((joined.recovered, joined.ep.clone(), joined.seq.get()), (Some(false), after.epoch, 4));
    // The first publication follows the position that the join stated, although no write has stored
    // the epoch.
    let restored = world.store.head(&room).await.unwrap().unwrap();
    let mut append = samples::append(&room, &restored, &[samples::data("1")], world.clock.now());
    let (publication, key) = &mut append.publications[0];
    publication.id = samples::publication_id("after");
    key.id = publication.id.clone();
    assert_eq!(world.store.append(&append).await.unwrap(), domain::ports::Appended::Stored);
    let head = world.store.head(&room).await.unwrap().unwrap();
    assert_eq!((head.epoch, head.sequence.get()), (joined.ep, 5));
}

#[tokio::test]
async fn a_pong_makes_a_client_ahead_of_its_room_ask() {
    let world = World::new();
    publish(&world, "lobby", &[1; 4]).await;
    let ada = world.connect("c1", "ada").await;
    let ServerFrame::System(System::Pong { behind }) =
        ask(&world, &ada, r#"{"action":"ping","at":{"lobby":{"ep":"k7Qf","seq":9}}}"#).await
    else {
        panic!("no pong")
    };
    assert_eq!(behind[&samples::room("lobby")].sequence.get(), 10, "beyond its own position: it asks");
    let body = r#"{"action":"join","id":2,"room":"lobby","since":{"ep":"k7Qf","seq":9}}"#;
    let joined: Joined = done(ask(&world, &ada, body).await);
    assert_eq!((joined.recovered, joined.seq.get()), (Some(false), 4));
}

#[tokio::test]
async fn a_room_that_the_token_does_not_allow_any_more_is_left_when_it_is_asked_for() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    for room in ["lobby", "team:7"] {
        world.join(&ada, room).await;
    }
    let only = Permissions { join: vec![Pattern::new("lobby")], ..Permissions::default() };
    for body in [r#"{"action":"join","id":1,"room":"team:7"}"#, r#"{"action":"join","id":2,"room":"team:7"}"#] {
        assert_eq!(refused(ask_as(&world, &ada, only.clone(), body).await), "forbidden");
        assert!(world.store.membership(&ada.id, &samples::room("team:7")).is_none());
    }
    assert!(world.store.membership(&ada.id, &samples::room("lobby")).is_some());
}

/// Lets each call take one second of the world's time. So the time of a request is the number of
/// its consecutive calls.
struct Slow(World);

const CALL: Duration = Duration::from_secs(1);

impl Decide for Slow {
    fn decide(&self, _: Made) -> Fault {
        Fault::Pass
    }

    async fn before(&self, _: Made) {
        self.0.clock.sleep(CALL).await;
    }
}

#[tokio::test]
async fn a_hundred_rooms_take_no_more_than_six_calls_one_after_the_other() {
    let names: Vec<String> = (0..100).map(|n| format!("r{n}")).collect();
    let body = |rooms: &[String]| {
        let at = r#"{"ep":"k7Qf","seq":1}"#;
        let rooms: Vec<String> = rooms.iter().map(|room| format!(r#""{room}":{at}"#)).collect();
        format!(r#"{{"action":"sync","id":1,"rooms":{{{}}}}}"#, rooms.join(","))
    };
    for known in [false, true] {
        let world = World::new();
        for room in names.iter().filter(|_| known) {
            publish(&world, room, &[1]).await;
        }
        let ada = world.connect("c1", "ada").await;
        for (rooms, most) in [(&names[..1], 6), (&names[..], 6), (&names[..], 4)] {
            let tables = Faulty::new(world.store.clone(), Slow(world.clone()));
            let began = world.clock.now();
            let synced: SyncedRooms =
                done(ask_over(&world, tables.clone(), &ada, Permissions::all(), &body(rooms)).await);
            assert!(synced.rooms.values().all(|synced| matches!(synced, Synced::Joined(_))), "{synced:?}");
            // A room that had no member yet gets a head, which is one call more.
            let most = most + u64::from(!known);
            let calls = world.clock.now().since(began).as_secs();
            assert!(calls <= most, "{calls} calls one after the other for {} rooms", rooms.len());
            let writes = tables.calls(Operation::Join);
            assert!(writes <= 1, "{writes} writes of memberships");
            let creations = tables.calls(Operation::Create);
            assert!(creations as usize <= if known { 0 } else { rooms.len() }, "{creations} heads created");
        }
    }
}

#[tokio::test]
async fn rooms_that_a_connection_is_in_cost_no_write() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    for room in ["a", "b"] {
        ask(&world, &ada, &format!(r#"{{"action":"join","id":1,"room":"{room}"}}"#)).await;
    }
    let tables = Faulty::new(world.store.clone(), Plan::new());
    let body = r#"{"action":"sync","id":1,"rooms":{"a":null,"b":null,"@ada":null,"*":null}}"#;
    let _: SyncedRooms = done(ask_over(&world, tables.clone(), &ada, Permissions::all(), body).await);
    for write in [Operation::Join, Operation::Grow, Operation::Extend, Operation::Leave, Operation::TakeBack] {
        assert_eq!(tables.calls(write), 0, "{write:?}");
    }
    assert_eq!(
        tables.calls(Operation::Create),
        2,
        "of the inbox and of *, whose positions are asked for the first time"
    );
}
