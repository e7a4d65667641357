//! Tests the answers and errors that an invoker receives.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use common::{Fixture, failed, function, with};
use futures::future::join_all;
use local_lambda::{Error, Status};
use serde_json::json;

#[tokio::test]
async fn the_answer_of_the_function_is_the_answer_of_the_invocation() {
    let fixture = Fixture::of(function("f"));
    let payload = json!({"do": "echo", "text": "héllo", "list": [1, 2, {"three": null}]});
    assert_eq!(fixture.invoke(payload.clone()).await, Ok(payload));
}

#[tokio::test]
async fn a_warm_process_is_used_again() {
    let fixture = Fixture::of(function("f"));
    let pids = [fixture.pid().await, fixture.pid().await, fixture.pid().await];
    assert_eq!(HashSet::from(pids).len(), 1);
    let stats = &fixture.lambda.stats()[0];
    assert_eq!((stats.invocations, stats.cold_starts, stats.errors, stats.throttles), (3, 1, 0, 0));
}

#[tokio::test]
async fn invocations_at_once_run_in_processes_of_their_own() {
    let fixture = Fixture::of(with("f", |f| f.concurrency = 3));
    let answers = join_all((0..3).map(|_| fixture.invoke(json!({"do": "sleep", "ms": 300})))).await;
    let pids: HashSet<_> = answers.into_iter().map(|pid| pid.unwrap().as_u64()).collect();
    assert_eq!(pids.len(), 3);
    assert_eq!(fixture.lambda.pids("f").len(), 3);
}

#[tokio::test]
async fn an_invocation_beyond_the_concurrency_is_throttled_and_nothing_runs() {
    let fixture = Fixture::of(function("f"));
    fixture.lambda.warm_up("f").await.unwrap();
    let (first, second) =
        tokio::join!(fixture.invoke(json!({"do": "sleep", "ms": 200})), fixture.invoke(json!({"do": "pid"})));
    assert!(first.is_ok());
    assert_eq!(second, Err(Error::Throttled("f".to_owned())));
    let stats = &fixture.lambda.stats()[0];
    assert_eq!((stats.invocations, stats.throttles, stats.errors), (1, 1, 0));
}

#[tokio::test]
async fn one_caller_after_another_needs_one_process_and_is_never_throttled() {
    let fixture = Fixture::of(function("f"));
    for _ in 0..200 {
        fixture.invoke(json!({"do": "echo"})).await.unwrap();
    }
    assert_eq!(fixture.lambda.stats()[0].cold_starts, 1);
}

#[tokio::test]
async fn an_error_of_the_handler_is_told_with_its_rust_type() {
    let fixture = Fixture::of(function("f"));
    let (error_type, message) = failed(fixture.invoke(json!({"do": "error"})).await);
    assert!(error_type.contains("String") || error_type.contains("Error"), "{error_type}");
    assert_eq!(message, "boom");
    assert_eq!(fixture.reports()[0].status, Status::Error);
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_process_lives_on() {
    let fixture = Fixture::of(function("f"));
    let before = fixture.pid().await;
    let (_, message) = failed(fixture.invoke(json!({"do": "panic"})).await);
    assert!(message.contains("something went wrong"), "{message}");
    assert_eq!(fixture.pid().await, before);
}

#[tokio::test]
async fn a_process_that_exits_without_an_answer_fails_its_invocation_and_is_replaced() {
    let fixture = Fixture::of(function("f"));
    let before = fixture.pid().await;
    let (error_type, message) = failed(fixture.invoke(json!({"do": "exit", "code": 7})).await);
    assert_eq!(error_type, "Runtime.ExitError");
    assert!(message.starts_with("RequestId: "), "{message}");
    assert!(message.ends_with(" Error: Runtime exited with error: exit status 7"), "{message}");
    assert_ne!(fixture.pid().await, before);
}

#[tokio::test]
async fn a_clean_exit_gives_no_reason() {
    let fixture = Fixture::of(function("f"));
    let (error_type, message) = failed(fixture.invoke(json!({"do": "exit", "code": 0})).await);
    assert_eq!(error_type, "Runtime.ExitError");
    assert!(message.ends_with("Error: Runtime exited without providing a reason"), "{message}");
}

#[tokio::test]
async fn an_abort_is_named_by_its_signal() {
    let fixture = Fixture::of(function("f"));
    let (_, message) = failed(fixture.invoke(json!({"do": "abort"})).await);
    assert!(message.contains("Runtime exited with error: signal: aborted"), "{message}");
}

#[tokio::test]
async fn an_invocation_that_exceeds_the_timeout_is_killed_and_the_next_one_starts_cold() {
    let fixture = Fixture::of(with("f", |f| f.timeout = Duration::from_millis(250)));
    let before = fixture.pid().await;
    let (error_type, message) = failed(fixture.invoke(json!({"do": "hang"})).await);
    assert_eq!(error_type, "Sandbox.Timedout");
    assert!(message.ends_with("Error: Task timed out after 0.25 seconds"), "{message}");
    assert_ne!(fixture.pid().await, before);
    let stats = &fixture.lambda.stats()[0];
    assert_eq!((stats.timeouts, stats.errors, stats.cold_starts), (1, 1, 2));
    assert_eq!(fixture.reports()[1].status, Status::Timeout);
}

#[tokio::test]
async fn a_timeout_counts_per_invocation_not_per_process() {
    let fixture = Fixture::of(with("f", |f| f.timeout = Duration::from_millis(500)));
    for _ in 0..4 {
        fixture.invoke(json!({"do": "sleep", "ms": 200})).await.unwrap();
    }
    assert_eq!(fixture.lambda.stats()[0].cold_starts, 1);
}

#[tokio::test]
async fn a_response_of_six_megabytes_arrives_whole() {
    let fixture = Fixture::of(function("f"));
    let bytes = 6 * 1024 * 1024;
    let answer = fixture.invoke(json!({"do": "big", "bytes": bytes})).await.unwrap();
    assert_eq!(answer.as_str().map(str::len), Some(bytes));
}

#[tokio::test]
async fn a_response_over_six_megabytes_fails_and_the_process_lives_on() {
    let fixture = Fixture::of(function("f"));
    let before = fixture.pid().await;
    let (error_type, message) = failed(fixture.invoke(json!({"do": "big", "bytes": 6 * 1024 * 1024 + 99})).await);
    assert_eq!(error_type, "Function.ResponseSizeTooLarge");
    assert!(message.contains("6291556"), "{message}");
    assert_eq!(fixture.pid().await, before);
}

#[tokio::test]
async fn a_payload_over_six_megabytes_is_refused() {
    let fixture = Fixture::of(function("f"));
    let payload = Bytes::from(vec![b' '; 6_291_557]);
    assert_eq!(fixture.lambda.invoke("f", payload).await, Err(Error::TooLarge("f".to_owned())));
}

#[tokio::test]
async fn an_unknown_function_is_not_found() {
    let fixture = Fixture::of(function("f"));
    assert_eq!(fixture.lambda.invoke("g", Bytes::new()).await, Err(Error::NotFound("g".to_owned())));
}

#[tokio::test]
async fn an_invocation_goes_on_when_its_caller_goes_away() {
    let fixture = Fixture::of(function("f"));
    fixture.lambda.warm_up("f").await.unwrap();
    let abandoned = fixture.lambda.invoke("f", Bytes::from_static(br#"{"do":"sleep","ms":100}"#));
    assert!(tokio::time::timeout(Duration::from_millis(10), abandoned).await.is_err());
    let report = fixture.until(|heard| match heard {
        common::Heard::Report(report) => Some(report.clone()),
        _ => None,
    });
    assert_eq!(report.await.status, Status::Success);
}
