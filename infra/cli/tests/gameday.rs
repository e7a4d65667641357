//! Game days: faults raise the condition of each alarm on a local stack. Then the commands under
//! Diagnosis in the section of the runbook that the alarm names must show the cause.
//!
//! Conditions are those of the alarms, for one moment instead of minutes. Ages and the budget are
//! smaller, so that no test waits for a minute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use common::{Roomcast, get};
use e2e::{Member, aws, binaries, everything, guest_secret, start, topology_with, until};
use local::{Options, Stack};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The age at which a message or a stream is late on a game day. The alarms wait for 30 to 600 s.
const LATE_MS: u64 = 2_000;
/// The budget of a game day, in US dollars an hour.
const BUDGET_PER_HOUR: f64 = 0.01;
/// Alarms that no game day raises, each with the reason.
const WITHOUT_GAME_DAY: [(&str, &str); 0] = [];
/// The text with which an alarm names its section.
const SECTION: &str = "Runbook: ${var.runbook_url}#${alarm.kind}";

fn read(path: &str) -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// Returns the definition of each kind of alarm.
fn alarms() -> BTreeMap<String, String> {
    let text = read("infra/terraform/modules/observability/alarms.tf");
    assert!(text.contains(SECTION), "a description ends in the anchor of its section");
    let mut alarms: BTreeMap<String, String> = BTreeMap::new();
    for part in text.split("    kind ").skip(1) {
        if let Some(kind) = part.trim_start_matches([' ', '=']).strip_prefix('"') {
            alarms.entry(kind.split('"').next().unwrap().to_owned()).or_default().push_str(part);
        }
    }
    alarms
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

/// Runs the commands of the section of an alarm, and returns what an operator reads. `watched` is a
/// text in the definition of the alarm: the metric whose condition was raised.
async fn diagnose(roomcast: &Roomcast, kind: &str, watched: &str) -> String {
    let alarms = alarms();
    let alarm = alarms.get(kind).unwrap_or_else(|| panic!("there is no alarm {kind}"));
    assert!(alarm.contains(watched), "the alarm {kind} does not watch {watched}");
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

/// Checks that one line of what an operator reads has all words of the cause.
fn assert_named(read: &str, words: &[&str]) {
    let is_named = read.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(is_named, "no line has all of {words:?}:\n{read}");
}

/// Returns the value of a series on one page of metrics; 0 if there is none.
fn metric(page: &str, series: &str) -> f64 {
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Returns the series of a count of a function.
fn counted(page: &str, name: &str, function: &str) -> f64 {
    metric(page, &format!("roomcast_{name}_total{{function=\"{function}\"}}"))
}

/// Waits until the condition of an alarm is met by the values of one page of metrics.
async fn until_raised(stack: &Stack, alarm: &str, is_raised: impl Fn(&str) -> bool) {
    let raised = async || is_raised(&get(stack, "/_local/metrics").await).then_some(());
    until(&format!("the condition of {alarm}"), raised).await;
}

/// Waits until the condition of an alarm is met by the counters of the stack.
async fn until_counted(stack: &Stack, alarm: &str, is_raised: impl Fn(&Value) -> bool) {
    until(&format!("the condition of {alarm}"), async || is_raised(&stack.statistics()).then_some(())).await;
}

/// Returns a counter of the event sources of a function.
fn of_sources(stats: &Value, function: &str, counter: &str) -> u64 {
    let sources = stats["triggers"].as_array().unwrap().iter();
    sources.filter(|source| source["function"] == function).map(|source| source[counter].as_u64().unwrap()).sum()
}

fn set_faults(stack: &Stack, faults: &str) {
    stack.faults().set(&faults.parse().unwrap());
}

/// Starts a stack whose topology lacks a grant.
async fn start_without(grant: (&str, &str)) -> (Stack, String, TempDir) {
    let folder = topology_with(&[grant]);
    let (stack, url) = start(Options::for_tests(folder.path().join("topology.yaml"), binaries())).await;
    (stack, url, folder)
}

async fn publish_event(stack: &Stack, event: &Value) {
    let topic = &stack.variables()["ROOMCAST_EVENTS_TOPIC_ARN"];
    aws(stack).sns.publish().topic_arn(topic).message(event.to_string()).send().await.unwrap();
}

/// Attempts to connect as a guest, and returns the status of the answer.
async fn handshake(url: &str, query: &str) -> u16 {
    let (address, path) = url.strip_prefix("ws://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let guest = guest_secret("eve");
    let head = format!(
        "GET /{path}?guest={guest}{query} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: rooms.v1\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status).await.unwrap();
    status.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn every_alarm_has_a_game_day() {
    let source = include_str!("gameday.rs");
    // The calls in the tests. Their first argument is not that of the definition.
    let calls = source.split("diagnose(&roomcast, \"").skip(1);
    let mut raised: BTreeSet<&str> = calls.map(|call| call.split('"').next().unwrap()).collect();
    for (kind, reason) in WITHOUT_GAME_DAY {
        assert!(reason.split(' ').count() > 3, "{kind} has no reason");
        assert!(raised.insert(kind), "{kind} has a game day, and an exception");
    }
    let alarms = alarms();
    assert_eq!(raised, alarms.keys().map(String::as_str).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_found_from_the_alarms_of_messages_given_up() {
    let grant = "# The log, and how far shards are.\n      - { table: rooms, actions: [GetItem, PutItem";
    let granted = format!("{grant}, Query] }}");
    let (stack, url, _folder) = start_without((&granted, &format!("{grant}] }}"))).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    ada.publish("lobby", "p1").await;
    until_raised(&stack, "messages-given-up-fanout", |page| counted(page, "messages_poisonous", "fanout") > 0.0).await;
    roomcast.until_dead("deliveries-dead", 1).await;

    let read = diagnose(&roomcast, "messages-given-up", "\"messages_poisonous\"").await;
    for cause in ["AccessDenied", "dynamodb:Query", "lobby", "fanout", "deliveries-dead"] {
        assert!(read.contains(cause), "{cause} is not in:\n{read}");
    }
    // The alarm of the dead letters, and the one that pages, are raised as well.
    let read = diagnose(&roomcast, "dead-letters", "ApproximateNumberOfMessagesVisible").await;
    assert!(read.contains("deliveries-dead") && read.contains("AccessDenied"), "{read}");
    let read = diagnose(&roomcast, "members-are-not-getting-messages", "describe-alarms").await;
    assert_named(&read, &["queue deliveries-dead", "FAILURE"]);
    assert_named(&read, &["fanout", "AccessDenied"]);
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
    set_faults(&stack, "F38=1");
    publish_event(&stack, &json!({ "room": "slow", "id": "p2", "data": 1 })).await;
    let of = |bound: &str| format!("roomcast_delivery_took_ms_bucket{{function=\"fanout\",le=\"{bound}\"}}");
    let is_slow = |page: &str| metric(page, &of("5000")) < metric(page, &of("+Inf"));
    until_raised(&stack, "delivery-slow", is_slow).await;

    let read = diagnose(&roomcast, "delivery-slow", "\"delivery_took_ms\"").await;
    let shards = read.split("$ roomcast ").find(|command| command.starts_with("top --shards")).unwrap();
    let slowest: Vec<&str> = shards.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!(slowest[..2], ["slow", "0"], "{read}");
    assert!(read.contains("posts_failed="), "{read}");
    set_faults(&stack, "");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_throttled_is_found_from_the_alarm_oldest_message() {
    let (stack, _) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    set_faults(&stack, "F17=1");
    publish_event(&stack, &json!({ "room": "lobby", "id": "p1", "data": 1 })).await;
    let oldest = async || {
        let page = get(&stack, "/_local/queues/events/messages?limit=1").await;
        let oldest: Value = serde_json::from_str(&page).unwrap();
        let age_ms = now_ms().saturating_sub(oldest[0]["sent_at_ms"].as_u64()?);
        (age_ms > LATE_MS).then_some(())
    };
    until("the condition of oldest-message-events", oldest).await;

    let read = diagnose(&roomcast, "oldest-message", "ApproximateAgeOfOldestMessage").await;
    assert_named(&read, &["events", "hrottl"]);
    set_faults(&stack, "");
    stack.shutdown().await;
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_lambda_refuses_is_found_from_the_alarms_of_its_stream_and_of_throttles() {
    let (stack, _) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    set_faults(&stack, "F7=1");
    let row = [("id", "p1"), ("room", "lobby"), ("data", "1")]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
    let put = aws(&stack).dynamodb.put_item().table_name(&stack.variables()["ROOMCAST_OUTBOX_TABLE"]);
    put.set_item(Some(row.into())).send().await.unwrap();
    let is_late = |stats: &Value| of_sources(stats, "outbox", "iterator_age_ms") > LATE_MS;
    until_counted(&stack, "iterator-age-outbox", is_late).await;
    let read = diagnose(&roomcast, "iterator-age", "IteratorAge").await;
    assert_named(&read, &["outbox -> outbox", "throttles"]);

    publish_event(&stack, &json!({ "room": "lobby", "id": "p2", "data": 1 })).await;
    until_counted(&stack, "function-throttles-events", |stats| of_sources(stats, "events", "throttles") > 0).await;
    let read = diagnose(&roomcast, "function-throttles", "\"Throttles\"").await;
    assert_named(&read, &["events -> events", "throttles"]);
    set_faults(&stack, "");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_refuses_posts_is_found_from_the_alarm_posts_throttled() {
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    set_faults(&stack, "F33=1");
    publish_event(&stack, &json!({ "room": "lobby", "id": "p1", "data": 1 })).await;
    let is_raised = |page: &str| {
        let of = |name: &str| counted(page, name, "fanout");
        of("posts_sent") > 0.0 && of("posts_throttled") / of("posts_sent") > 0.01
    };
    until_raised(&stack, "posts-throttled", is_raised).await;

    let read = diagnose(&roomcast, "posts-throttled", "\"posts_throttled\"").await;
    assert_named(&read, &["fanout", "posts_throttled=", "lobby"]);
    set_faults(&stack, "");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_in_another_epoch_is_found_from_the_alarm_resumes_lost() {
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let before = json!({ "ep": "AAAAAA", "seq": 7 });
    for _ in 0..11 {
        let answer = ada.ask(json!({ "action": "join", "room": "lobby", "since": before })).await;
        assert_eq!(answer["ok"]["recovered"], false, "{answer}");
    }
    until_raised(&stack, "resumes-lost", |page| counted(page, "resumes_lost", "membership") > 10.0).await;

    let read = diagnose(&roomcast, "resumes-lost", "\"resumes_lost\"").await;
    assert_named(&read, &["membership", "room.id=lobby", "resumes_lost=1"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_may_not_be_read_is_found_from_the_alarm_function_errors() {
    let (stack, _, _folder) = start_without(("indexes: [by_liveness, by_expiry]", "indexes: [by_expiry]")).await;
    let roomcast = Roomcast::beside(&stack);
    let is_raised = |stats: &Value| stats["functions"]["reaper"]["errors"].as_u64().unwrap() > 0;
    until_counted(&stack, "function-errors-reaper", is_raised).await;

    let read = diagnose(&roomcast, "function-errors", "\"Errors\"").await;
    assert_named(&read, &["reaper", "AccessDenied"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_connect_lacks_is_found_from_the_alarm_connects_failed() {
    let granted = "[GetItem, PutItem, BatchWriteItem, Query], indexes: [by_room] }\n      # The last two";
    let (stack, url, _folder) = start_without((granted, &granted.replace("PutItem, ", ""))).await;
    let roomcast = Roomcast::beside(&stack);
    assert_eq!(handshake(&url, "").await, 503);
    until_raised(&stack, "connects-failed", |page| counted(page, "connects_failed", "connect") > 0.0).await;

    let read = diagnose(&roomcast, "connects-failed", "\"connects_failed\"").await;
    assert_named(&read, &["connect", "failed", "AccessDenied", "dynamodb:PutItem"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_client_is_found_from_the_alarm_handshakes_refused() {
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    assert_eq!(handshake(&url, "&format=rooms.v9").await, 400);
    let is_raised = |page: &str| {
        let of = |name: &str| counted(page, name, "connect");
        of("connections_refused") - of("connects_failed") > 0.05 * of("connections_opened")
    };
    until_raised(&stack, "handshakes-refused", is_raised).await;

    let read = diagnose(&roomcast, "handshakes-refused", "\"connections_refused\"").await;
    assert_named(&read, &["connect", "refused", "there is no format"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaper_that_cannot_run_is_found_from_the_alarm_reaper_silent() {
    let (stack, _) = start(Options { faults: "F7=1".parse().unwrap(), ..everything() }).await;
    let roomcast = Roomcast::beside(&stack);
    let is_silent =
        |stats: &Value| of_sources(stats, "reaper", "records") >= 5 && stats["functions"]["reaper"]["invocations"] == 0;
    until_counted(&stack, "reaper-silent", is_silent).await;

    let read = diagnose(&roomcast, "reaper-silent", "\"Invocations\"").await;
    assert_named(&read, &["no line was found"]);
    assert_named(&read, &["schedule -> reaper", "throttles"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_costs_most_is_found_from_the_alarm_cost_per_hour() {
    let (stack, url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&url, "ada").await;
    let mut bob = Member::connect(&url, "bob").await;
    for room in ["auction", "lobby"] {
        ada.join(room).await;
    }
    bob.join("auction").await;
    ada.publish("lobby", "quiet").await;
    for n in 0..20 {
        ada.publish("auction", &format!("bid{n}")).await;
    }
    bob.hear("auction", 20).await;
    // The messages of API Gateway, at $1 a million, as in the expression of the alarm.
    let is_raised = |stats: &Value| {
        let units = ["units_sent", "units_received"].map(|name| stats["gateway"][name].as_f64().unwrap());
        let hours = stats["uptime_s"].as_f64().unwrap().max(1.0) / 3_600.0;
        units.iter().sum::<f64>() / 1e6 / hours > BUDGET_PER_HOUR
    };
    until_counted(&stack, "cost-per-hour", is_raised).await;

    let read = diagnose(&roomcast, "cost-per-hour", "local.cost_metrics").await;
    let rooms = read.split("$ roomcast ").find(|command| command.starts_with("top")).unwrap();
    assert!(rooms.lines().nth(2).unwrap().starts_with("auction "), "{read}");
    stack.shutdown().await;
}
