//! Tests every row of the handshake table: the clients that get a 101, and the answers to the
//! others.

use std::time::Duration;

use local_gateway::{Authorizer, Config, Rate};
use local_invoke::Error;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::*;

const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/local/$connect";

/// Returns the status of a handshake with this `$connect` function.
async fn status_when_connect(functions: Functions) -> u16 {
    let running = Running::start(config(), functions).await;
    running.refused(running.url()).await.status().as_u16()
}

fn authorized_config(identity_sources: &[&str]) -> Config {
    let identity_sources = identity_sources.iter().map(|source| (*source).to_owned()).collect();
    Config { authorizer: Some(Authorizer { function: "authorizer".to_owned(), identity_sources }), ..config() }
}

fn policy(effect: &str, resource: &str) -> Value {
    json!({
        "principalId": "me",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{ "Action": "execute-api:Invoke", "Effect": effect, "Resource": resource }],
        },
        "context": { "stringKey": "value", "numberKey": 1, "booleanKey": true },
    })
}

/// Returns the refusal by this authorizer, and checks that `$connect` was not invoked.
async fn refused_by_authorizer(functions: Functions) -> http::Response<Option<Vec<u8>>> {
    let running = Running::start(authorized_config(&[]), functions.answering("connect", ok())).await;
    let response = running.refused(running.url()).await;
    assert_eq!(running.functions.pending("connect"), 0);
    response
}

#[tokio::test]
async fn a_connect_that_answers_2xx_lets_the_client_in() {
    for status in [200, 201, 204, 226, 299] {
        let functions = usual_functions().answering("connect", json!({ "statusCode": status }));
        Running::start(config(), functions).await.connect().await;
    }
}

#[tokio::test]
async fn an_api_without_connect_accepts_everybody() {
    let routes = vec![route("$default", "echo", true)];
    let running = Running::start(Config { routes, ..config() }, usual_functions()).await;
    let mut client = running.connect().await;
    send(&mut client, "hi").await;
    assert_eq!(text(&mut client).await, "hi");
}

#[tokio::test]
async fn a_connect_that_answers_another_status_is_passed_on_verbatim_without_its_body() {
    for status in [301, 400, 401, 403, 404, 429, 500, 501, 599] {
        let answer = json!({ "statusCode": status, "body": "secret", "headers": { "x-secret": "secret" } });
        let running = Running::start(config(), Functions::new().answering("connect", answer)).await;
        let response = running.raw(opening("/local", "")).await;
        assert_eq!(self::status(&response), status);
        assert!(!response.contains("secret"), "{response}");
    }
}

#[tokio::test]
async fn a_connect_that_throws_or_answers_nonsense_is_502() {
    assert_eq!(status_when_connect(Functions::new().failing("connect", "boom")).await, 502);
    for nonsense in [json!(null), json!({}), json!("ok"), json!({ "statusCode": "ok" }), json!({ "statusCode": 101 })] {
        assert_eq!(status_when_connect(Functions::new().answering("connect", nonsense)).await, 502);
    }
}

#[tokio::test]
async fn a_connect_that_lambda_refuses_to_run_is_500() {
    let throttled = |_| async { Err(Error::Throttled("connect".to_owned())) };
    assert_eq!(status_when_connect(Functions::new().on("connect", throttled)).await, 500);
    assert_eq!(status_when_connect(Functions::new()).await, 500);
}

#[tokio::test]
async fn a_connect_that_takes_too_long_is_504() {
    let mut config = config();
    config.limits.integration_timeout = Duration::from_millis(50);
    let running = Running::start(config, Functions::new().on("connect", never)).await;
    let response = running.refused(running.url()).await;
    assert_eq!(response.status(), 504);
}

#[tokio::test]
async fn a_refusal_of_the_gateway_says_why_in_the_layout_of_its_frames() {
    let running = Running::start(config(), Functions::new().failing("connect", "boom")).await;
    let response = running.raw(opening("/local", "")).await;
    let event = running.functions.json_event("connect").await;
    let id = |name: &str| event["requestContext"][name].as_str().unwrap().to_owned();
    assert_eq!(
        body(&response),
        format!(
            r#"{{"message": "Internal server error", "connectionId":"{}", "requestId":"{}"}}"#,
            id("connectionId"),
            id("requestId")
        )
    );
    assert_eq!(header(&response, "x-amzn-ErrorType"), Some("InternalServerErrorException"));
    assert!(header(&response, "x-amzn-RequestId").is_some());
}

#[tokio::test]
async fn the_101_waits_for_connect_and_no_message_runs_before() {
    let gate = Gate::closed();
    let running = Running::start(config(), usual_functions().gated("connect", &gate, ok())).await;
    // The client's first message is in the same packet as its handshake.
    let mut bytes = opening("/local", "").into_bytes();
    bytes.extend([0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    running.functions.event("connect").await;
    assert_eq!(running.functions.pending("echo"), 0);
    assert_eq!(running.gateway.stats().connections_accepted, 0);
    gate.open();
    assert_eq!(running.functions.json_event("echo").await["body"], "hi");
}

#[tokio::test]
async fn a_missing_identity_source_is_401_and_the_authorizer_is_not_asked() {
    let sources = ["route.request.header.HeaderAuth1", "route.request.querystring.QueryString1"];
    let functions = usual_functions().answering("authorizer", policy("Allow", ARN));
    let running = Running::start(authorized_config(&sources), functions).await;
    let both = format!("{}?QueryString1=queryValue1", running.url());
    for (url, header) in [
        (running.url(), Some("headerValue1")),
        (format!("{}?QueryString1=", running.url()), Some("headerValue1")),
        (both.clone(), None),
        (both.clone(), Some("")),
    ] {
        let mut request = url.into_client_request().unwrap();
        if let Some(value) = header {
            request.headers_mut().insert("headerauth1", value.parse().unwrap());
        }
        assert_eq!(running.refused(request).await.status(), 401);
    }
    assert_eq!(running.functions.pending("authorizer"), 0);
    let mut request = both.into_client_request().unwrap();
    request.headers_mut().insert("headerauth1", "headerValue1".parse().unwrap());
    running.connect_to(request).await;
    assert_eq!(running.functions.pending("authorizer"), 1);
}

#[tokio::test]
async fn an_authorizer_that_says_unauthorized_is_401() {
    let response = refused_by_authorizer(Functions::new().failing("authorizer", "Unauthorized")).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["x-amzn-errortype"], "UnauthorizedException");
}

#[tokio::test]
async fn a_policy_that_denies_or_does_not_cover_the_arn_is_403() {
    for (effect, resource, message) in [
        ("Deny", ARN, "User is not authorized to access this resource with an explicit deny"),
        (
            "Allow",
            "arn:aws:execute-api:us-east-1:123456789012:abcdef123/local/*/*",
            "User is not authorized to access this resource",
        ),
        (
            "Allow",
            "arn:aws:execute-api:us-east-1:123456789012:other/local/$connect",
            "User is not authorized to access this resource",
        ),
    ] {
        let response = refused_by_authorizer(Functions::new().answering("authorizer", policy(effect, resource))).await;
        assert_eq!(response.status(), 403);
        let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap();
        assert_eq!(body["message"], message);
    }
}

#[tokio::test]
async fn an_authorizer_that_fails_otherwise_is_500() {
    assert_eq!(refused_by_authorizer(Functions::new().failing("authorizer", "boom")).await.status(), 500);
    assert_eq!(refused_by_authorizer(Functions::new()).await.status(), 500);
    let mut nested = policy("Allow", ARN);
    nested["context"]["list"] = json!([1]);
    let mut long = policy("Allow", ARN);
    long["context"]["long"] = json!("x".repeat(8_192));
    for wrong in [json!({}), json!({ "principalId": "me" }), nested, long] {
        assert_eq!(refused_by_authorizer(Functions::new().answering("authorizer", wrong)).await.status(), 500);
    }
}

#[tokio::test]
async fn the_authorizers_context_is_in_every_later_event_as_strings() {
    let functions = usual_functions().answering("authorizer", policy("Allow", "arn:aws:execute-api:*:*:abcdef123/*"));
    let running = Running::start(authorized_config(&[]), functions).await;
    let mut client = running.connect().await;
    send(&mut client, "hi").await;
    text(&mut client).await;
    client.close(None).await.unwrap();
    let expected = json!({ "principalId": "me", "stringKey": "value", "numberKey": "1", "booleanKey": "true" });
    for function in ["connect", "echo", "disconnect"] {
        let event = running.functions.json_event(function).await;
        assert_eq!(event["requestContext"]["authorizer"], expected, "{function}");
    }
    assert!(running.functions.json_event("authorizer").await["requestContext"]["authorizer"].is_null());
}

#[tokio::test]
async fn the_subprotocol_is_what_connect_answers_and_nothing_else() {
    for headers in [
        json!({ "headers": { "Sec-WebSocket-Protocol": "rooms.v1" } }),
        json!({ "headers": { "sec-websocket-protocol": "rooms.v1" } }),
        json!({ "multiValueHeaders": { "Sec-Websocket-Protocol": ["rooms.v1"] } }),
    ] {
        let mut answer = ok();
        answer.as_object_mut().unwrap().extend(headers.as_object().unwrap().clone());
        let running = Running::start(config(), usual_functions().answering("connect", answer)).await;
        let response = running.raw(opening("/local", "Sec-WebSocket-Protocol: rooms.v1, token.abc\r\n")).await;
        assert_eq!(header(&response, "Sec-WebSocket-Protocol"), Some("rooms.v1"));
        let event = running.functions.json_event("connect").await;
        assert_eq!(event["headers"]["Sec-WebSocket-Protocol"], "rooms.v1, token.abc");
    }
    let running = Running::usual().await;
    let response = running.raw(opening("/local", "Sec-WebSocket-Protocol: rooms.v1\r\n")).await;
    assert_eq!(header(&response, "Sec-WebSocket-Protocol"), None);
}

#[tokio::test]
async fn compression_is_offered_shown_to_connect_and_not_negotiated() {
    let running = Running::usual().await;
    let offer = "permessage-deflate; client_max_window_bits";
    let response = running.raw(opening("/local", &format!("Sec-WebSocket-Extensions: {offer}\r\n"))).await;
    assert_eq!(header(&response, "Sec-WebSocket-Extensions"), None);
    assert_eq!(running.functions.json_event("connect").await["headers"]["Sec-WebSocket-Extensions"], offer);
}

#[tokio::test]
async fn what_is_no_handshake_is_told_what_would_be_one() {
    let running = Running::usual().await;
    let plain = running.raw("GET /local HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(status(&plain), 426);
    assert_eq!(header(&plain, "Upgrade"), Some("websocket"));
    let old = opening("/local", "").replace("Version: 13", "Version: 8");
    let old = running.raw(old).await;
    assert_eq!((status(&old), header(&old, "Sec-WebSocket-Version")), (426, Some("13")));
    let keyless = running.raw(opening("/local", "").replace("x3JJHMbDL1EzLkh9GBhXDw==", "short")).await;
    assert_eq!(status(&keyless), 400);
    let post = running.raw("POST /local HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(status(&post), 403);
    assert_eq!(running.functions.pending("connect"), 0);
}

#[tokio::test]
async fn only_the_stage_is_there_and_the_health_checks() {
    let running = Running::usual().await;
    for path in ["/", "/prod", "/local/else"] {
        let response = running.raw(opening(path, "")).await;
        assert_eq!((status(&response), body(&response)), (403, r#"{"message":"Forbidden"}"#), "{path}");
    }
    for path in ["/ping", "/sping"] {
        let response = running.raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!((status(&response), body(&response)), (200, "healthy"));
    }
}

#[tokio::test]
async fn a_connection_rate_that_is_exhausted_is_429() {
    let mut config = config();
    config.limits.connect_rate = Some(Rate { per_second: 1, burst: 3 });
    let running = Running::start(config, usual_functions()).await;
    for _ in 0..3 {
        running.connect().await;
    }
    let response = running.refused(running.url()).await;
    assert_eq!(response.status(), 429);
    assert_eq!(running.functions.pending("connect"), 3);
    assert_eq!(running.gateway.stats().connections_refused, 1);
}

#[tokio::test]
async fn a_client_that_leaves_during_connect_gets_its_disconnect() {
    let gate = Gate::closed();
    let running = Running::start(config(), usual_functions().gated("connect", &gate, ok())).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(opening("/local", "").as_bytes()).await.unwrap();
    running.functions.event("connect").await;
    drop(stream);
    gate.open();
    let event = running.functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1006);
    assert_eq!(running.gateway.stats().connections_open, 0);
}

#[tokio::test]
async fn a_client_that_connect_refused_gets_no_disconnect() {
    let functions = usual_functions().answering("connect", json!({ "statusCode": 403 }));
    let running = Running::start(config(), functions).await;
    running.refused(running.url()).await;
    let functions = running.functions.clone();
    assert!(running.stop().await.complete);
    assert_eq!(functions.pending("disconnect"), 0);
}
