//! Tests that the topology contains the content of the file, with defaults filled in.

// Tests and their helpers fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use topology::{
    EnvironmentValue, FilterPolicyScope, Grant, Projection, Resource, StartingPosition, StreamView, Topology, Trigger,
};

const SOUND: &str = include_str!("sound.yaml");

fn sound() -> Topology {
    Topology::parse(SOUND).expect("the sound topology")
}

#[test]
fn functions_keep_the_order_and_the_values_of_the_file() {
    let topology = sound();
    let names: Vec<&str> = topology.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["worker", "guard", "clock", "goodbye", "reader", "watcher"]);
    let worker = topology.function("worker").expect("worker");
    assert_eq!((worker.memory_mb, worker.timeout_s, worker.reserved_concurrency), (256, 5, Some(8)));
    assert_eq!(worker.environment[0], ("THINGS_TABLE".into(), EnvironmentValue::Table("things".into())));
    assert_eq!(worker.environment[3], ("ENDPOINT".into(), EnvironmentValue::ManagementUrl));
    assert_eq!(worker.environment[5], ("STALE_AFTER_S".into(), EnvironmentValue::Text("720".into())));
}

#[test]
fn triggers_have_the_defaults_of_aws() {
    let topology = sound();
    let Trigger::Queue(source) = &topology.function("reader").expect("reader").triggers[0] else { panic!("a queue") };
    assert!(!source.report_batch_item_failures);
    assert_eq!((source.batch_size, source.maximum_concurrency), (100, None));
    let Trigger::Stream(source) = &topology.function("watcher").expect("watcher").triggers[0] else {
        panic!("a stream")
    };
    assert_eq!((source.batch_size, source.batch_window_s), (100, 0));
    assert_eq!(source.starting_position, StartingPosition::Latest);
    assert_eq!(source.filters, [serde_json::json!({ "eventName": ["REMOVE"] })]);
    let Trigger::Schedule(rate) = &topology.function("clock").expect("clock").triggers[0] else { panic!("a schedule") };
    assert_eq!((rate.period(), rate.to_string().as_str()), (Duration::from_secs(60), "rate(1 minute)"));
}

#[test]
fn queues_have_the_defaults_of_aws_and_fifo_names_a_suffix() {
    let topology = sound();
    let work = topology.queue("work").expect("work");
    assert_eq!(work.physical_name(), "work.fifo");
    assert_eq!((work.retention_s, work.delay_s, work.high_throughput), (345_600, 0, false));
    assert_eq!(topology.queue("given-up").expect("given-up").visibility_timeout_s, 30);
    let subscription = &topology.topic("events").expect("events").subscriptions[0];
    assert_eq!((subscription.raw, subscription.filter_policy_scope), (true, FilterPolicyScope::Attributes));
}

#[test]
fn tables_have_their_keys_indexes_stream_and_expiry() {
    let topology = sound();
    let things = topology.table("things").expect("things");
    assert_eq!((things.stream, things.ttl.as_deref()), (Some(StreamView::NewAndOldImages), Some("expires")));
    assert_eq!(things.indexes[0].projection, Projection::Include(vec!["size".into()]));
    let keys: Vec<&str> = things.keys().map(|key| key.name.as_str()).collect();
    assert_eq!(keys, ["pk", "sk", "kind"]);
}

#[test]
fn what_looks_forgotten_is_found_and_allowed() {
    let source = SOUND
        .replace("      - { table: things, actions: [GetItem, Query, Scan], indexes: [by_kind] }\n", "")
        .replace("tables:\n", "tables:\n  spare:\n    partition_key: { name: pk, type: S }\n")
        .replace("      MODE: { parameter: mode }\n", "")
        .replace("      - { secret: keys, actions: [GetSecretValue] }\n", "")
        .replace("      - schedule: { rate: 1 minute }\n", "      []\n")
        .replace("          on_failure: { queue: given-up }\n", "")
        .replace("          maximum_retry_attempts: 5\n          maximum_record_age_s: 3600\n", "");
    let topology = Topology::parse(&source).expect("no mistakes");
    let findings: Vec<String> =
        topology.findings.iter().map(|finding| format!("{}: {}", finding.0.path, finding.0.message)).collect();
    assert_eq!(
        findings,
        [
            "parameters.mode: no function gets this parameter",
            "secrets.keys: no function may read this secret",
            "functions.clock: nothing triggers this function",
            "functions.watcher.triggers[0].stream: a record that always fails blocks its shard for 24 hours: limit its \
             retries or its age",
            "queues.given-up: no function consumes this queue, and it receives neither dead letters nor failures",
            "tables.spare: no function reads the stream of this table, or is granted anything on it",
        ]
    );
}

#[test]
fn each_trigger_derives_what_the_platform_needs_of_the_role() {
    let topology = sound();
    let derived = |function: &str| -> Vec<(String, Resource)> {
        let triggers = &topology.function(function).expect("a function").triggers;
        let permissions = triggers.iter().flat_map(topology::Trigger::permissions);
        permissions.map(|permission| (permission.action, permission.resource)).collect()
    };
    let on = |actions: &[&str], resource: &Resource| -> Vec<(String, Resource)> {
        actions.iter().map(|action| ((*action).to_owned(), resource.clone())).collect()
    };
    let polls = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
    assert_eq!(derived("worker"), on(&polls, &Resource::Queue("work".into())));
    assert_eq!(derived("reader"), on(&polls, &Resource::Queue("inbox".into())));
    let reads = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"];
    let mut watcher = on(&reads, &Resource::Stream("things".into()));
    watcher.extend(on(&["sqs:SendMessage"], &Resource::Queue("given-up".into())));
    assert_eq!(derived("watcher"), watcher);
    for function in ["guard", "clock", "goodbye"] {
        assert_eq!(
            derived(function),
            [],
            "{function}: routes, authorizers and schedules invoke by the function's policy"
        );
    }
}

#[test]
fn a_role_allows_the_grants_and_what_the_triggers_need() {
    let permissions = sound().function("worker").expect("worker").permissions();
    let index = Resource::Index { table: "things".into(), index: "by_kind".into() };
    let on_index: Vec<&str> =
        permissions.iter().filter(|it| it.resource == index).map(|it| it.action.as_str()).collect();
    assert_eq!(on_index, ["dynamodb:Query", "dynamodb:Scan"], "an index is read, and by nothing else");
    let allowed =
        |action: &str, resource: Resource| permissions.iter().any(|it| it.action == action && it.resource == resource);
    assert!(allowed("sqs:SendMessage", Resource::Queue("work".into())));
    assert!(allowed("sqs:ReceiveMessage", Resource::Queue("work".into())));
    assert!(allowed("secretsmanager:GetSecretValue", Resource::Secret("keys".into())));
    assert!(allowed("execute-api:ManageConnections", Resource::Connections("DELETE")));
    assert!(!allowed("dynamodb:Query", Resource::Stream("things".into())));
}

#[test]
fn a_table_whose_index_is_read_may_not_be_queried_itself_unless_that_is_granted() {
    let source = SOUND.replace("actions: [GetItem, Query, Scan]", "actions: [GetItem]");
    let permissions = Topology::parse(&source).expect("sound").function("worker").expect("worker").permissions();
    let allowed = permissions.iter().map(ToString::to_string).filter(|it| it.contains("things"));
    let allowed: Vec<String> = allowed.filter(|it| it.starts_with("dynamodb:")).collect();
    assert!(allowed.contains(&"dynamodb:Query on index by_kind of things".to_owned()), "{allowed:?}");
    assert!(!allowed.iter().any(|it| it == "dynamodb:Query on table things" || it.contains("Scan")), "{allowed:?}");
}

#[test]
fn the_json_has_every_default_filled_in() {
    let json = sound().to_json();
    assert_eq!(json["functions"]["worker"]["environment"]["STALE_AFTER_S"], serde_json::json!({ "text": "720" }));
    assert_eq!(json["functions"]["guard"]["reserved_concurrency"], serde_json::Value::Null);
    let routes = serde_json::json!([
        { "routes": ["say", "$default"], "response": true, "throttle": null },
        { "routes": ["list"], "response": true, "throttle": { "rate": 20, "burst": 5 } },
    ]);
    assert_eq!(json["functions"]["worker"]["triggers"]["websocket"], routes);
    let work = serde_json::json!({
        "fifo": true,
        "high_throughput": false,
        "content_based_deduplication": false,
        "visibility_timeout_s": 30,
        "retention_s": 345_600,
        "delay_s": 0,
        "dead_letter": { "queue": "work-dead", "maximum_receive_count": 10 },
    });
    assert_eq!(json["queues"]["work"], work);
    assert_eq!(json["functions"]["clock"]["triggers"]["schedule"], serde_json::json!([{ "rate": "1 minute" }]));
    assert_eq!(json["functions"]["clock"]["triggers"]["queue"], serde_json::json!([]));
    let projection = serde_json::json!({ "type": "include", "include": ["size"] });
    assert_eq!(json["tables"]["things"]["indexes"]["by_kind"]["projection"], projection);
}

#[test]
fn our_own_topology_has_no_mistake_no_finding_and_no_scan() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../topology.yaml");
    let topology = Topology::read(&file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(topology.findings, []);
    for function in &topology.functions {
        for grant in &function.grants {
            assert!(!grant.actions().contains("Scan"), "{} may scan: {grant:?}", function.name);
            assert!(!matches!(grant, Grant::Table { actions, .. } if actions.is_empty()));
        }
    }
}
