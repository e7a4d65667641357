//! Tests the Runtime API call by call. The test makes the calls in place of a process.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use common::{Answer, Fixture, Heard, at_start, call, failed};
use local_lambda::Error;
use serde_json::{Value, json};

/// A process that makes no calls. The test uses its Runtime API.
struct Puppet {
    fixture: Fixture,
    api: String,
}

const NEXT: &str = "/runtime/invocation/next";

impl Puppet {
    async fn start() -> Self {
        let mut function = at_start("puppet");
        function.timeout = Duration::from_secs(20);
        let fixture = Fixture::new(vec![function], |config| config.any_caller = true);
        let lambda = fixture.lambda.clone();
        tokio::spawn(async move { lambda.warm_up("f").await });
        let api = fixture.until(|heard| match heard {
            Heard::Line(_, text) => Some(text.clone()),
            _ => None,
        });
        let api = api.await;
        Self { fixture, api }
    }

    async fn get(&self, path: &str) -> Answer {
        call(&self.api, "GET", path, "", b"").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        call(&self.api, "POST", path, "", body.as_bytes()).await
    }

    /// Invokes the function and takes the invocation.
    async fn take(&self) -> (tokio::task::JoinHandle<Result<Bytes, Error>>, Answer) {
        let lambda = self.fixture.lambda.clone();
        let invoker = tokio::spawn(async move { lambda.invoke("f", Bytes::from_static(b"{\"a\":1}")).await });
        (invoker, self.get(NEXT).await)
    }
}

fn id(next: &Answer) -> String {
    next.header("Lambda-Runtime-Aws-Request-Id").unwrap().to_owned()
}

fn refusal(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json())
}

#[tokio::test]
async fn next_carries_the_event_and_the_headers_of_aws() {
    let puppet = Puppet::start().await;
    let before = epoch_ms();
    let (_invoker, next) = puppet.take().await;
    assert_eq!((next.status, next.body.as_str()), (200, "{\"a\":1}"));
    assert_eq!(next.header("Content-Type"), Some("application/json"));
    assert_eq!(id(&next).len(), 36, "a uuid");
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f";
    assert_eq!(next.header("Lambda-Runtime-Invoked-Function-Arn"), Some(arn));
    assert!(next.header("Lambda-Runtime-Trace-Id").unwrap().starts_with("Root=1-"));
    let deadline: u64 = next.header("Lambda-Runtime-Deadline-Ms").unwrap().parse().unwrap();
    assert!((before + 20_000..=epoch_ms() + 20_000).contains(&deadline), "{deadline}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_process_gets_no_invocation_and_answers_none() {
    let fixture = Fixture::of(at_start("puppet"));
    let lambda = fixture.lambda.clone();
    let _invoker = tokio::spawn(async move { lambda.invoke("f", Bytes::from_static(b"{\"secret\":1}")).await });
    let line = |heard: &Heard| match heard {
        Heard::Line(_, text) => Some(text.clone()),
        _ => None,
    };
    let api = fixture.until(line).await;
    for (method, path) in [
        ("GET", NEXT),
        ("POST", "/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response"),
        ("POST", "/runtime/init/error"),
    ] {
        let answer = call(&api, method, path, "", b"{}").await;
        let (status, body) = refusal(&answer);
        assert_eq!((status, &body["errorType"]), (403, &json!("Forbidden")), "{path}");
    }
    assert_eq!(fixture.lambda.stats()[0].cold_starts, 0);
}

#[tokio::test]
async fn a_response_is_accepted_and_reaches_the_invoker() {
    let puppet = Puppet::start().await;
    let (invoker, next) = puppet.take().await;
    let answer = puppet.post(&format!("/runtime/invocation/{}/response", id(&next)), "[1]").await;
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"status":"OK"}"#));
    assert_eq!(invoker.await.unwrap(), Ok(Bytes::from_static(b"[1]")));
}

#[tokio::test]
async fn an_error_is_accepted_and_reaches_the_invoker() {
    let puppet = Puppet::start().await;
    let (invoker, next) = puppet.take().await;
    let body = r#"{"errorMessage":"boom","errorType":"alloc::string::String","stackTrace":[]}"#;
    let answer = puppet.post(&format!("/runtime/invocation/{}/error", id(&next)), body).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"status":"OK"}"#));
    let expected = ("alloc::string::String".to_owned(), "boom".to_owned());
    assert_eq!(failed(invoker.await.unwrap().map(|_| Value::Null)), expected);
}

#[tokio::test]
async fn an_unknown_request_id_is_refused() {
    let puppet = Puppet::start().await;
    let (_invoker, _next) = puppet.take().await;
    let answer = puppet.post("/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response", "{}").await;
    let expected = json!({"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"});
    assert_eq!(refusal(&answer), (400, expected));
}

#[tokio::test]
async fn a_second_answer_is_an_invalid_state_transition() {
    let puppet = Puppet::start().await;
    let (_invoker, next) = puppet.take().await;
    let path = format!("/runtime/invocation/{}/response", id(&next));
    puppet.post(&path, "1").await;
    let answer = puppet.post(&path, "2").await;
    let message = "State transition from ResponseSent to InvocationResponse failed for runtime. \
                   Error: State transition is not allowed";
    assert_eq!(refusal(&answer), (403, json!({"errorMessage": message, "errorType": "InvalidStateTransition"})));
}

#[tokio::test]
async fn a_response_that_is_too_large_is_refused_and_fails_the_invocation() {
    let puppet = Puppet::start().await;
    let (invoker, next) = puppet.take().await;
    let body = "x".repeat(6_291_557);
    let answer = puppet.post(&format!("/runtime/invocation/{}/response", id(&next)), &body).await;
    let message = "Exceeded maximum allowed payload size (6291556 bytes).";
    assert_eq!(refusal(&answer), (413, json!({"errorMessage": message, "errorType": "RequestEntityTooLarge"})));
    assert_eq!(failed(invoker.await.unwrap().map(|_| Value::Null)).0, "Function.ResponseSizeTooLarge");
}

#[tokio::test]
async fn an_init_error_is_accepted_once_and_ends_the_process() {
    let puppet = Puppet::start().await;
    let header = "lambda-runtime-function-error-type: Runtime.InitError\r\n";
    let answer = call(&puppet.api, "POST", "/runtime/init/error", header, b"{}").await;
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"status":"OK"}"#));
    puppet.fixture.until_ended(1).await;
}

#[tokio::test]
async fn an_init_error_after_the_start_is_an_invalid_state_transition() {
    let puppet = Puppet::start().await;
    let (_invoker, _next) = puppet.take().await;
    let answer = puppet.post("/runtime/init/error", "{}").await;
    let message = "State transition from Ready to InitError failed for runtime. \
                   Error: State transition is not allowed";
    assert_eq!(refusal(&answer), (403, json!({"errorMessage": message, "errorType": "InvalidStateTransition"})));
}

#[tokio::test]
async fn asking_again_before_answering_gives_the_same_invocation() {
    let puppet = Puppet::start().await;
    let (_invoker, next) = puppet.take().await;
    assert_eq!(id(&puppet.get(NEXT).await), id(&next));
}

#[tokio::test]
async fn next_waits_until_there_is_work() {
    let puppet = Puppet::start().await;
    let api = puppet.api.clone();
    let next = tokio::spawn(async move { call(&api, "GET", NEXT, "", b"").await });
    // The process counts as started when it has sent the request, which has no answer yet.
    let mut asked = false;
    while !asked {
        tokio::task::yield_now().await;
        asked = puppet.fixture.lambda.stats()[0].cold_starts == 1;
    }
    assert!(!next.is_finished());
    let (_invoker, _) = tokio::join!(puppet.fixture.invoke(json!({"b": 2})), async {
        let next = next.await.unwrap();
        assert_eq!(next.body, "{\"b\":2}");
        puppet.post(&format!("/runtime/invocation/{}/response", id(&next)), "null").await;
    });
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let puppet = Puppet::start().await;
    assert_eq!(puppet.get("/runtime/restore/next").await.status, 404);
}

fn epoch_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}
