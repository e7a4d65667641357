//! Tests paths that a busy day seldom takes: failed calls, late members, silent connections, items
//! that are about to expire, and traces of requests that were interrupted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::{Clock, Connections, Memberships, Rooms};
use domain::{Check, ConnectionId, Epoch, Held, Job, Range, Sequence, Shard, Shards, Submission, limits};
use e2e::{Member, aws, everything, start, tables};
use lambda_kit::SystemClock;
use local::Stack;
use serde_json::{Value, json};
use testkit::samples;

/// Longest time for a wait. No step takes as long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done` returns a value.
async fn until<T>(what: &str, mut done: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(value) = done().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what} never came"))
}

/// Returns a counter of the gateway.
fn counted(stack: &Stack, name: &str) -> u64 {
    stack.statistics()["gateway"][name].as_u64().unwrap()
}

/// Sends a message to a queue of the topology, with the developer's keys. In a FIFO queue it is not
/// a repeat of any other.
async fn send(stack: &Stack, queue: &str, body: &str, group: Option<String>) {
    let name = queue.to_uppercase().replace('-', "_");
    let url = &stack.variables()[&format!("ROOMCAST_{name}_QUEUE_URL")];
    let send = aws(stack).sqs.send_message().queue_url(url).message_body(body);
    let id = group.as_ref().map(|_| SystemClock.now().as_ms().to_string());
    send.set_message_group_id(group).set_message_deduplication_id(id).send().await.unwrap();
}

/// Publishes to a topic of the topology, with the developer's keys. In a FIFO topic it is not a
/// repeat of any other message.
async fn publish(stack: &Stack, topic: &str, message: &Value, group: Option<&str>) {
    let name = topic.to_uppercase().replace('-', "_");
    let arn = &stack.variables()[&format!("ROOMCAST_{name}_TOPIC_ARN")];
    let publish = aws(stack).sns.publish().topic_arn(arn).message(message.to_string());
    let id = group.map(|_| SystemClock.now().as_ms().to_string());
    publish.set_message_group_id(group.map(str::to_owned)).set_message_deduplication_id(id).send().await.unwrap();
}

/// Writes a row of the outbox, with the developer's keys.
async fn outbox(stack: &Stack, room: &str, id: &str) {
    let row = [("id", id), ("room", room), ("data", "1")]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
    let put = aws(stack).dynamodb.put_item().table_name(&stack.variables()["ROOMCAST_OUTBOX_TABLE"]);
    put.set_item(Some(row.into())).send().await.unwrap();
}

/// Returns the ids of all connections that are stored.
async fn connections(stack: &Stack) -> Vec<ConnectionId> {
    let scan = aws(stack).dynamodb.scan().table_name(&stack.variables()["ROOMCAST_CONNECTIONS_TABLE"]);
    let items = scan.send().await.unwrap().items.unwrap_or_default();
    let connections = items.iter().filter(|item| item["sk"].as_s().unwrap() == "CONN");
    let id = |item: &HashMap<String, AttributeValue>| item["pk"].as_s().unwrap().trim_start_matches("CONN#").to_owned();
    connections.map(|item| samples::connection_id(&id(item))).collect()
}

/// Sets a number of an item with the developer's keys.
async fn set(stack: &Stack, table: &str, (pk, sk): (&str, &str), name: &str, number: u64) {
    let update = aws(stack).dynamodb.update_item().table_name(&stack.variables()[table]);
    let update = update.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
    let update = update.update_expression("SET #name = :number").condition_expression("attribute_exists(pk)");
    let update = update.expression_attribute_names("#name", name);
    update.expression_attribute_values(":number", AttributeValue::N(number.to_string())).send().await.unwrap();
}

/// Messages of all eight queues, and a row of the outbox, fail while the tables throttle every
/// call. A message that stayed away until its visibility timeout ends would come again after 30 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_comes_again_long_before_its_visibility_timeout() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let joined = ada.join("lobby").await;
    ada.publish("lobby", "p1").await;
    ada.hear("lobby", 1).await;
    let room = samples::room("lobby");
    let epoch = Epoch::parse(joined["ok"]["ep"].as_str().unwrap()).unwrap();
    let range = Range { epoch, after: Sequence::ZERO, through: Sequence::new(1) };
    let job = Job::for_shards(&room, &range, Shards::new(1)).remove(0);
    let submission = samples::submission("lobby", "bob", &["p2"]);
    let held = Submission { held: Some(Held::Number(1)), ..samples::submission("lobby", "cyn", &["p3"]) };
    let check = Check::at(&room, SystemClock.now());
    let body = |job: &Job| protocol::queue::encode(job).unwrap();

    stack.faults().set(&"F17=1".parse().unwrap());
    let begun = Instant::now();
    send(&stack, "publications", &protocol::queue::encode(&submission).unwrap(), Some(submission.group())).await;
    send(&stack, "publications-held", &protocol::queue::encode(&held).unwrap(), Some(held.group())).await;
    send(&stack, "deliveries", &body(&job), Some(job.group())).await;
    send(&stack, "deliveries-wide", &body(&job), Some(job.group())).await;
    send(&stack, "presence", &protocol::queue::encode(&check).unwrap(), None).await;
    publish(&stack, "events", &json!({ "room": "lobby", "id": "e1", "data": 1 }), None).await;
    publish(&stack, "events-ordered", &json!({ "room": "lobby", "id": "e2", "data": 1 }), Some("lobby")).await;
    publish(&stack, "commands", &json!({ "command": "join", "room": "lobby", "user": "dan" }), None).await;
    outbox(&stack, "lobby", "row").await;
    let queues = [
        "publications.fifo",
        "publications-held.fifo",
        "deliveries.fifo",
        "deliveries-wide.fifo",
        "presence",
        "events",
        "events-ordered.fifo",
        "commands",
    ];
    let before = |queue: &str| u64::from(queue == "publications.fifo") + u64::from(queue == "deliveries.fifo");
    until("the second receive", async || {
        let queued = &stack.statistics()["messaging"]["queues"];
        let again = |queue: &&str| queued[queue]["received"].as_u64().unwrap() >= before(queue) + 2;
        queues.iter().all(again).then_some(())
    })
    .await;
    assert!(begun.elapsed() < limits::VISIBILITY_TIMEOUT, "{:?}", begun.elapsed());

    stack.faults().set(&"".parse().unwrap());
    ada.hear("lobby", 6).await;
    let mut heard = ada.heard("lobby").to_vec();
    heard.sort();
    assert_eq!(heard, ["e1", "e2", "p1", "p2", "p3", "row"]);
    stack.shutdown().await;
}

/// The late jobs of a room with many shards go through the queue of wide rooms.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_buffer_stays_full_is_late_and_probed_and_closed() {
    let (stack, url) = start(everything()).await;
    let tables = tables(&stack);
    let head = tables.create(&samples::room("wide"), &Epoch::from_random(7), SystemClock.now()).await.unwrap();
    tables.grow(&samples::room("wide"), head.shards, Shards::new(32)).await.unwrap();
    let mut ada = Member::connect(&url, "ada").await;
    let mut cyn = Member::connect(&url, "cyn").await;
    ada.join("lobby").await;
    cyn.join("wide").await;
    let mut bob = Member::connect(&url, "bob").await;
    let before = counted(&stack, "gets");
    stack.faults().set(&"F34=1".parse().unwrap());
    bob.publish("lobby", "p").await;
    bob.publish("wide", "p").await;
    ada.until_closed().await;
    cyn.until_closed().await;
    assert!(counted(&stack, "gets") >= before + 2, "the probes find that the connections are there");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_in_the_queues_of_held_publications_and_of_wide_rooms_is_dead_lettered() {
    let (stack, _) = start(everything()).await;
    for queue in ["publications-held", "deliveries-wide"] {
        send(&stack, queue, "this is nothing", Some("lobby".to_owned())).await;
        let letter = e2e::received(&stack, &format!("{queue}-dead"), 1).await.remove(0);
        assert_eq!(letter.body(), Some("this is nothing"), "{queue}");
    }
    stack.shutdown().await;
}

/// A restore brought back the row of a publication id, and not the publication.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_whose_publication_a_restore_lost_is_published_again() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let joined = ada.join("lobby").await;
    let submission = samples::submission("lobby", "bob", &["p"]);
    let body = protocol::queue::encode(&submission).unwrap();
    send(&stack, "publications", &body, Some(submission.group())).await;
    ada.hear("lobby", 1).await;
    let table = &stack.variables()["ROOMCAST_ROOMS_TABLE"];
    let (dynamodb, text) = (aws(&stack).dynamodb, |value: &str| AttributeValue::S(value.to_owned()));
    let row = format!("PUB#{}#{:020}", joined["ok"]["ep"].as_str().unwrap(), 1);
    let delete = dynamodb.delete_item().table_name(table).key("pk", text("ROOM#lobby")).key("sk", text(&row));
    delete.send().await.unwrap();
    let items = dynamodb.scan().table_name(table).send().await.unwrap().items.unwrap_or_default();
    let id = items.iter().find(|item| item["sk"].as_s().unwrap() == "DEDUPE").expect("the id is remembered");
    // A publication is surely in the log only a minute after it was sequenced.
    let ttl: u64 = id["ttl"].as_n().unwrap().parse().unwrap();
    set(&stack, "ROOMCAST_ROOMS_TABLE", (id["pk"].as_s().unwrap(), "DEDUPE"), "ttl", ttl - 120).await;
    send(&stack, "publications", &body, Some(submission.group())).await;
    ada.hear("lobby", 2).await;
    assert_eq!(ada.heard("lobby"), ["p", "p"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_classic_connection_that_answers_a_probe_stays_in_its_room() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect_with(&format!("{url}?room=lobby"), None).await;
    let silent = connections(&stack).await.remove(0);
    let long_ago = SystemClock.now().minus(limits::STALE + Duration::from_secs(60));
    let key = format!("CONN#{silent}");
    set(&stack, "ROOMCAST_CONNECTIONS_TABLE", (&key, "CONN"), "last_seen_at", long_ago.as_ms()).await;
    let tables = tables(&stack);
    until("a note that the connection is alive", async || {
        let stored = tables.find(&silent).await.unwrap().expect("the connection stays");
        (stored.last_seen_at > long_ago).then_some(())
    })
    .await;
    assert!(counted(&stack, "gets") > 0);
    ada.say(json!({ "action": "sendMessage", "message": "still here" }).to_string()).await;
    assert!(ada.next_text().await.contains("still here"));
    stack.shutdown().await;
}

/// A function was killed between the write of a membership and the read of its connection, which
/// has closed.
#[tokio::test(flavor = "multi_thread")]
async fn the_membership_of_a_connection_that_is_gone_is_removed() {
    let (stack, _) = start(everything()).await;
    let tables = tables(&stack);
    let gone = samples::connection("R2hvc3RHaG9zdA=", "ghost", SystemClock.now());
    tables.join(&[samples::membership(&gone, &samples::room("lobby"), Shard::FIRST)]).await.remove(0).unwrap();
    until("the removal", async || tables.rooms_of(&gone.id).await.unwrap().is_empty().then_some(())).await;
    stack.shutdown().await;
}

/// A renewal was interrupted before it reached a membership. The next join by a backend carries it
/// on.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_by_a_backend_gives_a_membership_the_expiry_of_its_connection() {
    let (stack, url) = start(everything()).await;
    let mut bob = Member::with_claims(&url, json!({ "sub": "bob" })).await;
    bob.join("lobby").await;
    let key = format!("CONN#{}", connections(&stack).await.remove(0));
    let membership = (key.as_str(), "ROOM#lobby");
    set(&stack, "ROOMCAST_CONNECTIONS_TABLE", membership, "expires_at", SystemClock.now().as_ms()).await;
    let join = json!({ "command": "join", "room": "lobby", "user": "bob" });
    publish(&stack, "commands", &join, None).await;
    bob.note(|note| note["sys"] == "joined").await;
    bob.publish("lobby", "p").await;
    bob.hear("lobby", 1).await;
    stack.shutdown().await;
}

/// A head lives for some days after the last publication or join. Members join in three ways.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_extends_the_life_of_a_head_that_would_expire() {
    let (stack, url) = start(everything()).await;
    let tables = tables(&stack);
    let mut ada = Member::with_claims(&url, json!({ "sub": "ada" })).await;
    let rooms = ["asked", "named", "granted"];
    for room in rooms {
        ada.join(room).await;
        ada.ask(json!({ "action": "leave", "room": room })).await;
        let soon = SystemClock.now().plus(limits::HEAD_LIFE / 4);
        set(&stack, "ROOMCAST_ROOMS_TABLE", (&format!("HEAD#{room}"), "HEAD"), "ttl", soon.as_s()).await;
    }
    ada.join("asked").await;
    let secret = e2e::guest_secret("cyn");
    let cyn = Member::connect_with(&format!("{url}?guest={secret}&room=named"), Some("rooms.v1")).await;
    let join = json!({ "command": "join", "room": "granted", "user": "ada" });
    publish(&stack, "commands", &join, None).await;
    ada.note(|note| note["sys"] == "joined").await;
    for room in rooms {
        let head = tables.head(&samples::room(room)).await.unwrap().unwrap();
        assert!(!head.expires_soon(SystemClock.now()), "{room}: {head:?}");
    }
    drop((ada, cyn));
    stack.shutdown().await;
}

/// A backend joins a member to a room that nothing has happened in.
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_joins_a_member_to_a_room_that_is_new() {
    let (stack, url) = start(everything()).await;
    let mut bob = Member::with_claims(&url, json!({ "sub": "bob" })).await;
    let join = json!({ "command": "join", "room": "brand-new", "user": "bob" });
    publish(&stack, "commands", &join, None).await;
    let joined: Value = bob.note(|note| note["sys"] == "joined").await;
    assert_eq!((&joined["room"], &joined["seq"]), (&json!("brand-new"), &json!(0)));
    bob.publish("brand-new", "p").await;
    bob.hear("brand-new", 1).await;
    stack.shutdown().await;
}

/// What backends publish by both doors to a room that is busy for seconds ahead is held, until the
/// gate behind earlier publications was reached.
#[tokio::test(flavor = "multi_thread")]
async fn what_backends_publish_beyond_the_rate_of_a_room_is_held_and_arrives() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let busy = SystemClock.now().plus(Duration::from_secs(10));
    set(&stack, "ROOMCAST_ROOMS_TABLE", ("HEAD#lobby", "HEAD"), "busy_until", busy.as_ms()).await;
    publish(&stack, "events", &json!({ "room": "lobby", "id": "event", "data": 1 }), None).await;
    outbox(&stack, "lobby", "row").await;
    ada.hear("lobby", 2).await;
    let queued = &stack.statistics()["messaging"]["queues"];
    assert_eq!(queued["publications-held.fifo"]["sent"], 2, "{queued}");
    assert!(SystemClock.now() > busy.minus(Duration::from_secs(5)), "they came before the gate");
    stack.shutdown().await;
}

/// The answer to each batch of a stream is lost, until the event source gives its records up.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_fail_every_time_leave_their_place_in_the_queue_of_presence() {
    let (stack, url) = start(everything()).await;
    stack.faults().set(&"F25=1".parse().unwrap());
    let ada = Member::connect(&url, "ada").await;
    let letter = e2e::received(&stack, "presence-dead", 1).await.remove(0);
    let letter: Value = serde_json::from_str(letter.body().unwrap()).unwrap();
    assert_eq!(letter["requestContext"]["condition"], "RetryAttemptsExhausted", "{letter}");
    drop(ada);
    stack.shutdown().await;
}
