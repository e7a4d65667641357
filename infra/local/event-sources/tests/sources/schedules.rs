//! Tests rules that invoke at scheduled times, with a faster clock.

use std::time::Duration;

use local_event_sources::{Config, Pace, Schedule};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::script::{PATIENCE, Script, failed};
use crate::stack::{Stack, config};

/// Factor of the schedule clock: a minute takes a tenth of a second.
const SPEED: f64 = 600.0;

fn every_minute(input: Option<&str>) -> Config {
    let expression = "rate(1 minute)".parse().unwrap();
    let schedule = Schedule { name: "tick".into(), expression, function: "f".into(), input: input.map(str::to_owned) };
    let mut config = config();
    config.schedules.push(schedule);
    config.settings.pace.schedule_speed = SPEED;
    config
}

#[tokio::test]
async fn a_rule_sends_the_event_of_eventbridge_again_and_again() {
    let (stack, script) = (Stack::start().await, Script::content());
    let sources = stack.run(&every_minute(None), &script);
    let calls = script.until_called(3).await;
    assert_eq!(calls[0]["detail-type"], "Scheduled Event");
    assert_eq!(calls[0]["resources"], json!(["arn:aws:events:us-east-1:123456789012:rule/tick"]));
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(sources.stats()[0].failures, 0);
}

#[tokio::test]
async fn a_rule_may_send_an_input_of_its_own() {
    let (stack, script) = (Stack::start().await, Script::content());
    let _sources = stack.run(&every_minute(Some(r#"{"limit":500}"#)), &script);
    assert_eq!(script.until_called(1).await[0], json!({"limit": 500}));
}

#[tokio::test]
async fn a_run_that_failed_is_tried_twice_more() {
    let (stack, script) = (Stack::start().await, Script::says(|_, _| failed()));
    let mut config = every_minute(None);
    let pace = config.settings.pace;
    config.settings.pace = Pace { schedule_speed: 60.0, asynchronous_retries: [Duration::from_millis(1); 2], ..pace };
    let sources = stack.run(&config, &script);
    let calls = script.until_called(4).await;
    assert_eq!((&calls[1]["id"], &calls[2]["id"]), (&calls[0]["id"], &calls[0]["id"]));
    assert_ne!(calls[3]["id"], calls[0]["id"], "three attempts of one run, then the next run");
    assert_eq!(sources.stats()[0].discarded, 1);
}

#[tokio::test]
async fn runs_may_overlap() {
    let gate = std::sync::Arc::new(Semaphore::new(0));
    let (stack, script) = (Stack::start().await, Script::behind(&gate));
    let sources = stack.run(&every_minute(None), &script);
    script.until_called(2).await;
    assert!(sources.stats()[0].running >= 2);
    gate.add_permits(100);
    assert_eq!(sources.drain(PATIENCE).await.abandoned, 0);
}
