//! Tests the four events byte for byte, and as `aws_lambda_events` parses them.

use aws_lambda_events::event::apigw::{ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayWebsocketProxyRequest};
use local_gateway::{Authorizer, Config};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::*;

/// Fields that change from run to run. All other fields are compared.
const CHANGING: [&str; 8] = [
    "X-Amzn-Trace-Id",
    "extendedRequestId",
    "requestTime",
    "connectedAt",
    "requestTimeEpoch",
    "requestId",
    "connectionId",
    "messageId",
];

const AGENT: &str = "User-Agent: Mozilla/5.0\r\n";

/// Returns the message `{"action":"sendmessage","data":"hello"}` as a masked frame whose mask is
/// zero.
fn message() -> Vec<u8> {
    let text = br#"{"action":"sendmessage","data":"hello"}"#;
    [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], text.as_slice()].concat()
}

fn assert_golden(event: &str, golden: &str) {
    let mut event = event.to_owned();
    for name in CHANGING {
        event = blank(&event, name);
    }
    let golden: String = golden.lines().map(str::trim).collect();
    assert_eq!(event, golden);
}

/// Replaces the values of the member `name`, which are strings or the first element of a list.
fn blank(event: &str, name: &str) -> String {
    let key = format!("\"{name}\":");
    let mut blanked = String::new();
    let mut rest = event;
    while let Some(at) = rest.find(&key) {
        let value = at + key.len() + usize::from(rest[at + key.len()..].starts_with('['));
        blanked.push_str(&rest[..value]);
        blanked.push_str(&format!("\"<{name}>\""));
        let quoted = rest[value..].starts_with('"');
        let end = if quoted { rest[value + 1..].find('"').unwrap() + 2 } else { rest[value..].find(',').unwrap() };
        rest = &rest[value + end..];
    }
    blanked + rest
}

fn context(event: &str) -> Value {
    serde_json::from_str::<Value>(event).unwrap()["requestContext"].take()
}

fn assert_ids_and_times(event: &str) {
    let context = context(event);
    assert_eq!(context["extendedRequestId"], context["requestId"]);
    for id in ["requestId", "connectionId"] {
        let id = context[id].as_str().unwrap();
        assert!(id.len() == 16 && id.ends_with('='), "{id}");
    }
    let (connected, requested) =
        (context["connectedAt"].as_i64().unwrap(), context["requestTimeEpoch"].as_i64().unwrap());
    assert!(connected <= requested, "{connected} is after {requested}");
    let time = context["requestTime"].as_str().unwrap();
    let shape: String = time
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                '0'
            } else if c.is_alphabetic() {
                'a'
            } else {
                c
            }
        })
        .collect();
    assert_eq!(shape, "00/aaa/0000:00:00:00 +0000");
}

fn api() -> Config {
    let mut config = config();
    config.routes.push(route("sendmessage", "echo", false));
    config
}

fn authorized(config: Config) -> Config {
    Config { authorizer: Some(Authorizer { function: "authorizer".to_owned(), identity_sources: vec![] }), ..config }
}

fn with_authorizer() -> Functions {
    let policy = json!({
        "principalId": "user",
        "policyDocument": { "Statement": [{ "Action": "*", "Effect": "Allow", "Resource": "*" }] },
    });
    usual_functions().answering("authorizer", policy)
}

#[tokio::test]
async fn the_authorizer_event_is_as_on_aws() {
    let running = Running::start(authorized(api()), with_authorizer()).await;
    let headers = format!(
        "headerAuth1: headerValue1\r\n{AGENT}Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    );
    raw_client(&running, &opening("/local", &headers)).await;
    let event = running.functions.event("authorizer").await;
    assert_golden(&event, include_str!("golden/authorizer.json"));
    assert_ids_and_times(&event);
    let read: ApiGatewayCustomAuthorizerRequestTypeRequest = serde_json::from_str(&event).unwrap();
    assert_eq!(read.headers["headerauth1"], "headerValue1");
    let connect = context(&running.functions.event("connect").await);
    assert_eq!(context(&event)["requestId"], connect["requestId"]);
}

#[tokio::test]
async fn the_connect_event_is_as_on_aws() {
    let running = Running::start(api(), usual_functions()).await;
    raw_client(&running, &opening("/local?room=r1&room=r%202", "x-odd-Case: first\r\nX-ODD-CASE: second\r\n")).await;
    let event = running.functions.event("connect").await;
    assert_golden(&event, include_str!("golden/connect.json"));
    assert_ids_and_times(&event);
    let context = context(&event);
    let (request, connection) = (context["requestId"].as_str().unwrap(), context["connectionId"].as_str().unwrap());
    assert_eq!(request[..8], connection[..8]);
    assert_ne!(request, connection);
    let read: ApiGatewayWebsocketProxyRequest = serde_json::from_str(&event).unwrap();
    assert_eq!(read.query_string_parameters.first("room"), Some("r 2"));
    assert_eq!(read.request_context.connected_at, context["connectedAt"].as_i64().unwrap());
}

#[tokio::test]
async fn a_connect_event_without_a_query_has_none() {
    let running = Running::start(api(), usual_functions()).await;
    raw_client(&running, &opening("/local", "")).await;
    let event = running.functions.event("connect").await;
    assert!(!event.contains("ueryStringParameters"), "{event}");
}

#[tokio::test]
async fn the_message_event_is_as_on_aws() {
    let running = Running::start(authorized(api()), with_authorizer()).await;
    let mut stream = raw_client(&running, &opening("/local?room=r1", AGENT)).await;
    stream.write_all(&message()).await.unwrap();
    let event = running.functions.event("echo").await;
    assert_golden(&event, include_str!("golden/message.json"));
    assert_ids_and_times(&event);
    let context = context(&event);
    assert_ne!(context["messageId"], context["requestId"]);
    let read: ApiGatewayWebsocketProxyRequest = serde_json::from_str(&event).unwrap();
    assert_eq!(read.body.as_deref(), Some(r#"{"action":"sendmessage","data":"hello"}"#));
    assert_eq!(read.request_context.route_key.as_deref(), Some("sendmessage"));
    assert_eq!(read.request_context.authorizer.fields["principalId"], "user");
}

#[tokio::test]
async fn the_disconnect_event_is_as_on_aws() {
    let running = Running::start(api(), usual_functions()).await;
    let mut stream = raw_client(&running, &opening("/local?room=r1", "")).await;
    let connected = context(&running.functions.event("connect").await);
    stream.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
    let event = running.functions.event("disconnect").await;
    assert_golden(&event, include_str!("golden/disconnect.json"));
    assert_ids_and_times(&event);
    let context = context(&event);
    for same in ["connectionId", "connectedAt", "domainName", "apiId", "stage"] {
        assert_eq!(context[same], connected[same]);
    }
    let read: ApiGatewayWebsocketProxyRequest = serde_json::from_str(&event).unwrap();
    assert_eq!(read.request_context.disconnect_status_code, Some(1005));
}
