//! Tests the records that the runner receives.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Fixture, Heard, function};
use local_lambda::{Output, Status};
use serde_json::json;

#[tokio::test]
async fn every_line_of_both_pipes_is_heard() {
    let fixture = Fixture::of(function("f"));
    fixture.invoke(json!({"do": "log"})).await.unwrap();
    fixture.until(|heard| matches!(heard, Heard::Line(_, text) if text.len() == 44 * 1024).then_some(())).await;
    fixture.until(|heard| (*heard == Heard::Line(Output::Stderr, "err 1".to_owned())).then_some(())).await;
    let out: Vec<_> = fixture.lines().into_iter().filter(|line| line != "err 1").collect();
    assert_eq!(out[..3], ["out 1", "out 2", "not \u{fffd} utf-8"]);
    assert_eq!(out[3..].iter().map(String::len).collect::<Vec<_>>(), [256 * 1024, 44 * 1024]);
}

#[tokio::test]
async fn an_invocation_starts_and_is_reported() {
    let fixture = Fixture::of(function("f"));
    fixture.invoke(json!({"do": "sleep", "ms": 20})).await.unwrap();
    fixture.invoke(json!({"do": "sleep", "ms": 20})).await.unwrap();
    let [cold, warm] = &fixture.reports()[..] else { panic!("{:?}", fixture.reports()) };
    assert!(fixture.heard.borrow().contains(&Heard::Start(cold.request_id.clone())));
    assert!(cold.init_duration.is_some());
    assert!(warm.init_duration.is_none());
    assert!(warm.duration.as_millis() >= 20 && warm.billed() >= warm.duration, "{warm}");
    assert_eq!((warm.memory_mb, warm.status), (256, Status::Success));
    assert!(warm.max_memory_mb.is_some_and(|mb| mb > 0), "{warm}");
}

#[tokio::test]
async fn a_process_is_heard_from_birth_to_end() {
    let fixture = Fixture::of(function("f"));
    let pid = fixture.pid().await;
    assert!(fixture.heard.borrow().contains(&Heard::Born(1, pid)));
    assert_eq!(fixture.lambda.kill("f"), Some(pid));
    fixture.until(|heard| (*heard == Heard::Ended(1, "signal: killed".to_owned())).then_some(())).await;
}
