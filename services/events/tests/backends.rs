//! Events are published once, poison becomes a dead letter with its reason, and commands are
//! carried out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ports::{Bans, Charges, Clock, Connections, Holds, Memberships, Receipt, Rooms};
use domain::{Connection, Device, Format, Submission, limits};
use events::{Events, Source};
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Batches;
use proptest::prelude::*;
use protocol::backend::Wrapping;
use serde_json::{Value, json};
use telemetry::Summary;
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::memory::Lag;
use testkit::{World, samples};

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:events";

/// As SNS delivers it.
fn enveloped(body: &str, attributes: Value) -> String {
    let attributes: BTreeMap<String, Value> = attributes
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), json!({ "Type": "String", "Value": value })))
        .collect();
    json!({
        "Type": "Notification", "MessageId": "9a8b7c6d-0000-4000-8000-000000000001", "TopicArn": TOPIC, "Message": body,
        "Timestamp": "2026-11-21T08:00:00.000Z", "SignatureVersion": "1", "Signature": "x", "SigningCertURL": "https://x",
        "UnsubscribeURL": "https://x", "MessageAttributes": attributes,
    })
    .to_string()
}

fn message(id: &str, group: &str, body: &str) -> Message {
    Message {
        id: id.to_owned(),
        receipt: Receipt { queue: "events".to_owned(), handle: id.to_owned() },
        group: group.to_owned(),
        receives: 1,
        first_received_at: samples::NOW,
        attributes: BTreeMap::new(),
        body: body.to_owned(),
    }
}

/// Handles messages of subscriptions that deliver raw.
async fn hear_with(world: &World, plan: Plan, groups: Vec<Vec<Message>>) -> Vec<Failed> {
    hear_as(world, plan, Wrapping::Raw, groups).await
}

async fn hear_as(world: &World, plan: Plan, wrapping: Wrapping, groups: Vec<Vec<Message>>) -> Vec<Failed> {
    let queues = Faulty::new(world.queues.clone(), plan.clone());
    let events = Events::new(
        Faulty::new(world.store.clone(), plan),
        queues,
        world.gateway.clone(),
        world.clock.clone(),
        world.chance.clone(),
        Source::of_queue("https://sqs.us-east-1.amazonaws.com/000000000000/commands", wrapping),
    );
    let deadline = Deadline::at(world.clock.now().plus(Duration::from_secs(5)));
    events.handle(groups, deadline, &mut Summary::new("events")).await
}

async fn hear(world: &World, body: &str) -> Vec<Submission> {
    assert!(hear_with(world, Plan::new(), vec![vec![message("m1", "", body)]]).await.is_empty());
    world.queues.publications.bodies()
}

/// Handles a message of a subscription that delivers in envelopes.
async fn hear_enveloped(world: &World, body: &str, attributes: Value) -> Vec<Submission> {
    let groups = vec![vec![message("m1", "", &enveloped(body, attributes))]];
    assert!(hear_as(world, Plan::new(), Wrapping::Envelope, groups).await.is_empty());
    world.queues.publications.bodies()
}

/// A message of the queue of commands.
fn commanded(id: &str, group: &str, command: &Value) -> Message {
    let letter = message(id, group, &enveloped(&command.to_string(), json!({})));
    Message { receipt: Receipt { queue: "commands".to_owned(), handle: id.to_owned() }, ..letter }
}

/// Handles a message of the queue of commands.
async fn order(world: &World, command: Value) {
    let groups = vec![vec![commanded("m1", "", &command)]];
    assert!(hear_as(world, Plan::new(), Wrapping::Envelope, groups).await.is_empty());
}

fn reasons(world: &World) -> Vec<String> {
    world.queues.dead.lock().unwrap().iter().map(|letter| letter.reason.clone()).collect()
}

#[tokio::test]
async fn an_enveloped_event_is_published_under_its_own_id_or_that_of_sns() {
    let world = World::new();
    let own = r#"{"room":"lobby","id":"order-7","by":"shop","data":{"n":1}}"#;
    let queued = hear_enveloped(&world, own, json!({})).await;
    assert_eq!(
        (queued[0].room.as_str(), queued[0].items[0].id.as_ref(), queued[0].by.as_ref()),
        ("lobby", "order-7", "shop")
    );
    assert_eq!(queued[0].publisher.as_str(), "*events");
    let queued = hear_enveloped(&world, r#"{"room":"@ada","data":null}"#, json!({})).await;
    assert_eq!(queued[1].items[0].id.as_ref(), "9a8b7c6d-0000-4000-8000-000000000001");
    assert_eq!((queued[1].room.as_str(), queued[1].by.as_ref()), ("@ada", "backend"));
}

#[tokio::test]
async fn a_raw_event_without_an_id_is_named_after_the_queues_message() {
    let world = World::new();
    let queued = hear(&world, r#"{"room":"lobby","data":1}"#).await;
    assert_eq!(queued[0].items[0].id.as_ref(), "m1");
}

#[tokio::test]
async fn a_room_in_a_message_attribute_makes_the_whole_body_the_data() {
    let world = World::new();
    let attributes = json!({ "room": "lobby", "id": "x1", "by": "shop" });
    let queued = hear_enveloped(&world, r#"{"room":"elsewhere","price":1.10}"#, attributes).await;
    assert_eq!(queued[0].room.as_str(), "lobby");
    assert_eq!(queued[0].items[0].data.as_json(), r#"{"room":"elsewhere","price":1.10}"#);
    let mut raw = message("m2", "", "[1,2]");
    raw.attributes = [("room".to_owned(), "team:7".to_owned())].into();
    assert!(hear_with(&world, Plan::new(), vec![vec![raw]]).await.is_empty());
    assert_eq!(world.queues.publications.bodies()[1].room.as_str(), "team:7");
}

#[tokio::test]
async fn an_event_reaches_up_to_100_rooms_each_once() {
    let world = World::new();
    let rooms: Vec<String> = (0..100).map(|n| format!("r{n}")).chain(["r0".to_owned()]).collect();
    let queued = hear(&world, &json!({ "rooms": rooms, "id": "x", "data": 1 }).to_string()).await;
    assert_eq!(queued.len(), 100);
    let rooms: Vec<String> = (0..101).map(|n| format!("r{n}")).collect();
    hear(&world, &json!({ "rooms": rooms, "data": 1 }).to_string()).await;
    assert_eq!(reasons(&world), ["more than 100 rooms are named"]);
}

#[tokio::test]
async fn poison_is_a_dead_letter_with_its_reason_and_what_came_with_it_is_published() {
    let world = World::new();
    let long = json!({ "room": "lobby", "data": "x".repeat(25_000) }).to_string();
    let bad = [
        "no JSON",
        "[1]",
        r#"{"data":1}"#,
        r#"{"room":"lobby"}"#,
        r#"{"room":"no spaces","data":1}"#,
        r#"{"room":7,"data":1}"#,
        r#"{"room":"a","rooms":["b"],"data":1}"#,
        r#"{"rooms":[],"data":1}"#,
        r#"{"room":"a","id":"","data":1}"#,
        r#"{"room":"a","by":"two words","data":1}"#,
        &long,
        r#"{"command":"explode"}"#,
    ];
    let mut batch: Vec<Message> =
        bad.iter().enumerate().map(|(n, body)| message(&format!("bad{n}"), "", body)).collect();
    batch.insert(3, message("good", "", r#"{"room":"lobby","data":1}"#));
    assert!(hear_with(&world, Plan::new(), vec![batch]).await.is_empty(), "nothing comes back");
    assert_eq!(world.queues.publications.bodies().len(), 1);
    assert_eq!(reasons(&world).len(), bad.len());
    assert!(reasons(&world).iter().all(|reason| reason.len() > 10), "{:?}", reasons(&world));
}

#[tokio::test]
async fn what_cannot_be_queued_or_buried_now_comes_back_alone() {
    let world = World::new();
    let plan = Plan::new().nth(Operation::Submit, 1, Fault::Before(How::Unavailable)).nth(
        Operation::BuryLetter,
        1,
        Fault::Before(How::Throttled),
    );
    let batch = vec![
        message("a", "", r#"{"room":"a","data":1}"#),
        message("b", "", "poison"),
        message("c", "", r#"{"room":"c","data":2}"#),
    ];
    let failed = hear_with(&world, plan, vec![batch]).await;
    let mut ids: Vec<&str> = failed.iter().map(|failed| failed.message.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(world.queues.publications.bodies().len(), 1);
}

#[tokio::test]
async fn in_an_ordered_group_what_has_to_wait_holds_back_what_comes_after_it_and_no_other_group() {
    let world = World::new();
    let event = |id: &str, group: &str| message(id, group, &json!({ "room": group, "id": id, "data": 1 }).to_string());
    let plan = Plan::new().nth(Operation::Submit, 1, Fault::Before(How::Unavailable));
    let failed = hear_with(&world, plan, vec![vec![event("a1", "a"), event("a2", "a")], vec![event("b1", "b")]]).await;
    let ids: Vec<&str> = failed.iter().map(|failed| failed.message.id.as_str()).collect();
    assert_eq!(ids, ["a1", "a2"]);
    assert_eq!(world.queues.publications.bodies()[0].items[0].id.as_ref(), "b1");
}

#[tokio::test]
async fn a_backend_joins_and_removes_every_connection_of_a_user_and_tells_them() {
    let world = World::new();
    let phone = world.connect("phone", "ada").await;
    let laptop = world.connect_as("laptop", "ada", Format::Classic).await;
    let bob = world.connect("bobs", "bob").await;
    order(&world, json!({ "command": "join", "room": "lobby", "user": "ada" })).await;
    for connection in [&phone, &laptop] {
        assert!(world.store.rooms_of(&connection.id).await.unwrap().contains(&samples::room("lobby")));
    }
    assert!(!world.store.rooms_of(&bob.id).await.unwrap().contains(&samples::room("lobby")));
    assert!(
        world.heard(&phone.id)[0].starts_with(r#"{"sys":"joined","room":"lobby","ep":"#),
        "{:?}",
        world.heard(&phone.id)
    );
    assert!(world.heard(&laptop.id).is_empty(), "a classic client knows no such words");
    order(&world, json!({ "command": "remove", "room": "lobby", "user": "ada" })).await;
    assert!(!world.store.rooms_of(&phone.id).await.unwrap().contains(&samples::room("lobby")));
    assert_eq!(world.heard(&phone.id)[1], r#"{"sys":"left","room":"lobby","code":"removed"}"#);
}

#[tokio::test]
async fn a_member_that_a_backend_joins_sees_members_only_if_its_token_allows_that_everywhere() {
    let world = World::new();
    let now = world.clock.now();
    let sees = |id: &str, sees_members| Connection { sees_members, ..samples::connection(id, "ada", now) };
    let (seeing, blind) = (world.open(sees("c1", true)).await, world.open(sees("c2", false)).await);
    for _ in 0..2 {
        order(&world, json!({ "command": "join", "room": "lobby", "user": "ada" })).await;
        let is_seeing = |connection: &Connection| {
            world.store.membership(&connection.id, &samples::room("lobby")).unwrap().member.sees_members
        };
        assert_eq!((is_seeing(&seeing), is_seeing(&blind)), (true, false));
    }
}

#[tokio::test]
async fn a_backend_closes_a_users_connections_or_one_connection_and_they_are_forgotten() {
    let world = World::new();
    let phone = world.connect("phone", "ada").await;
    let laptop = world.connect("laptop", "ada").await;
    let bob = world.connect("bobs", "bob").await;
    order(&world, json!({ "command": "close", "user": "ada" })).await;
    for connection in [&phone, &laptop] {
        assert!(world.store.find(&connection.id).await.unwrap().is_none());
        assert_eq!(world.heard(&connection.id), [r#"{"sys":"bye","code":"kicked","retry":"never"}"#]);
    }
    assert!(world.store.find(&bob.id).await.unwrap().is_some());
    order(&world, json!({ "command": "close", "connection": "bobs" })).await;
    assert!(world.store.find(&bob.id).await.unwrap().is_none());
    order(&world, json!({ "command": "close", "connection": "bobs" })).await;
    assert!(reasons(&world).is_empty(), "one that is gone already is no mistake");
}

#[tokio::test]
async fn a_ban_closes_the_connections_that_it_keeps_out_and_holds_until_it_is_lifted() {
    let world = World::new();
    let on = async |id: &str, device: &str| {
        let connection = samples::connection(id, "ada", world.clock.now());
        world.open(Connection { device: Some(Device::parse(device).unwrap()), ..connection }).await
    };
    let (phone, laptop, bob) = (on("c1", "phone").await, on("c2", "laptop").await, world.connect("c3", "bob").await);
    let stored = async |connection: &Connection| world.store.find(&connection.id).await.unwrap().is_some();
    let until = world.clock.now().plus(std::time::Duration::from_secs(60)).as_ms();
    let ban = json!({ "command": "ban", "user": "ada", "device": "phone", "until": until });
    for _ in 0..2 {
        order(&world, ban.clone()).await;
        assert_eq!(world.heard(&phone.id), [r#"{"sys":"bye","code":"kicked","retry":"never"}"#]);
        assert_eq!((stored(&phone).await, stored(&laptop).await, stored(&bob).await), (false, true, true));
    }
    order(&world, json!({ "command": "ban", "user": "ada" })).await;
    assert_eq!((stored(&laptop).await, stored(&bob).await), (false, true));
    let user = samples::user("ada");
    assert_eq!(world.store.bans_of(&user, world.clock.now()).await.unwrap().len(), 2);
    order(&world, json!({ "command": "unban", "user": "ada" })).await;
    order(&world, json!({ "command": "unban", "user": "ada", "device": "phone" })).await;
    assert_eq!(world.store.bans_of(&user, world.clock.now()).await.unwrap(), []);
    assert!(reasons(&world).is_empty());
}

#[tokio::test]
async fn a_revocation_closes_the_connections_of_older_tokens_and_no_others() {
    let world = World::new();
    let now = world.clock.now();
    let issued = |id: &str, user: &str, before_s| {
        let stamp = samples::stamp(id, now.minus(std::time::Duration::from_secs(before_s)));
        world.open(Connection { stamp, ..samples::connection(id, user, now) })
    };
    let (old, older) = (issued("t-old", "ada", 60).await, issued("t-older", "ada", 90).await);
    let (young, bob) = (issued("t-young", "ada", 0).await, issued("t-bob", "bob", 60).await);
    let stored = async |connection: &Connection| world.store.find(&connection.id).await.unwrap().is_some();
    let bye = [r#"{"sys":"bye","code":"revoked","retry":"never"}"#];
    order(&world, json!({ "command": "ban", "user": "ada", "token_id": "t-older" })).await;
    assert_eq!(world.heard(&older.id), bye);
    assert_eq!((stored(&older).await, stored(&old).await), (false, true));
    let revoke = json!({ "command": "revoke", "user": "ada", "issued_before": now.as_ms() });
    for _ in 0..2 {
        order(&world, revoke.clone()).await;
        assert_eq!(world.heard(&old.id), bye);
        assert_eq!((stored(&old).await, stored(&young).await, stored(&bob).await), (false, true, true));
    }
    let user = samples::user("ada");
    let bans = async || world.store.bans_of(&user, world.clock.now()).await.unwrap().len();
    assert_eq!(bans().await, 2);
    order(&world, json!({ "command": "unban", "user": "ada", "token_id": "t-older" })).await;
    order(&world, json!({ "command": "unban", "user": "ada", "issued_before": now.as_ms() })).await;
    assert_eq!(bans().await, 0);
    assert!(reasons(&world).is_empty());
}

#[tokio::test]
async fn a_revocation_of_tokens_that_are_yet_to_be_issued_is_a_dead_letter() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    let ahead = world.clock.now().plus(limits::REVOCATION_AHEAD);
    for command in ["revoke", "unban"] {
        let at = |ms: u64| json!({ "command": command, "user": "ada", "issued_before": ms });
        order(&world, at(ahead.as_ms() + 1)).await;
        assert!(reasons(&world).pop().unwrap().contains("lies in the future"));
        assert!(world.store.find(&ada.id).await.unwrap().is_some());
    }
    order(&world, json!({ "command": "revoke", "user": "ada", "issued_before": ahead.as_ms() })).await;
    assert!(world.store.find(&ada.id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_command_that_is_refused_is_soon_a_dead_letter_with_its_reason_and_its_group_goes_on() {
    let world = World::new();
    world.connect("phone", "ada").await;
    let refused = || Plan::new().always(Operation::Leave, Fault::Before(How::Refused));
    let remove = json!({ "command": "remove", "room": "lobby", "user": "ada" });
    let group = |receives| {
        let command = Message { receives, ..commanded("k1", "g", &remove) };
        let event = enveloped(r#"{"room":"lobby","id":"e1","data":1}"#, json!({}));
        vec![vec![command, message("e1", "g", &event)]]
    };
    let hear = async |receives| hear_as(&world, refused(), Wrapping::Envelope, group(receives)).await;
    for receives in 1..limits::RECEIVES_IF_REFUSED {
        assert_eq!(hear(receives).await.len(), 2);
    }
    assert!(hear(limits::RECEIVES_IF_REFUSED).await.is_empty());
    let dead = world.queues.dead.lock().unwrap().clone();
    assert!(dead[0].body.contains("remove") && dead[0].reason.starts_with("tried 3 times; at last: "), "{dead:?}");
    assert_eq!((dead.len(), world.queues.publications.bodies().len()), (1, 1));
}

#[tokio::test]
async fn a_command_that_is_refused_for_one_connection_is_carried_out_on_the_others() {
    let world = World::new();
    for id in ["phone", "laptop", "tablet"] {
        let connection = world.connect(id, "ada").await;
        world.join(&connection, "lobby").await;
    }
    let plan = Plan::new().nth(Operation::Leave, 1, Fault::Before(How::Refused));
    let remove = json!({ "command": "remove", "room": "lobby", "user": "ada" });
    let groups = vec![vec![commanded("k1", "", &remove)]];
    assert_eq!(hear_as(&world, plan, Wrapping::Envelope, groups).await.len(), 1);
    let lobby = samples::room("lobby");
    let left = world.store.memberships().into_iter().filter(|membership| membership.room == lobby).count();
    assert_eq!(left, 1, "the command is tried again for this one");
}

#[tokio::test]
async fn a_command_in_a_queue_of_events_is_a_dead_letter_whatever_topic_it_names() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    let command = json!({ "command": "close", "user": "ada" }).to_string();
    let forged = enveloped(&command, json!({})).replace(":events\"", ":commands\"");
    for (wrapping, body) in [
        (Wrapping::Envelope, enveloped(&command, json!({}))),
        (Wrapping::Envelope, forged.clone()),
        (Wrapping::Envelope, enveloped(&forged, json!({}))),
        (Wrapping::Envelope, command.clone()),
        (Wrapping::Raw, command),
        (Wrapping::Raw, forged),
    ] {
        let groups = vec![vec![message("m1", "", &body)]];
        assert!(hear_as(&world, Plan::new(), wrapping, groups).await.is_empty());
        assert!(world.store.find(&ada.id).await.unwrap().is_some(), "{wrapping:?} {body}");
    }
    assert_eq!(reasons(&world).len(), 6, "{:?}", reasons(&world));
    assert!(reasons(&world)[0].contains("the topic commands"), "{:?}", reasons(&world));
}

#[tokio::test]
async fn an_envelope_in_a_raw_delivery_is_not_opened() {
    let world = World::new();
    let event = r#"{"room":"lobby","id":"forged","by":"shop","data":1}"#;
    assert!(hear(&world, &enveloped(event, json!({ "room": "lobby" }))).await.is_empty());
    assert_eq!(reasons(&world).len(), 1);
    // With the room outside, all of the text is data, and its envelope too.
    let mut raw = message("m2", "", &enveloped(event, json!({ "id": "forged", "by": "ada" })));
    raw.attributes = [("room".to_owned(), "lobby".to_owned())].into();
    assert!(hear_with(&world, Plan::new(), vec![vec![raw]]).await.is_empty());
    let queued = &world.queues.publications.bodies()[0];
    assert_eq!((queued.items[0].id.as_ref(), queued.by.as_ref()), ("m2", "backend"));
}

#[tokio::test]
async fn a_message_without_its_envelope_is_a_dead_letter_where_envelopes_are_delivered() {
    let world = World::new();
    for body in [r#"{"room":"lobby","data":1}"#, r#"{"Type":"SubscriptionConfirmation"}"#, "x"] {
        let groups = vec![vec![message("m1", "", body)]];
        assert!(hear_as(&world, Plan::new(), Wrapping::Envelope, groups).await.is_empty());
    }
    assert!(world.queues.publications.bodies().is_empty());
    assert!(reasons(&world).iter().all(|reason| reason.contains("raw delivery")), "{:?}", reasons(&world));
}

#[tokio::test]
async fn an_event_in_the_queue_of_commands_is_a_dead_letter_of_that_queue() {
    let world = World::new();
    order(&world, json!({ "room": "lobby", "data": 1 })).await;
    order(&world, json!({ "command": "explode" })).await;
    assert!(world.queues.publications.bodies().is_empty());
    let dead = world.queues.dead.lock().unwrap().clone();
    assert_eq!(dead.iter().map(|letter| letter.source.as_str()).collect::<Vec<_>>(), ["commands", "commands"]);
    assert!(dead[0].reason.contains("the topic events"), "{:?}", dead[0].reason);
}

#[tokio::test]
async fn nobody_is_joined_to_somebody_elses_inbox() {
    let world = World::new();
    for room in ["@bob", "*"] {
        order(&world, json!({ "command": "join", "room": room, "user": "ada" })).await;
    }
    assert_eq!(reasons(&world).len(), 2);
}

proptest! {
    #[test]
    fn every_body_is_published_or_a_dead_letter(body in ".{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let queued = hear(&world, &body).await.len();
            assert_eq!(queued + reasons(&world).len(), 1);
        });
    }
}

#[tokio::test]
async fn commands_reach_connections_that_no_index_shows_yet_and_none_that_opens_later() {
    let world = World::new();
    world.store.set_lag(Lag::Time(Duration::from_secs(60)));
    let young = world.connect("young", "bob").await;
    order(&world, json!({ "command": "join", "room": "team", "user": "bob" })).await;
    assert!(world.store.membership(&young.id, &samples::room("team")).is_some());
    order(&world, json!({ "command": "remove", "room": "team", "user": "bob" })).await;
    assert!(world.store.membership(&young.id, &samples::room("team")).is_none());
    order(&world, json!({ "command": "close", "user": "bob" })).await;
    assert!(world.store.is_buried(&young.id) && !world.gateway.is_open(&young.id));
    let later = world.connect("later", "bob").await;
    world.clock.advance(Duration::from_secs(120));
    assert!(!world.store.is_buried(&later.id) && world.gateway.is_open(&later.id));
}

#[tokio::test]
async fn an_event_that_the_queue_refuses_is_a_dead_letter_at_once_and_one_that_fails_for_now_comes_back() {
    let world = World::new();
    let event = |id: &str| message(id, "group", r#"{"room":"lobby","data":1}"#);
    // The call for both, and that for the first one.
    let refused = Fault::Before(How::Refused);
    let plan = Plan::new().nth(Operation::Submit, 1, refused).nth(Operation::Submit, 2, refused);
    assert!(hear_with(&world, plan, vec![vec![event("m1"), event("m2")]]).await.is_empty());
    assert_eq!((reasons(&world).len(), world.queues.publications.bodies().len()), (1, 1));
    assert!(reasons(&world)[0].contains("could not be queued"), "{:?}", reasons(&world));
    let plan = Plan::new().nth(Operation::Submit, 1, Fault::Before(How::Unavailable));
    let failed = hear_with(&world, plan, vec![vec![event("m3"), event("m4")]]).await;
    assert_eq!(failed.iter().map(|failed| failed.message.id.as_str()).collect::<Vec<_>>(), ["m3", "m4"]);
    assert_eq!(reasons(&world).len(), 1);
}

fn event(id: &str, room: &str) -> Message {
    message(id, "", &json!({ "room": room, "id": id, "data": 1 }).to_string())
}

/// Whatever is published to the room keeps it busy for 4 s.
async fn keep_busy(world: &World, room: &str) {
    let (room, now) = (samples::room(room), world.clock.now());
    world.store.create(&room, &samples::epoch("k7Qf"), now).await.unwrap();
    world.store.note_room_busy(&room, &domain::Load::until(now.plus(Duration::from_secs(4)))).await.unwrap();
}

fn held(world: &World) -> Vec<(u64, Vec<String>)> {
    let ids = |one: &Submission| one.items.iter().map(|item| item.id.to_string()).collect();
    world.queues.publications_held.bodies().iter().map(|one| (one.held_number().unwrap(), ids(one))).collect()
}

#[tokio::test]
async fn what_is_beyond_the_rate_of_a_room_is_held_and_so_is_what_follows_it_however_quiet_the_room_is() {
    let world = World::new();
    keep_busy(&world, "hot").await;
    let batch = vec![event("h1", "hot"), event("d1", "den"), event("h2", "hot")];
    assert!(hear_with(&world, Plan::new(), vec![batch]).await.is_empty());
    assert_eq!(held(&world), [(2, vec!["h1".to_owned(), "h2".to_owned()])]);
    world.clock.advance(Duration::from_secs(60));
    assert!(hear_with(&world, Plan::new(), vec![vec![event("h3", "hot"), event("d2", "den")]]).await.is_empty());
    assert_eq!(held(&world)[1], (3, vec!["h3".to_owned()]));
    assert!(world.queues.publications.bodies().iter().all(|one| one.room.as_str() == "den"));
    world.clock.advance(limits::HOLD_LIFE);
    assert!(hear_with(&world, Plan::new(), vec![vec![event("h4", "hot")]]).await.is_empty());
    assert_eq!((held(&world).len(), world.queues.publications.bodies().len()), (2, 3), "the hold is over");
}

#[tokio::test]
async fn what_a_room_may_not_hold_any_more_is_a_dead_letter_that_names_the_cause() {
    let world = World::new();
    let (room, most) = (samples::room("hot"), u32::try_from(limits::HELD_PER_ROOM).unwrap());
    world.store.hold(&room, most - 1, world.clock.now()).await.unwrap();
    assert!(hear_with(&world, Plan::new(), vec![vec![event("h1", "hot")]]).await.is_empty());
    assert_eq!(held(&world), [(limits::HELD_PER_ROOM, vec!["h1".to_owned()])]);
    assert!(hear_with(&world, Plan::new(), vec![vec![event("h2", "hot"), event("d1", "den")]]).await.is_empty());
    assert_eq!((held(&world).len(), world.queues.publications.bodies().len()), (1, 1));
    assert_eq!(reasons(&world).len(), 1);
    assert!(reasons(&world)[0].contains("room hot is beyond its rate"), "{:?}", reasons(&world));
    world.store.release(&room, 10).await.unwrap();
    assert!(hear_with(&world, Plan::new(), vec![vec![event("h2", "hot")]]).await.is_empty(), "there is space again");
    assert_eq!(held(&world).len(), 2);
}

#[tokio::test]
async fn events_wait_while_it_cannot_be_known_whether_their_room_is_held_and_are_held_if_it_never_can() {
    let world = World::new();
    let plan = |how| Plan::new().nth(Operation::Intakes, 1, Fault::Before(how));
    let failed = hear_with(&world, plan(How::Throttled), vec![vec![event("e1", "den")]]).await;
    assert_eq!(failed.len(), 1);
    assert!(hear_with(&world, plan(How::Refused), vec![vec![event("e1", "den")]]).await.is_empty());
    assert_eq!(held(&world), [(1, vec!["e1".to_owned()])], "it overtakes none that waits");
    assert!(world.queues.publications.bodies().is_empty());
}

#[tokio::test]
async fn events_are_published_if_their_hold_can_be_neither_read_nor_written() {
    let world = World::new();
    let plan = Plan::new().always(Operation::Intakes, Fault::Before(How::Refused));
    let unavailable = plan.clone().always(Operation::Hold, Fault::Before(How::Unavailable));
    assert_eq!(hear_with(&world, unavailable, vec![vec![event("e1", "den")]]).await.len(), 1);
    let refused = plan.always(Operation::Hold, Fault::Before(How::Refused));
    assert!(hear_with(&world, refused, vec![vec![event("e1", "den")]]).await.is_empty());
    assert_eq!((world.queues.publications.bodies().len(), held(&world).len()), (1, 0));
}

#[tokio::test]
async fn an_event_that_could_not_be_numbered_comes_back_and_holds_its_room_then() {
    let world = World::new();
    keep_busy(&world, "hot").await;
    let plan = Plan::new().nth(Operation::Hold, 1, Fault::After(How::Unavailable));
    assert_eq!(hear_with(&world, plan, vec![vec![event("h1", "hot"), event("d1", "den")]]).await.len(), 1);
    assert!(hear_with(&world, Plan::new(), vec![vec![event("h1", "hot")]]).await.is_empty());
    assert_eq!(held(&world), [(2, vec!["h1".to_owned()])], "a number may be given for nothing");
}

#[tokio::test]
async fn a_batch_of_events_costs_one_read_of_its_rooms_and_one_message_for_ten_of_a_room() {
    let world = World::new();
    let (tables, queues) =
        (Faulty::new(world.store.clone(), Plan::new()), Faulty::new(world.queues.clone(), Plan::new()));
    let (gateway, clock, chance) = (world.gateway.clone(), world.clock.clone(), world.chance.clone());
    let source = Source::of_queue("commands", Wrapping::Raw);
    let events = Events::new(tables.clone(), queues.clone(), gateway, clock, chance, source);
    let batch = (0..10).map(|n| event(&format!("e{n}"), "den")).collect();
    let deadline = Deadline::at(world.clock.now().plus(Duration::from_secs(5)));
    assert!(events.handle(vec![batch], deadline, &mut Summary::new("events")).await.is_empty());
    let calls = [Operation::Intakes, Operation::Hold].map(|operation| tables.calls(operation));
    assert_eq!((calls, queues.calls(Operation::Submit)), ([1, 0], 1));
    assert_eq!(world.queues.publications.bodies()[0].items.len(), 10);
}
