//! Tests that a hostile client, page or backend gets no right that it was not given.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::Directory;
use domain::{Timestamp, UserId};
use e2e::{Member, aws, everything, received, start, tables, token, topology_with};
use local::{Options, Stack};
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Claims of a token that may join and publish everywhere, and has these permissions too.
fn claims(user: &str, more: Value) -> Value {
    let mut rooms = json!({ "join": ["*"], "publish": ["*"] });
    rooms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "sub": user, "rooms": rooms })
}

async fn publish(stack: &Stack, topic: &str, body: &str) {
    let arn = &stack.variables()[&format!("ROOMCAST_{topic}_TOPIC_ARN")];
    aws(stack).sns.publish().topic_arn(arn).message(body).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_through_the_topic_of_events_changes_nothing() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let name = ada.ask(json!({ "action": "who", "room": "lobby" })).await["ok"]["users"][0]["user"].clone();
    let command = json!({ "command": "close", "user": name }).to_string();
    let commands = &stack.variables()["ROOMCAST_COMMANDS_TOPIC_ARN"];
    let forged = json!({ "Type": "Notification", "MessageId": "m", "TopicArn": commands, "Message": command });
    publish(&stack, "EVENTS", &command).await;
    publish(&stack, "EVENTS", &forged.to_string()).await;
    let dead = received(&stack, "events-dead", 2).await;
    let reason = |message: &aws_sdk_sqs::types::Message| {
        let attributes = message.message_attributes().cloned().unwrap_or_default();
        attributes["reason"].string_value().unwrap_or_default().to_owned()
    };
    assert!(dead.iter().any(|message| reason(message).contains("topic commands")), "{dead:?}");
    ada.publish("lobby", "still-here").await;
    ada.hear("lobby", 1).await;
    publish(&stack, "COMMANDS", r#"{"room":"lobby","id":"x","data":1}"#).await;
    assert!(reason(&received(&stack, "commands-dead", 1).await[0]).contains("topic events"));
    publish(&stack, "COMMANDS", &command).await;
    assert_eq!(ada.until_closed().await, 1000);
    assert_eq!(ada.heard("lobby"), ["still-here"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_row_in_the_table_of_rooms_is_not_published() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let tables = aws(&stack).dynamodb;
    let rooms = tables.put_item().table_name(&stack.variables()["ROOMCAST_ROOMS_TABLE"]);
    let forged = rooms.item("pk", text("OUTBOX#forged")).item("sk", text("OUTBOX")).item("id", text("forged"));
    forged.item("room", text("lobby")).item("data", text("x")).item("by", text("bob")).send().await.unwrap();
    let outbox = tables.put_item().table_name(&stack.variables()["ROOMCAST_OUTBOX_TABLE"]);
    outbox.item("id", text("good")).item("room", text("lobby")).item("data", text("x")).send().await.unwrap();
    ada.hear("lobby", 1).await;
    ada.publish("lobby", "last").await;
    ada.hear("lobby", 2).await;
    assert_eq!(ada.heard("lobby"), ["good", "last"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_history_reads_what_came_since_its_membership_began_and_no_more() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    ada.publish("lobby", "secret").await;
    ada.hear("lobby", 1).await;
    let epoch = ada.ask(json!({ "action": "history", "room": "lobby" })).await["ok"]["ep"].clone();
    let since = |seq: u64| json!({ "action": "join", "room": "lobby", "since": { "ep": epoch, "seq": seq } });
    let mut eve = Member::with_claims(&url, claims("eve", json!({}))).await;
    for _ in 0..2 {
        let joined = eve.ask(since(0)).await;
        assert_eq!((&joined["ok"]["recovered"], &joined["ok"]["b"]), (&json!(false), &Value::Null), "{joined}");
    }
    ada.publish("lobby", "for-all").await;
    ada.hear("lobby", 2).await;
    let joined = eve.ask(since(1)).await;
    assert_eq!(joined["ok"]["recovered"], true, "{joined}");
    assert_eq!(joined["ok"]["b"][0]["m"][0]["id"], "for-all", "{joined}");
    let synced = eve.ask(json!({ "action": "sync", "rooms": { "lobby": { "ep": epoch, "seq": 0 } } })).await;
    assert_eq!(synced["ok"]["rooms"]["lobby"]["recovered"], false, "{synced}");
    let history = eve.ask(json!({ "action": "history", "room": "lobby" })).await;
    assert_eq!(history["err"]["code"], "forbidden");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_presence_receives_counts_and_no_names() {
    let (stack, url) = start(everything()).await;
    let mut eve = Member::with_claims(&url, claims("eve", json!({}))).await;
    let mut bob = Member::with_claims(&url, claims("bob", json!({ "presence": ["lobby"] }))).await;
    eve.join("lobby").await;
    bob.join("lobby").await;
    let mut ada = Member::with_claims(&url, claims("ada", json!({}))).await;
    ada.join("lobby").await;
    let names = bob.note(|note| note["p"]["in"].as_array().is_some_and(|names| names.contains(&json!("ada")))).await;
    assert_eq!(names["p"]["members"], 3, "{names}");
    let counts = eve.note(|note| note["p"]["members"] == 3).await;
    assert_eq!(counts["p"], json!({ "members": 3 }));
    assert!(eve.notes().iter().all(|note| note["p"]["in"].is_null() && note["p"]["out"].is_null()));
    // A token that allows it gives the names from the next change on.
    let renewed = token(claims("eve", json!({ "presence": ["*"] })));
    assert!(eve.ask(json!({ "action": "auth", "token": renewed })).await["ok"].is_object());
    drop(ada.reset());
    let gone = eve.note(|note| note["p"]["out"] == json!(["ada"])).await;
    assert_eq!(gone["p"]["members"], 2, "{gone}");
    stack.shutdown().await;
}

/// Publishes without a pause, whatever it is answered.
async fn flood(url: String, name: usize) {
    let mut eve = Member::with_claims(&url, claims("eve", json!({}))).await;
    for n in 0.. {
        let pid = format!("e{name}-{n}");
        eve.ask(json!({ "action": "publish", "room": "lobby", "pid": pid, "data": n, "echo": false })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_connections_of_one_user_flood_a_room_and_another_gets_101_of_101_accepted() {
    let (stack, url) = start(everything()).await;
    let mut bob = Member::with_claims(&url, claims("bob", json!({}))).await;
    bob.join("lobby").await;
    let floods: Vec<_> = (0..10).map(|name| tokio::spawn(flood(url.clone(), name))).collect();
    bob.hear("lobby", 40).await;
    for n in 0..101 {
        let pid = format!("b{n}");
        let answer = bob.ask(json!({ "action": "publish", "room": "lobby", "pid": pid, "data": n })).await;
        assert_eq!(answer["ok"]["accepted"], json!([pid]), "{answer}");
        while !bob.heard("lobby").contains(&pid) {
            let count = bob.heard("lobby").len();
            bob.hear("lobby", count + 1).await;
        }
    }
    assert!(floods.iter().all(|flood| !flood.is_finished()), "the flood went on");
    floods.into_iter().for_each(|flood| flood.abort());
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_beyond_its_connections_loses_the_oldest_and_none_of_another_device() {
    let folder = topology_with(&[("default: \"50\"", "default: \"3\"")]);
    let (stack, url) = start(Options { topology: folder.path().join("topology.yaml"), ..everything() }).await;
    let connect =
        async |device: &str| Member::with_claims(&format!("{url}?device={device}"), claims("ada", json!({}))).await;
    let mut laptop = connect("laptop").await;
    let mut oldest = connect("phone").await;
    let mut phone = connect("phone").await;
    let mut newest = connect("phone").await;
    let bye = oldest.note(|note| note["sys"] == "bye").await;
    assert_eq!(bye, json!({ "sys": "bye", "code": "replaced", "retry": "never" }));
    assert_eq!(oldest.until_closed().await, 1000);
    for member in [&mut laptop, &mut phone, &mut newest] {
        assert!(member.join("lobby").await["ok"].is_object());
    }
    // A connection that is closed makes space: the next one ends none.
    drop(phone.reset());
    let (tables, user) = (tables(&stack), UserId::parse("ada").unwrap());
    while tables.entries_of(&user, Timestamp::default()).await.unwrap().len() > 2 {
        laptop.ask(json!({ "action": "who", "room": "lobby" })).await;
    }
    let mut third = connect("phone").await;
    third.join("lobby").await;
    for member in [&mut laptop, &mut newest] {
        member.publish("lobby", "there").await;
    }
    stack.shutdown().await;
}

/// Returns the status of a handshake from pages of these origins.
async fn status(url: &str, origins: &[&str]) -> u16 {
    let mut request = url.into_client_request().unwrap();
    for origin in origins {
        request.headers_mut().append("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pages_of_this_machine_connect_to_the_local_stack_and_a_refusal_is_no_error_line() {
    let (sender, mut lines) = unbounded_channel();
    let (stack, url) = start(Options { listener: Some(sender), ..everything() }).await;
    for own in ["http://localhost:5173", "http://127.0.0.1:4566", "http://[::1]:80", "https://localhost", "file://"] {
        assert_eq!(status(&url, &[own]).await, 101, "{own}");
    }
    assert_eq!(status(&url, &[]).await, 101);
    for foreign in ["https://evil.example", "http://localhost.evil.example", "null", "http://localhost:1@evil.example"]
    {
        assert_eq!(status(&url, &[foreign]).await, 403, "{foreign}");
    }
    assert_eq!(status(&url, &["http://localhost:5173", "http://localhost:5173"]).await, 403);
    assert_eq!(status(&url, &["http://localhost:5173", "https://evil.example"]).await, 403);
    assert_eq!(status(&format!("{url}?token=a.b.c"), &[]).await, 401);
    assert_eq!(status(&format!("{url}?token=eyJ%0A%1B%5B31m.b.c"), &[]).await, 401);
    stack.shutdown().await;
    let mut refused = 0;
    while let Ok(line) = lines.try_recv() {
        assert!(line.text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
        assert!(!line.text.contains("\"level\":\"ERROR\""), "{line:?}");
        refused += u32::from(line.text.contains("\"connections_refused\":1"));
    }
    assert_eq!(refused, 8, "each has its summary line");
}
