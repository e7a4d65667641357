//! Tests the clients of the well-known recipes, with their exact messages and without a library.

use e2e::{Member, everything, start, token};
use serde_json::{Value, json};

/// Connects a client without a subprotocol. `query` begins with `?` or is empty.
async fn classic(url: &str, query: &str) -> Member {
    Member::connect_with(&format!("{url}{query}"), None).await
}

async fn next(member: &mut Member) -> Value {
    serde_json::from_str(&member.next_text().await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_world_from_a_browsers_console_reaches_everybody_in_the_lobby() {
    let (stack, url) = start(everything()).await;
    let (mut one, mut other) = (classic(&url, "").await, classic(&url, "").await);
    one.say(r#"{"action":"sendMessage","message":"Hello world!"}"#).await;
    for member in [&mut one, &mut other] {
        let frame = next(member).await;
        assert_eq!(
            (&frame["room"], &frame["message"], &frame["seq"]),
            (&json!("lobby"), &json!("Hello world!"), &json!(1))
        );
        assert!(frame["sender"].is_string() && frame["user"].is_string() && frame["timestamp"].is_string(), "{frame}");
    }
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_named_at_connect_or_in_the_message() {
    let (stack, url) = start(everything()).await;
    let (mut one, mut other) = (classic(&url, "?room=team:7").await, classic(&url, "?room=team:7").await);
    one.say(r#"{"action":"sendMessage","message":"to our room"}"#).await;
    assert_eq!(next(&mut other).await["room"], "team:7");
    let mut elsewhere = classic(&url, "").await;
    elsewhere.say(r#"{"action":"sendMessage","room":"team:7","message":"from the lobby"}"#).await;
    let frame = next(&mut other).await;
    assert_eq!((&frame["room"], &frame["message"]), (&json!("team:7"), &json!("from the lobby")));
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_message_by_target_user_id_reaches_that_user_and_nobody_else() {
    let (stack, url) = start(everything()).await;
    let mut target = classic(&url, &format!("?token={}", token(json!({ "sub": "u_456" })))).await;
    let (mut sender, mut other) = (classic(&url, "").await, classic(&url, "").await);
    sender.say(r#"{"action":"sendMessage","targetUserId":"u_456","text":"hi"}"#).await;
    let frame = next(&mut target).await;
    assert_eq!((&frame["room"], &frame["message"]), (&json!("@u_456"), &json!("hi")));
    sender.say(r#"{"action":"sendMessage","message":"to all"}"#).await;
    assert_eq!(next(&mut other).await["message"], "to all", "and not what was for u_456");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcast_all_reaches_everybody_connected_if_an_admin_says_it() {
    let (stack, url) = start(everything()).await;
    let mut admin = classic(&url, &format!("?token={}", token(json!({ "sub": "root", "admin": true })))).await;
    let (mut one, mut other) = (classic(&url, "").await, classic(&url, "?room=team:7").await);
    one.say(r#"{"action":"broadcastAll","message":"not I"}"#).await;
    assert_eq!(next(&mut one).await["err"]["code"], "forbidden");
    admin.say(r#"{"action":"broadcastAll","message":"The server restarts at noon."}"#).await;
    for member in [&mut one, &mut other, &mut admin] {
        let frame = next(member).await;
        assert_eq!((&frame["room"], &frame["message"]), (&json!("*"), &json!("The server restarts at noon.")));
    }
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_they_say_is_answered_with_what_went_wrong() {
    let (stack, url) = start(everything()).await;
    let mut one = classic(&url, "").await;
    for (text, code) in [
        ("Hello world!", "not_json"),
        (r#"{"message":"Hello world!"}"#, "invalid_field"),
        (r#"{"action":"send","message":"Hello world!"}"#, "unknown_action"),
        (r#"{"action":"sendMessage"}"#, "invalid_field"),
    ] {
        one.say(text).await;
        assert_eq!(next(&mut one).await["err"]["code"], code, "{text}");
    }
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_the_well_known_samples_is_understood_and_nothing_else_is_sent() {
    let (stack, url) = start(everything()).await;
    let (mut one, mut other) = (classic(&url, "").await, classic(&url, "").await);
    for text in [
        r#"{"action":"sendmessage","data":"hello world"}"#,
        r#"{"action":"sendMessage","data":"hello world"}"#,
        r#"{"action":"sendmessage","message":"hello world"}"#,
        r#"{"action":"SendMessage","text":"hello world"}"#,
        r#"{"message":"sendmessage","data":"hello world"}"#,
        "{\"action\" : \"sendmessage\", \"data\" : \"hello world\"}",
    ] {
        one.say(text).await;
        for member in [&mut one, &mut other] {
            let frame = next(member).await;
            assert_eq!(
                (&frame["room"], &frame["message"]),
                (&json!("lobby"), &json!("hello world")),
                "{text}: {frame}"
            );
        }
    }
    let mut admin = classic(&url, &format!("?token={}", token(json!({ "sub": "root", "admin": true })))).await;
    admin.say(r#"{"action":"broadcastall","message":"to all"}"#).await;
    for member in [&mut one, &mut other, &mut admin] {
        assert_eq!(next(member).await["room"], "*");
    }
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_lines_that_are_pasted_too_fast_each_is_published_or_named_by_its_refusal() {
    /// With 20 a second and a burst of 40, some messages are refused unless all of them take 8 s.
    const LINES: usize = 200;
    let (stack, url) = start(everything()).await;
    let (mut one, mut other) = (classic(&url, "").await, classic(&url, "").await);
    for n in 0..LINES {
        one.say(json!({ "action": "sendMessage", "message": format!("line {n}") }).to_string()).await;
    }
    let (mut heard, mut refused) = (Vec::new(), Vec::new());
    while heard.len() + refused.len() < LINES {
        let frame = next(&mut one).await;
        match frame["err"]["about"].as_str() {
            Some(line) => {
                assert_eq!((&frame["id"], &frame["err"]["code"]), (&Value::Null, &json!("rate_limited")), "{frame}");
                refused.push(line.to_owned());
            }
            None => heard.push(frame["message"].as_str().unwrap_or_else(|| panic!("{frame}")).to_owned()),
        }
    }
    assert!(heard.len() >= 40 && !refused.is_empty(), "{} were published, {} refused", heard.len(), refused.len());
    let mut all: Vec<String> = heard.iter().chain(&refused).cloned().collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), LINES, "each line once");
    for _ in 0..heard.len() {
        assert!(heard.contains(&next(&mut other).await["message"].as_str().unwrap().to_owned()));
    }
    stack.shutdown().await;
}
