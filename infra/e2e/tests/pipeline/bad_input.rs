//! Tests bad input: each kind is answered with a stable code, leaves a log line, and affects
//! neither the connection nor other members.

use e2e::{Member, everything, start};
use local::options::Line;
use local::{Options, Stack};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Starts a stack and receives the lines of its functions.
async fn listening() -> (Stack, String, UnboundedReceiver<Line>) {
    let (sender, lines) = unbounded_channel();
    let (stack, url) = start(Options { listener: Some(sender), ..everything() }).await;
    (stack, url, lines)
}

/// Returns the next summary line with this outcome. Skips other lines.
async fn logged(lines: &mut UnboundedReceiver<Line>, outcome: &str) -> Value {
    let search = async {
        loop {
            let line = lines.recv().await.expect("the stack runs");
            let fields: Value = serde_json::from_str(&line.text).unwrap_or_default();
            if fields["outcome"] == outcome {
                return fields;
            }
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, search).await.unwrap_or_else(|_| panic!("no line has the outcome {outcome}"))
}

/// Returns refused requests: the text, the code, the field with the mistake, and whether the answer
/// contains the id 7.
fn refused() -> Vec<(String, &'static str, Option<&'static str>, bool)> {
    let mut all: Vec<(String, &'static str, Option<&'static str>, bool)> = [
        // Texts that are not requests.
        ("hello", "not_json", None, false),
        ("[1,2]", "not_json", None, false),
        ("null", "not_json", None, false),
        (r#"{"action":"ping","id":7"#, "not_json", None, false),
        (r#"{"id":1,"id":2,"action":"ping"}"#, "not_json", None, false),
        // Mistakes in ids and actions.
        (r#"{"id":"7","action":"ping"}"#, "invalid_field", Some("id"), false),
        (r#"{"id":1.5,"action":"ping"}"#, "invalid_field", Some("id"), false),
        (r#"{"id":-7,"action":"ping"}"#, "invalid_field", Some("id"), false),
        (r#"{"id":7}"#, "invalid_field", Some("action"), true),
        (r#"{"id":7,"action":5}"#, "invalid_field", Some("action"), true),
        (r#"{"id":7,"action":"dance"}"#, "unknown_action", Some("action"), true),
        // Mistakes in rooms.
        (r#"{"id":7,"action":"join"}"#, "invalid_field", Some("room"), true),
        (r#"{"id":7,"action":"join","room":7}"#, "invalid_field", Some("room"), true),
        (r#"{"id":7,"action":"join","room":""}"#, "invalid_room", Some("room"), true),
        (r#"{"id":7,"action":"join","room":"a#b"}"#, "invalid_room", Some("room"), true),
        (r#"{"id":7,"action":"join","room":"a\u0000b"}"#, "invalid_room", Some("room"), true),
        (r#"{"id":7,"action":"join","room":"\u202eybbol"}"#, "invalid_room", Some("room"), true),
        (r#"{"id":7,"action":"join","room":"lоbby"}"#, "invalid_room", Some("room"), true),
        (r#"{"id":7,"action":"join","room":"\ud800"}"#, "invalid_field", Some("room"), true),
        (r#"{"id":7,"action":"leave","room":"*"}"#, "invalid_room", Some("room"), true),
        // Mistakes in positions.
        (r#"{"id":7,"action":"join","room":"r","since":"7"}"#, "invalid_field", Some("since"), true),
        (
            r#"{"id":7,"action":"join","room":"r","since":{"ep":"e","seq":-1}}"#,
            "invalid_field",
            Some("since.seq"),
            true,
        ),
        (
            r#"{"id":7,"action":"join","room":"r","since":{"ep":"e","seq":"1"}}"#,
            "invalid_field",
            Some("since.seq"),
            true,
        ),
        (r#"{"id":7,"action":"sync","rooms":[]}"#, "invalid_field", Some("rooms"), true),
        (r#"{"id":7,"action":"ping","at":{"lobby":7}}"#, "invalid_field", Some("at.lobby"), true),
        (r#"{"id":7,"action":"history","room":"r","limit":0}"#, "invalid_field", Some("limit"), true),
        (r#"{"id":7,"action":"history","room":"r","limit":101}"#, "invalid_field", Some("limit"), true),
        // Mistakes in publications.
        (r#"{"id":7,"action":"publish","room":"r","data":1}"#, "invalid_field", Some("pid"), true),
        (r#"{"id":7,"action":"publish","room":"r","pid":"p"}"#, "invalid_field", Some("data"), true),
        (
            r#"{"id":7,"action":"publish","room":"r","pid":"p","data":1,"items":[]}"#,
            "invalid_field",
            Some("items"),
            true,
        ),
        (r#"{"id":7,"action":"publish","room":"r","items":[]}"#, "limit_exceeded", Some("items"), true),
        (r#"{"id":7,"action":"sendMessage"}"#, "invalid_field", Some("message"), true),
        (
            r#"{"id":7,"action":"sendMessage","targetUserId":"no spaces","text":"x"}"#,
            "invalid_field",
            Some("targetUserId"),
            true,
        ),
        // Requests that the member may not make.
        (r#"{"id":7,"action":"join","room":"@bob"}"#, "forbidden", Some("room"), true),
        (r#"{"id":7,"action":"history","room":"@bob"}"#, "forbidden", Some("room"), true),
        (r#"{"id":7,"action":"join","room":"staff"}"#, "forbidden", Some("room"), true),
        (r#"{"id":7,"action":"publish","room":"staff","pid":"p","data":1}"#, "forbidden", Some("room"), true),
        (r#"{"id":7,"action":"history","room":"staff"}"#, "forbidden", Some("room"), true),
        (r#"{"id":7,"action":"broadcastAll","message":"x"}"#, "forbidden", Some("room"), true),
    ]
    .map(|(text, code, field, id)| (text.to_owned(), code, field, id))
    .into();
    let long = "r".repeat(129);
    all.push((json!({ "id": 7, "action": "join", "room": long }).to_string(), "invalid_room", Some("room"), true));
    let much = "x".repeat(24 * 1024);
    let much = json!({ "id": 7, "action": "publish", "room": "team:1", "pid": "p", "data": much });
    all.push((much.to_string(), "too_large", Some("data"), true));
    let items: Vec<Value> = (0..11).map(|n| json!({ "pid": n.to_string(), "data": n })).collect();
    let items = json!({ "id": 7, "action": "publish", "room": "team:1", "items": items });
    all.push((items.to_string(), "limit_exceeded", Some("items"), true));
    let rooms: serde_json::Map<String, Value> = (0..101).map(|n| (format!("team:{n}"), Value::Null)).collect();
    all.push((json!({ "id": 7, "action": "sync", "rooms": rooms }).to_string(), "limit_exceeded", Some("rooms"), true));
    all
}

/// Returns the next answer. Skips other frames.
async fn answered(member: &mut Member) -> Value {
    loop {
        let frame: Value = serde_json::from_str(&member.next_text().await).unwrap();
        if frame["ok"].is_object() || frame["err"].is_object() {
            return frame;
        }
    }
}

/// Connects a member whose token allows only `team:*`.
async fn restricted(url: &str) -> Member {
    let rooms = json!({ "join": ["team:*"], "publish": ["team:*"], "history": ["team:*"] });
    Member::with_claims(url, json!({ "sub": "ada", "rooms": rooms })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_answered_with_its_code_is_logged_and_costs_nobody_anything() {
    let (stack, url, mut lines) = listening().await;
    let mut ada = restricted(&url).await;
    let mut bob = Member::connect(&url, "bob").await;
    bob.join("team:1").await;
    for (text, code, field, has_id) in refused() {
        ada.say(text.as_str()).await;
        let answer: Value = serde_json::from_str(&ada.next_text().await).unwrap();
        let error = &answer["err"];
        assert_eq!((error["code"].as_str(), error["field"].as_str()), (Some(code), field), "{text} -> {answer}");
        assert_eq!(answer["id"], if has_id { json!(7) } else { Value::Null }, "{text} -> {answer}");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{answer}");
        let line = logged(&mut lines, code).await;
        assert!(line["connection.id"].is_string() && line["reject.field"].as_str() == field, "{text} -> {line}");
    }
    ada.join("team:1").await;
    ada.publish("team:1", "still-here").await;
    ada.hear("team:1", 1).await;
    bob.hear("team:1", 1).await;
    assert_eq!(bob.heard("team:1"), ["still-here"], "nothing else was published");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_cannot_be_resumed_from_are_answered_with_recovered_false() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let joined = ada.join("lobby").await;
    let epoch = joined["ok"]["ep"].clone();
    for since in [json!({ "ep": "0ther", "seq": 1 }), json!({ "ep": epoch, "seq": 1_000_000 })] {
        let answer = ada.ask(json!({ "action": "join", "room": "lobby", "since": since })).await;
        assert_eq!(answer["ok"]["recovered"], false, "{since} -> {answer}");
    }
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_repeated_is_accepted_again_and_published_once() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    for id in ["a", "a", "b"] {
        ada.publish("lobby", id).await;
    }
    ada.hear("lobby", 2).await;
    assert_eq!(ada.heard("lobby"), ["a", "b"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_of_64_000_costs_an_answer_and_nothing_else() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let deep = format!(r#"{{"action":"join","id":7,"room":"lobby","x":{}{}}}"#, "[".repeat(64_000), "]".repeat(64_000));
    ada.say_in_frames(&deep).await;
    let answer = answered(&mut ada).await;
    assert_eq!(answer["ok"]["room"], "lobby", "what is not asked for is passed over: {answer}");
    let open = format!(r#"{{"action":"publish","id":8,"room":"lobby","pid":"p","data":{}"#, "[".repeat(100_000));
    ada.say_in_frames(&open).await;
    let answer = answered(&mut ada).await;
    assert_eq!(answer["err"]["code"], "not_json", "{answer}");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_frame_closes_its_own_connection_with_1003_and_no_other() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let bob = Member::connect(&url, "bob").await;
    assert_eq!(bob.say_binary(vec![0, 159, 146, 150]).await, 1003);
    ada.publish("lobby", "p").await;
    ada.hear("lobby", 1).await;
    stack.shutdown().await;
}

/// A text with characters that no queue accepts, with their neighbours, and with characters that
/// are difficult in JSON.
const HARD: &str = "x\u{ffff}y\u{fffe}z \u{fffd}\u{10ffff}\u{1fffe}\u{7f}\u{85} \\ \"";

/// Returns the data of the next publication that a member receives.
async fn heard(member: &mut Member) -> Value {
    loop {
        let frame: Value = serde_json::from_str(&member.next_text().await).unwrap();
        let block = &frame["b"][0];
        if let Some(data) = block["m"][0].get("data").or_else(|| block["e"][0].get("data")) {
            return data.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_json_can_say_is_accepted_and_delivered_with_its_value() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let mut bob = Member::connect(&url, "bob").await;
    ada.join("lobby").await;
    bob.join("lobby").await;
    let text = json!({ "text": HARD });
    let key = json!({ HARD: [HARD, { HARD: 1 }] });
    // The requests are written by hand, so that they contain the characters without escapes.
    let raw = |data: &Value| data.to_string();
    for (request, expected) in [
        (format!(r#"{{"action":"publish","id":1,"room":"lobby","pid":"a","data":{}}}"#, raw(&text)), text.clone()),
        (format!(r#"{{"action":"publish","id":2,"room":"lobby","pid":"b","data":{}}}"#, raw(&key)), key.clone()),
        (format!(r#"{{"action":"publish","id":3,"room":"lobby","items":[{{"pid":"c","data":{}}}]}}"#, raw(&key)), key),
        (
            format!(r#"{{"action":"publish","id":4,"room":"lobby","ephemeral":true,"data":{}}}"#, raw(&text)),
            text.clone(),
        ),
        (format!(r#"{{"action":"sendMessage","id":5,"room":"lobby","message":{}}}"#, raw(&json!(HARD))), text),
    ] {
        assert!(request.contains('\u{ffff}') && request.contains('\u{fffe}'));
        ada.say(request.as_str()).await;
        assert!(answered(&mut ada).await["ok"]["accepted"].is_array(), "{request}");
        assert_eq!(heard(&mut bob).await, expected, "{request}");
    }
    let mut classic = Member::connect_with(&url, None).await;
    let last = json!({ "action": "publish", "id": 6, "room": "lobby", "pid": "end", "data": { "text": "x\u{ffff}" } });
    ada.say(last.to_string()).await;
    let frame: Value = serde_json::from_str(&classic.next_text().await).unwrap();
    assert_eq!(frame["message"], "x\u{ffff}");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_an_earlier_session_used_are_reported_as_repeated() {
    let (stack, url) = start(everything()).await;
    let publish = |text: &str| json!({ "action": "publish", "room": "lobby", "pid": "1", "data": { "text": text } });
    let mut first = Member::with_claims(&url, json!({ "sub": "ada" })).await;
    first.join("lobby").await;
    assert_eq!(first.ask(publish("hello")).await["ok"], json!({ "accepted": ["1"] }));
    first.hear("lobby", 1).await;
    let mut second = Member::with_claims(&url, json!({ "sub": "ada" })).await;
    assert_eq!(second.ask(publish("good morning")).await["ok"], json!({ "accepted": ["1"], "repeated": ["1"] }));
    let mut bob = Member::with_claims(&url, json!({ "sub": "bob" })).await;
    assert_eq!(bob.ask(publish("the same id of another")).await["ok"], json!({ "accepted": ["1"] }));
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_id_finds_its_lines_in_every_function_it_went_through() {
    let (stack, url, mut lines) = listening().await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    ada.publish("lobby", "01J9Z3K8Q4").await;
    ada.hear("lobby", 1).await;
    let mut ranges = std::collections::BTreeMap::new();
    let search = async {
        while ranges.len() < 3 {
            let line = lines.recv().await.expect("the stack runs");
            if !line.text.contains("01J9Z3K8Q4") {
                continue;
            }
            let fields: Value = serde_json::from_str(&line.text).unwrap();
            assert_eq!(fields["publication.id"], json!(["01J9Z3K8Q4"]), "{fields}");
            ranges.insert(fields["function"].as_str().unwrap().to_owned(), fields["publication.range"].clone());
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, search).await.expect("its lines are found");
    assert_eq!(ranges.keys().collect::<Vec<_>>(), ["fanout", "ingest", "sequencer"]);
    assert!(ranges["sequencer"][0].as_str().unwrap().starts_with("lobby "), "{ranges:?}");
    assert!(ranges["sequencer"][0].as_str().unwrap().ends_with(".1-1"), "{ranges:?}");
    assert_eq!(ranges["sequencer"], ranges["fanout"]);
    stack.shutdown().await;
}
