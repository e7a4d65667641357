//! Tests messages: their functions, the answers, and the gateway's own frames.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};
use local_gateway::{Config, Rate, Route};
use local_invoke::Error;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::*;

/// Returns an API with a route that responds, a route that does not, and no `$default`.
fn strict() -> Config {
    let mut config = config();
    config.routes =
        vec![route("$connect", "connect", false), route("ask", "function", true), route("tell", "function", false)];
    config
}

/// Sends one message to an API with these functions, and returns the client.
async fn after(config: Config, functions: Functions, message: &str) -> (Running, Client, String) {
    let running = Running::start(config, functions.answering("connect", ok())).await;
    let (mut client, id) = running.connect_as().await;
    send(&mut client, message).await;
    (running, client, id)
}

/// Returns a handler that waits for `gate`, opens `finished`, and answers.
fn slow(gate: &Gate, finished: &Gate) -> impl Fn(Value) -> BoxFuture<'static, Result<Bytes, Error>> + use<> {
    let (gate, finished) = (gate.clone(), finished.clone());
    move |_| {
        let (gate, finished) = (gate.clone(), finished.clone());
        Box::pin(async move {
            gate.pass().await;
            finished.open();
            Ok(json!({ "statusCode": 200, "body": "too late" }).to_string().into())
        })
    }
}

const ASK: &str = r#"{"action":"ask"}"#;
const TELL: &str = r#"{"action":"tell"}"#;

#[tokio::test]
async fn a_message_that_no_route_takes_is_forbidden_and_the_socket_stays_open() {
    let functions = Functions::new().answering("function", json!({ "statusCode": 200, "body": "hi" }));
    let (_running, mut client, id) = after(strict(), functions, r#"{"action":"else"}"#).await;
    error_frame(&mut client, &id, "Forbidden").await;
    for unrouted in ["not json", r#"{"no":"action"}"#, "[]", r#"{"action":"$connect"}"#, ""] {
        send(&mut client, unrouted).await;
        error_frame(&mut client, &id, "Forbidden").await;
    }
    send(&mut client, ASK).await;
    assert_eq!(text(&mut client).await, "hi");
}

#[tokio::test]
async fn a_message_takes_the_route_it_names_else_the_default() {
    let mut config = config();
    config.routes.push(route("join", "join", false));
    let running = Running::start(config, usual_functions().answering("join", ok())).await;
    let mut client = running.connect().await;
    send(&mut client, r#"{"action":"join"}"#).await;
    assert_eq!(running.functions.json_event("join").await["requestContext"]["routeKey"], "join");
    for other in [r#"{"action":"leave"}"#, "not json"] {
        send(&mut client, other).await;
        let event = running.functions.json_event("echo").await;
        assert_eq!(event["requestContext"]["routeKey"], "$default");
        assert_eq!(event["body"], other);
    }
}

#[tokio::test]
async fn the_expression_may_join_several_values() {
    let mut config = config();
    config.route_selection_expression = "${request.body.service}/${request.body.action}".to_owned();
    config.routes.push(route("chat/join", "join", false));
    let running = Running::start(config, usual_functions().answering("join", ok())).await;
    let mut client = running.connect().await;
    send(&mut client, r#"{"action":"join","service":"chat"}"#).await;
    assert_eq!(running.functions.json_event("join").await["requestContext"]["routeKey"], "chat/join");
}

#[tokio::test]
async fn a_route_response_is_the_body_whatever_the_status() {
    for status in [200, 401, 500] {
        let functions = Functions::new().answering("function", json!({ "statusCode": status, "body": "said" }));
        let (_running, mut client, _) = after(strict(), functions, ASK).await;
        assert_eq!(text(&mut client).await, "said");
    }
}

#[tokio::test]
async fn without_a_route_response_nothing_is_sent_whatever_the_status() {
    for status in [200, 201, 301, 401, 501] {
        let functions = Functions::new().answering("function", json!({ "statusCode": status, "body": "unheard" }));
        let (_running, mut client, id) = after(strict(), functions, TELL).await;
        // The first frame that arrives is the answer to the next message.
        send(&mut client, "not json").await;
        error_frame(&mut client, &id, "Forbidden").await;
    }
}

#[tokio::test]
async fn an_answer_without_a_body_is_an_empty_frame_where_there_is_a_route_response() {
    let (_running, mut client, id) = after(strict(), Functions::new().answering("function", ok()), ASK).await;
    assert_eq!(text(&mut client).await, "");
    send(&mut client, "not json").await;
    error_frame(&mut client, &id, "Forbidden").await;
}

#[tokio::test]
async fn a_base64_body_is_decoded_into_a_text_frame() {
    let answer = json!({ "statusCode": 200, "body": "aMOpbGxv", "isBase64Encoded": true });
    let (_running, mut client, _) = after(strict(), Functions::new().answering("function", answer), ASK).await;
    assert_eq!(text(&mut client).await, "héllo");
}

#[tokio::test]
async fn a_failing_integration_is_an_internal_server_error_even_without_a_route_response() {
    for message in [ASK, TELL] {
        let (running, mut client, id) = after(strict(), Functions::new().failing("function", "boom"), message).await;
        let request_id = error_frame(&mut client, &id, "Internal server error").await;
        let event = running.functions.json_event("function").await;
        assert_eq!(event["requestContext"]["requestId"], request_id);
        assert_eq!(running.gateway.stats().integrations_failed, 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_internal_server_error_even_without_a_route_response() {
    for nonsense in [
        json!(null),
        json!({}),
        json!({ "statusCode": 200, "Data": "Hello" }),
        json!({ "statusCode": 200, "body": {} }),
    ] {
        for message in [ASK, TELL] {
            let functions = Functions::new().answering("function", nonsense.clone());
            let (_running, mut client, id) = after(strict(), functions, message).await;
            error_frame(&mut client, &id, "Internal server error").await;
        }
    }
    let long = json!({ "statusCode": 200, "body": "x".repeat(131_073) });
    let (_running, mut client, id) = after(strict(), Functions::new().answering("function", long), ASK).await;
    error_frame(&mut client, &id, "Internal server error").await;
}

#[tokio::test]
async fn a_function_that_lambda_refuses_to_run_is_an_internal_server_error() {
    let throttled = |_| async { Err(Error::Throttled("function".to_owned())) };
    let (_running, mut client, id) = after(strict(), Functions::new().on("function", throttled), TELL).await;
    error_frame(&mut client, &id, "Internal server error").await;
    let (_running, mut client, id) = after(strict(), Functions::new(), TELL).await;
    error_frame(&mut client, &id, "Internal server error").await;
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_said_to_have_timed_out_and_runs_on() {
    let mut config = strict();
    config.limits.integration_timeout = Duration::from_millis(50);
    let (gate, finished) = (Gate::closed(), Gate::closed());
    let (_running, mut client, id) = after(config, Functions::new().on("function", slow(&gate, &finished)), ASK).await;
    error_frame(&mut client, &id, "Endpoint request timed out").await;
    gate.open();
    soon(finished.pass()).await;
    send(&mut client, "not json").await;
    error_frame(&mut client, &id, "Forbidden").await;
}

#[tokio::test]
async fn a_message_beyond_the_accounts_rate_is_answered_and_not_delivered() {
    let mut config = config();
    // The burst is one token for the handshake and two for messages.
    config.limits.account_rate = Some(Rate { per_second: 1, burst: 3 });
    let running = Running::start(config, usual_functions()).await;
    let (mut client, id) = running.connect_as().await;
    for message in ["1", "2", "3"] {
        send(&mut client, message).await;
    }
    // The throttled answer needs no function, so it may arrive first.
    let mut frames = [text(&mut client).await, text(&mut client).await, text(&mut client).await];
    frames.sort();
    assert_eq!(frames[..2], ["1", "2"]);
    let throttled: Value = serde_json::from_str(&frames[2]).unwrap();
    assert_eq!(
        (throttled["message"].as_str(), throttled["connectionId"].as_str()),
        (Some("Too Many Requests"), Some(&*id))
    );
    assert_eq!(running.gateway.stats().messages_throttled, 1);
    assert_eq!(running.functions.pending("echo"), 2);
}

#[tokio::test]
async fn a_message_beyond_the_rate_of_its_route_is_answered_and_other_routes_go_on() {
    let mut config = config();
    let rate = Some(Rate { per_second: 1, burst: 2 });
    config.routes.push(Route { rate, ..route("costly", "echo", true) });
    let running = Running::start(config, usual_functions()).await;
    let (mut client, id) = running.connect_as().await;
    let (costly, other) = (r#"{"action":"costly"}"#, "another route");
    let mut throttled = 0;
    for message in [costly, other, costly, costly, other] {
        send(&mut client, message).await;
        let frame = text(&mut client).await;
        if frame == message {
            continue;
        }
        let refused: Value = serde_json::from_str(&frame).unwrap();
        assert_eq!(message, costly);
        assert_eq!(
            (refused["message"].as_str(), refused["connectionId"].as_str()),
            (Some("Too Many Requests"), Some(&*id))
        );
        throttled += 1;
    }
    assert_eq!((throttled, running.gateway.stats().messages_throttled), (1, 1));
}

#[tokio::test]
async fn two_messages_of_one_client_run_in_parallel_and_may_finish_out_of_order() {
    let gate = Gate::closed();
    let passing = gate.clone();
    let function = move |event: Value| {
        let gate = passing.clone();
        async move {
            if event["body"] == "first" {
                gate.pass().await;
            } else {
                gate.open();
            }
            echo(event).await
        }
    };
    let running = Running::start(config(), usual_functions().on("echo", function)).await;
    let mut client = running.connect().await;
    send(&mut client, "first").await;
    send(&mut client, "second").await;
    assert_eq!(text(&mut client).await, "second");
    assert_eq!(text(&mut client).await, "first");
}

#[tokio::test]
async fn functions_are_invoked_in_the_order_of_the_messages() {
    let gate = Gate::closed();
    let running = Running::start(config(), usual_functions().gated("echo", &gate, ok())).await;
    let mut client = running.connect().await;
    for number in 0..50 {
        send(&mut client, number.to_string()).await;
    }
    for number in 0..50 {
        assert_eq!(running.functions.json_event("echo").await["body"], number.to_string());
    }
}

#[tokio::test]
async fn a_client_with_too_many_messages_in_flight_has_to_wait_and_loses_nothing() {
    let mut config = config();
    config.limits.messages_in_flight = 2;
    let gate = Gate::closed();
    let running =
        Running::start(config, usual_functions().gated("echo", &gate, json!({ "statusCode": 200, "body": "done" })))
            .await;
    let mut client = running.connect().await;
    for number in 0..10 {
        send(&mut client, number.to_string()).await;
    }
    running.functions.event("echo").await;
    running.functions.event("echo").await;
    // The complete round trip of a second client shows that enough time has passed.
    let mut other = running.connect().await;
    send(&mut other, "other").await;
    assert_eq!(running.functions.json_event("echo").await["body"], "other");
    assert_eq!(running.functions.pending("echo"), 0);
    gate.open();
    for _ in 0..10 {
        assert_eq!(text(&mut client).await, "done");
    }
}

#[tokio::test]
async fn functions_run_on_when_their_client_has_left() {
    let (gate, finished) = (Gate::closed(), Gate::closed());
    let running = Running::start(config(), usual_functions().on("echo", slow(&gate, &finished))).await;
    let mut client = running.connect().await;
    send(&mut client, "hi").await;
    running.functions.event("echo").await;
    client.close(None).await.unwrap();
    running.functions.event("disconnect").await;
    gate.open();
    soon(finished.pass()).await;
}

#[tokio::test]
async fn hostile_json_selects_its_route_or_the_default_and_harms_nobody() {
    let mut config = config();
    config.routes.push(route("join", "join", false));
    let running = Running::start(config, usual_functions().answering("join", ok())).await;
    let mut client = running.connect().await;
    let many_keys = (0..3_000).map(|key| format!("\"{key}\":0,")).collect::<String>();
    for message in [
        format!(r#"{{"data":{}{},"action":"join"}}"#, "[".repeat(15_000), "]".repeat(15_000)),
        format!(r#"{{{many_keys}"action":"join"}}"#),
        r#"{"action":"leave","action":"join"}"#.to_owned(),
        r#"{"n":1e999999,"action":"join"}"#.to_owned(),
        r#"{"s":"\ud800","nul":"\u0000","action":"join"}"#.to_owned(),
        r#"{"__proto__":{"action":"x"},"action":"join"}"#.to_owned(),
    ] {
        send(&mut client, message.clone()).await;
        assert_eq!(running.functions.json_event("join").await["body"], message);
    }
    for message in ["[".repeat(32_000), "{\"action\":".repeat(3_000), r#"{"action":"\ud800"}"#.to_owned()] {
        send(&mut client, message.clone()).await;
        assert_eq!(running.functions.json_event("echo").await["body"], message);
    }
}

#[tokio::test]
async fn control_frames_are_answered_and_never_reach_a_function() {
    let running = Running::usual().await;
    let mut client = running.connect().await;
    client.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::Pong("are you there".into()));
    client.send(Message::Pong("unasked".into())).await.unwrap();
    send(&mut client, "hi").await;
    assert_eq!(text(&mut client).await, "hi");
    assert_eq!(running.gateway.stats().messages_received, 1);
}

#[tokio::test]
async fn messages_are_metered_in_units_of_32_kb_both_ways() {
    let running = Running::usual().await;
    let (mut client, id) = running.connect_as().await;
    send(&mut client, "hi").await;
    text(&mut client).await;
    running.post(&id, &"x".repeat(32_769)).await;
    text(&mut client).await;
    let stats = running.gateway.stats();
    assert_eq!((stats.messages_received, stats.units_received), (1, 1));
    assert_eq!((stats.messages_sent, stats.units_sent), (2, 3));
}
