//! Game day: faults raise the conditions of alarms on a local stack. Then the commands under
//! Diagnosis in the section of the runbook that the alarm names must show the cause.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::path::{Path, PathBuf};

use common::{Roomcast, get};
use e2e::{Member, aws, binaries, everything, start, topology_with, until};
use local::{Options, Stack};

/// The text with which an alarm names its section.
const SECTION: &str = "Runbook: ${var.runbook_url}#${alarm.kind}";

fn read(path: &str) -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// Returns the kind of the alarm that watches a metric, from the definition of the alarms.
fn kind_of_alarm(metric: &str) -> String {
    let alarms = read("infra/terraform/modules/observability/alarms.tf");
    assert!(alarms.contains(SECTION), "a description ends in the anchor of its section");
    let watched = alarms.find(metric).unwrap_or_else(|| panic!("no alarm watches {metric}"));
    let kind = alarms[..watched].rsplit("kind ").next().unwrap();
    kind.split('"').nth(1).unwrap().to_owned()
}

/// Returns the commands of `roomcast` under Diagnosis in a section of the runbook.
fn diagnosis(kind: &str) -> Vec<Vec<String>> {
    let page = read("docs/operations/runbook.md");
    let is_it = |section: &&str| section.lines().next().unwrap().to_lowercase().replace(' ', "-") == kind;
    let section = page.split("\n## ").find(is_it).unwrap_or_else(|| panic!("the runbook has no section {kind}"));
    let diagnosis = section.split("\n### ").find(|part| part.starts_with("Diagnosis")).unwrap();
    let commands = diagnosis.lines().filter_map(|line| line.strip_prefix("roomcast "));
    commands.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Runs the commands of the section, and returns what an operator reads.
async fn diagnose(roomcast: &Roomcast, kind: &str) -> String {
    let commands = diagnosis(kind);
    assert!(!commands.is_empty(), "the section {kind} has no command of roomcast");
    let mut read = String::new();
    for command in commands {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let outcome = roomcast.run(&command).await;
        read.push_str(&format!("$ roomcast {}\n{}{}", command.join(" "), outcome.out, outcome.err));
    }
    read
}

/// Returns the value of a series on one page of metrics; 0 if there is none.
fn metric(page: &str, series: &str) -> f64 {
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits until the condition of an alarm is met by the values of one page of metrics.
async fn until_raised(stack: &Stack, alarm: &str, is_raised: impl Fn(&str) -> bool) {
    let raised = async || is_raised(&get(stack, "/_local/metrics").await).then_some(());
    until(&format!("the condition of {alarm}"), raised).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_found_from_the_alarm_messages_given_up() {
    let grant = "# The log, and how far shards are.\n      - { table: rooms, actions: [GetItem, PutItem";
    let granted = format!("{grant}, Query] }}");
    let folder = topology_with(&[(&granted, &format!("{grant}] }}"))]);
    let (stack, url) = start(Options::for_tests(folder.path().join("topology.yaml"), binaries())).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    ada.publish("lobby", "p1").await;
    let given_up = "roomcast_messages_poisonous_total{function=\"fanout\"}";
    until_raised(&stack, "messages-given-up-fanout", |page| metric(page, given_up) > 0.0).await;

    let read = diagnose(&roomcast, &kind_of_alarm("local.metrics[\"messages_poisonous\"][function]")).await;
    for cause in ["AccessDenied", "dynamodb:Query", "lobby", "fanout", "deliveries-dead"] {
        assert!(read.contains(cause), "{cause} is not in:\n{read}");
    }
    // The section of the dead letters, whose alarm is raised as well, names the same cause.
    roomcast.until_dead("deliveries-dead", 1).await;
    let read = diagnose(&roomcast, &kind_of_alarm("ApproximateNumberOfMessagesVisible")).await;
    assert!(read.contains("deliveries-dead") && read.contains("AccessDenied"), "{read}");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_shard_is_found_from_the_alarm_delivery_slow() {
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&url, "ada").await;
    let mut bob = Member::connect(&url, "bob").await;
    ada.join("lobby").await;
    bob.join("slow").await;
    ada.publish("lobby", "p1").await;
    ada.hear("lobby", 1).await;
    // From here on no post is answered. Only the room `slow` has something to post.
    stack.faults().set(&"F38=1".parse().unwrap());
    let topic = &stack.variables()["ROOMCAST_EVENTS_TOPIC_ARN"];
    let event = r#"{"room":"slow","id":"p2","data":1}"#;
    aws(&stack).sns.publish().topic_arn(topic).message(event).send().await.unwrap();
    let of = |bound: &str| format!("roomcast_delivery_took_ms_bucket{{function=\"fanout\",le=\"{bound}\"}}");
    let is_slow = |page: &str| metric(page, &of("5000")) < metric(page, &of("+Inf"));
    until_raised(&stack, "delivery-slow", is_slow).await;

    let read = diagnose(&roomcast, &kind_of_alarm("local.metrics[\"delivery_took_ms\"][function]")).await;
    let shards = read.split("$ roomcast ").find(|command| command.starts_with("top --shards")).unwrap();
    let slowest: Vec<&str> = shards.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!(slowest[..2], ["slow", "0"], "{read}");
    assert!(read.contains("posts_failed="), "{read}");
    stack.faults().set(&"".parse().unwrap());
    stack.shutdown().await;
}
