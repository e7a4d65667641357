//! What is in the file is what is in the topology, defaults filled in.

// Tests fail by panicking, helpers of tests too.
#![allow(clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use topology::{
    EnvironmentValue, FilterPolicyScope, Grant, Projection, StartingPosition, StreamView, Topology, Trigger,
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
    assert_eq!((worker.memory_mb, worker.timeout_s, worker.concurrency), (256, 5, Some(8)));
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
        .replace("      KEYS: { parameter: keys }\n", "")
        .replace("      - schedule: { rate: 1 minute }\n", "      []\n")
        .replace("          on_failure: { queue: given-up }\n", "")
        .replace("          maximum_retry_attempts: 5\n          maximum_record_age_s: 3600\n", "");
    let topology = Topology::parse(&source).expect("no mistakes");
    let findings: Vec<String> =
        topology.findings.iter().map(|finding| format!("{}: {}", finding.0.path, finding.0.message)).collect();
    assert_eq!(
        findings,
        [
            "parameters.keys: no function gets this parameter",
            "functions.clock: nothing triggers this function",
            "functions.watcher.triggers[0].stream: a record that always fails blocks its shard for 24 hours: limit its \
             retries or its age",
            "queues.given-up: nobody reads this queue, and it takes no dead letters or failures",
            "tables.things: no function is granted anything on this table",
        ]
    );
}

#[test]
fn our_own_topology_has_no_mistake_no_finding_and_no_scan() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/topology.yaml");
    let topology = Topology::read(&file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(topology.findings, []);
    for function in &topology.functions {
        for grant in &function.grants {
            assert!(!grant.actions().contains("Scan"), "{} may scan: {grant:?}", function.name);
            assert!(!matches!(grant, Grant::Table { actions, .. } if actions.is_empty()));
        }
    }
}
