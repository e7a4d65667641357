//! Tests the HTTP API: events, answers, limits, and who may ask.

use std::future::ready;
use std::time::Duration;

use local_gateway::{Config, Hosts, HttpApi, HttpRoute};
use local_invoke::Error;
use serde_json::{Value, json};

use crate::support::*;

/// An API whose function `api` gives this answer.
fn api(functions: Functions) -> (Config, Functions) {
    let route = |key: &str| HttpRoute { key: key.to_owned(), function: "api".to_owned() };
    let routes = vec![route("GET /rooms/{room}"), route("POST /rooms/{room}/publications")];
    let http = Some(HttpApi { api_id: "http123".to_owned(), routes });
    (Config { http, ..config() }, functions)
}

async fn running(functions: Functions) -> Running {
    let (config, functions) = api(functions);
    Running::start(config, functions).await
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: gateway.test:3001\r\n{more}\r\n")
}

fn post(path: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: gateway.test:3001\r\nContent-Length: {length}\r\n{more}\r\n{body}")
}

fn answering(answer: Value) -> Functions {
    Functions::new().answering("api", answer)
}

#[tokio::test]
async fn a_request_is_an_event_of_format_2_with_joined_headers_and_decoded_paths() {
    let running = running(answering(json!({ "statusCode": 200 }))).await;
    let more = "X-Odd: 1\r\nx-odd: 2\r\nCookie: a=b; c=d\r\nUser-Agent: test\r\nContent-Type: application/json\r\n";
    running.raw(post("/rooms/team%3A7/publications?b=2&a=%201&b=3", more, "{\"data\":1}")).await;
    let mut event = running.functions.json_event("api").await;
    let context = event["requestContext"].take();
    assert_eq!(
        (&event["version"], &event["routeKey"], &event["rawPath"], &event["rawQueryString"]),
        (
            &json!("2.0"),
            &json!("POST /rooms/{room}/publications"),
            &json!("/rooms/team:7/publications"),
            &json!("b=2&a=%201&b=3")
        )
    );
    assert_eq!(event["queryStringParameters"], json!({ "a": " 1", "b": "2,3" }));
    assert_eq!(event["pathParameters"], json!({ "room": "team:7" }));
    assert_eq!(event["cookies"], json!(["a=b", "c=d"]));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{\"data\":1}"), &json!(false)));
    let headers = event["headers"].as_object().unwrap();
    assert_eq!((&headers["x-odd"], &headers["x-forwarded-proto"]), (&json!("1,2"), &json!("https")));
    assert!(!headers.contains_key("cookie") && headers.keys().all(|name| *name == name.to_lowercase()), "{headers:?}");
    assert_eq!((&context["stage"], &context["apiId"]), (&json!("$default"), &json!("http123")));
    assert_eq!((&context["http"]["method"], &context["http"]["path"]), (&json!("POST"), &event["rawPath"]));
    assert_eq!((&context["http"]["userAgent"], &context["http"]["protocol"]), (&json!("test"), &json!("HTTP/1.1")));
    assert_eq!(context["requestId"].as_str().unwrap().len(), 16);
    running.stop().await;
}

#[tokio::test]
async fn an_event_without_query_cookies_and_body_leaves_their_fields_out() {
    let running = running(answering(json!({ "statusCode": 200 }))).await;
    running.raw(get("/rooms/lobby", "")).await;
    let event = running.functions.json_event("api").await;
    for absent in ["queryStringParameters", "cookies", "body"] {
        assert_eq!(event.get(absent), None, "{event}");
    }
    assert_eq!((&event["rawQueryString"], &event["isBase64Encoded"]), (&json!(""), &json!(false)));
    running.stop().await;
}

#[tokio::test]
async fn a_body_of_a_form_reaches_the_function_in_base64() {
    let running = running(answering(json!({ "statusCode": 200 }))).await;
    let more = "Content-Type: application/x-www-form-urlencoded\r\n";
    running.raw(post("/rooms/lobby/publications", more, "{}")).await;
    let event = running.functions.json_event("api").await;
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("e30="), &json!(true)));
    running.stop().await;
}

#[tokio::test]
async fn the_function_decides_status_headers_and_cookies_of_the_answer() {
    let answer = json!({
        "statusCode": 429, "headers": { "Retry-After": "5", "content-type": "application/json" },
        "cookies": ["a=b"], "multiValueHeaders": {}, "body": "{}",
    });
    let running = running(answering(answer)).await;
    let response = running.raw(get("/rooms/lobby", "")).await;
    assert_eq!((status(&response), header(&response, "retry-after"), body(&response)), (429, Some("5"), "{}"));
    assert_eq!(header(&response, "content-type"), Some("application/json"));
    assert_eq!(header(&response, "set-cookie"), Some("a=b"));
    assert!(header(&response, "apigw-requestid").is_some(), "{response}");
    running.stop().await;
}

#[tokio::test]
async fn an_answer_without_a_status_is_the_body_of_a_200() {
    let running = running(answering(json!({ "hello": 1 }))).await;
    let response = running.raw(get("/rooms/lobby", "")).await;
    assert_eq!((status(&response), body(&response)), (200, r#"{"hello":1}"#));
    assert_eq!(header(&response, "content-type"), Some("application/json"));
    running.stop().await;
}

#[tokio::test]
async fn a_path_or_method_without_a_route_is_not_found_and_invokes_nothing() {
    let running = running(answering(json!({ "statusCode": 200 }))).await;
    for request in [get("/rooms", ""), get("/rooms/lobby/", ""), post("/rooms/lobby", "", "")] {
        let response = running.raw(request).await;
        assert_eq!((status(&response), body(&response)), (404, r#"{"message":"Not Found"}"#));
    }
    assert_eq!(running.functions.pending("api"), 0);
    let elsewhere = running.raw(get("/prod", "")).await;
    assert_eq!(status(&elsewhere), 403, "this path belongs to the WebSocket API");
    running.stop().await;
}

#[tokio::test]
async fn a_function_that_fails_is_500_and_one_that_was_not_run_503() {
    let failing = running(Functions::new().failing("api", "broken")).await;
    let response = failing.raw(get("/rooms/lobby", "")).await;
    assert_eq!((status(&response), body(&response)), (500, r#"{"message":"Internal Server Error"}"#));
    failing.stop().await;
    let malformed = running(answering(json!({ "statusCode": "ok" }))).await;
    assert_eq!(status(&malformed.raw(get("/rooms/lobby", "")).await), 500);
    malformed.stop().await;
    let busy = Functions::new().on("api", |_| ready(Err(Error::Throttled("api".to_owned()))));
    let busy = running(busy).await;
    let response = busy.raw(get("/rooms/lobby", "")).await;
    assert_eq!((status(&response), body(&response)), (503, r#"{"message":"Service Unavailable"}"#));
    busy.stop().await;
}

#[tokio::test]
async fn a_function_that_takes_longer_than_the_gateway_waits_is_503() {
    let (mut config, functions) = api(Functions::new().on("api", never));
    config.limits.http_integration_timeout = Duration::from_millis(20);
    let running = Running::start(config, functions).await;
    let response = running.raw(get("/rooms/lobby", "")).await;
    assert_eq!((status(&response), body(&response)), (503, r#"{"message":"Service Unavailable"}"#));
    running.stop().await;
}

#[tokio::test]
async fn a_body_above_the_limit_of_the_http_api_is_413_and_invokes_nothing() {
    let (mut config, functions) = api(answering(json!({ "statusCode": 200 })));
    config.limits.http_body_bytes = 8;
    let running = Running::start(config, functions).await;
    let fits = running.raw(post("/rooms/lobby/publications", "", "12345678")).await;
    assert_eq!(status(&fits), 200);
    let response = running.raw(post("/rooms/lobby/publications", "", "123456789")).await;
    assert_eq!((status(&response), body(&response)), (413, r#"{"message":"Request Entity Too Large"}"#));
    assert_eq!(running.functions.pending("api"), 1);
    running.stop().await;
}

#[tokio::test]
async fn an_exhausted_account_is_429_for_requests_over_http_too() {
    let (mut config, functions) = api(answering(json!({ "statusCode": 200 })));
    config.limits.account_rate = Some(local_gateway::Rate { per_second: 1, burst: 1 });
    let running = Running::start(config, functions).await;
    assert_eq!(status(&running.raw(get("/rooms/lobby", "")).await), 200);
    let response = running.raw(get("/rooms/lobby", "")).await;
    assert_eq!((status(&response), body(&response)), (429, r#"{"message":"Too Many Requests"}"#));
    running.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_asks_the_http_api_nothing() {
    let (mut config, functions) = api(answering(json!({ "statusCode": 200 })));
    config.hosts = Some(Hosts::loopback(3001, &["gateway.test".to_owned()]));
    let running = Running::start(config, functions).await;
    assert_eq!(status(&running.raw(get("/rooms/lobby", "")).await), 200);
    assert_eq!(status(&running.raw(get("/rooms/lobby", "Origin: https://evil.example\r\n")).await), 403);
    let foreign = "GET /rooms/lobby HTTP/1.1\r\nHost: evil.example:3001\r\n\r\n";
    assert_eq!(status(&running.raw(foreign).await), 403);
    running.stop().await;
}
