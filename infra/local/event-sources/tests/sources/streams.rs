//! Tests mappings of streams over the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    StreamSpecification, StreamViewType, TimeToLiveSpecification,
};
use dynoxide::Database;
use dynoxide::storage_backend::ManualClock;
use local_event_sources::{Config, FileCheckpoints, StartingPosition, StreamSource};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::script::{PATIENCE, Script, failed, nothing, reports, throttled};
use crate::stack::{Stack, config};

const EVENT_SOURCE_ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/rooms/stream/1";

pub(crate) struct Table {
    pub(crate) stack: Stack,
    source: StreamSource,
}

impl Table {
    pub(crate) async fn create() -> Self {
        Self::with(Stack::start().await).await
    }

    async fn with(stack: Stack) -> Self {
        let stream_arn = create(&stack).await;
        let mut source = StreamSource::new(&stream_arn, "f");
        source.event_source_arn = EVENT_SOURCE_ARN.to_owned();
        Self { stack, source }
    }

    pub(crate) fn config(&self, change: impl FnOnce(&mut StreamSource)) -> Config {
        let mut source = self.source.clone();
        change(&mut source);
        Config { streams: vec![source], ..config() }
    }

    async fn put(&self, pk: &str, value: &str) {
        let put = self.stack.dynamodb.put_item().table_name("rooms");
        let put = put.item("pk", text(pk)).item("sk", text("-")).item("value", text(value));
        put.send().await.unwrap();
    }

    pub(crate) async fn put_all(&self, values: impl IntoIterator<Item = usize>) {
        for value in values {
            self.put("p", &value.to_string()).await;
        }
    }
}

/// Creates the table and returns the ARN of its stream.
async fn create(stack: &Stack) -> String {
    let attribute = |name: &str| {
        let definition = AttributeDefinition::builder().attribute_name(name);
        definition.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let stream = StreamSpecification::builder().stream_enabled(true);
    let stream = stream.stream_view_type(StreamViewType::NewAndOldImages).build().unwrap();
    let create = stack.dynamodb.create_table().table_name("rooms").billing_mode(BillingMode::PayPerRequest);
    let create = create.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"));
    let create = create.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    let created = create.stream_specification(stream).send().await.unwrap();
    created.table_description.unwrap().latest_stream_arn.unwrap()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn records(event: &Value) -> &[Value] {
    event["Records"].as_array().unwrap()
}

fn value(record: &Value) -> &str {
    record["dynamodb"]["NewImage"]["value"]["S"].as_str().unwrap()
}

pub(crate) fn values(records: &[Value]) -> Vec<&str> {
    records.iter().map(value).collect()
}

fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap()
}

fn holds(event: &Value, wanted: &str) -> bool {
    values(records(event)).contains(&wanted)
}

/// Returns the sequence numbers of the records whose value is in `wanted`.
fn named<'a>(event: &'a Value, wanted: &[&str]) -> Vec<&'a str> {
    records(event).iter().filter(|record| wanted.contains(&value(record))).map(sequence_number).collect()
}

#[tokio::test]
async fn changes_arrive_in_order_as_on_aws() {
    let table = Table::create().await;
    let script = Script::content();
    let _sources = table.stack.run(&table.config(|_| {}), &script);
    table.put("p", "1").await;
    table.put("p", "2").await;
    let delete = table.stack.dynamodb.delete_item().table_name("rooms").key("pk", text("p")).key("sk", text("-"));
    delete.send().await.unwrap();
    let seen = script.until_given(3).await;
    let names: Vec<&str> = seen.iter().map(|record| record["eventName"].as_str().unwrap()).collect();
    assert_eq!(names, ["INSERT", "MODIFY", "REMOVE"]);
    let mut second = seen[1].clone();
    assert!(second["eventID"].take().is_string());
    let change = &mut second["dynamodb"];
    let created_s = change["ApproximateCreationDateTime"].take();
    assert!(created_s.as_i64().is_some_and(|created_s| (now_s() - created_s).abs() < 60), "{created_s}");
    assert!(change["SequenceNumber"].take().as_str().is_some_and(|number| number.len() >= 21));
    assert!(change["SizeBytes"].take().is_u64());
    let image = |value: &str| json!({"pk": {"S": "p"}, "sk": {"S": "-"}, "value": {"S": value}});
    let expected = json!({
        "eventID": null, "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1", "eventSourceARN": EVENT_SOURCE_ARN,
        "dynamodb": {
            "ApproximateCreationDateTime": null, "Keys": {"pk": {"S": "p"}, "sk": {"S": "-"}},
            "NewImage": image("2"), "OldImage": image("1"), "SequenceNumber": null, "SizeBytes": null,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    });
    assert_eq!(second, expected);
}

#[tokio::test]
async fn a_failed_batch_blocks_its_shard_until_it_succeeds() {
    let table = Table::create().await;
    table.put_all(0..3).await;
    let script = Script::says(|call, _| if call < 3 { failed() } else { nothing() });
    let sources = table.stack.run(&table.config(|source| source.batch_size = 2), &script);
    script.until_called(5).await;
    let calls = script.calls();
    assert!(calls[..4].iter().all(|event| values(records(event)) == ["0", "1"]));
    assert_eq!(values(records(&calls[4])), ["2"]);
    assert_eq!((sources.stats()[0].failures, sources.stats()[0].discarded), (3, 0));
}

#[tokio::test]
async fn a_throttle_does_not_count_as_an_attempt() {
    let table = Table::create().await;
    table.put_all(0..1).await;
    let script = Script::says(|call, _| if call < 5 { throttled() } else { nothing() });
    let sources = table.stack.run(&table.config(|source| source.maximum_retry_attempts = Some(0)), &script);
    script.until_called(6).await;
    sources.drain(PATIENCE).await;
    assert_eq!(script.calls().len(), 6);
}

#[tokio::test]
async fn everything_from_the_lowest_reported_failure_on_comes_again() {
    let table = Table::create().await;
    table.put_all(0..5).await;
    let script = Script::says(|call, event| if call == 0 { reports(&named(event, &["3", "2"])) } else { nothing() });
    let _sources = table.stack.run(&table.config(|source| source.report_batch_item_failures = true), &script);
    let calls = script.until_called(2).await;
    assert_eq!(values(records(&calls[0])), ["0", "1", "2", "3", "4"]);
    assert_eq!(values(records(&calls[1])), ["2", "3", "4"]);
}

#[tokio::test]
async fn the_checkpoint_is_at_the_lowest_failure() {
    let table = Table::create().await;
    table.put_all(0..4).await;
    let config = table.config(|source| source.report_batch_item_failures = true);
    let script = Script::says(|_, event| reports(&named(event, &["2"])));
    let sources = table.stack.run(&config, &script);
    script.until_called(2).await;
    sources.drain(PATIENCE).await;
    let script = Script::content();
    let _sources = table.stack.run(&config, &script);
    assert_eq!(values(&script.until_given(2).await), ["2", "3"]);
}

#[tokio::test]
async fn a_file_of_checkpoints_survives_a_restart_and_nothing_is_missed_or_repeated() {
    let table = Table::create().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoints.json");
    for round in [0..3, 3..6, 6..9] {
        table.put_all(round.clone()).await;
        let mut config = table.config(|_| {});
        config.settings.checkpoints = Arc::new(FileCheckpoints::open(&path).unwrap());
        let script = Script::content();
        let sources = table.stack.run(&config, &script);
        let seen = script.until_given(3).await;
        assert_eq!(values(&seen), round.map(|value| value.to_string()).collect::<Vec<_>>());
        sources.drain(PATIENCE).await;
    }
}

#[tokio::test]
async fn latest_begins_with_what_comes_after_the_start() {
    let table = Table::create().await;
    table.put_all(0..3).await;
    let script = Script::content();
    let latest = |source: &mut StreamSource| source.starting_position = StartingPosition::Latest;
    let _sources = table.stack.run(&table.config(latest), &script);
    let mut next = 3;
    // The moment at which the position is taken is not observable, so the test writes until a
    // record arrives.
    while script.calls().is_empty() {
        table.put_all(next..=next).await;
        next += 1;
    }
    let seen = script.records();
    assert!(values(&seen).iter().all(|value| value.parse::<usize>().unwrap() >= 3), "{seen:?}");
}

#[tokio::test]
async fn a_poisonous_record_is_found_by_halves_and_told_to_the_on_failure_queue() {
    let table = Table::create().await;
    table.put_all(0..8).await;
    let queue = table.stack.sqs.create_queue().queue_name("given-up").send().await.unwrap().queue_url.unwrap();
    let script = Script::says(|_, event| if holds(event, "5") { failed() } else { nothing() });
    let config = table.config(|source| {
        source.bisect_batch_on_function_error = true;
        source.maximum_retry_attempts = Some(1);
        source.on_failure_queue_url = Some(queue.clone());
    });
    let sources = table.stack.run(&config, &script);
    let receive = table.stack.sqs.receive_message().queue_url(&queue).wait_time_seconds(20);
    let told = receive.send().await.unwrap().messages.unwrap().remove(0).body.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    table.put_all(8..9).await;
    script.until(|calls| calls.iter().any(|event| holds(event, "8"))).await;
    let calls = script.calls();
    let done: BTreeSet<&str> =
        calls.iter().filter(|event| !holds(event, "5")).flat_map(|event| values(records(event))).collect();
    assert_eq!(done, BTreeSet::from(["0", "1", "2", "3", "4", "6", "7", "8"]));
    let alone: Vec<&Value> = calls.iter().filter(|event| values(records(event)) == ["5"]).collect();
    assert_eq!(alone.len(), 2, "once and one retry");
    let poison = sequence_number(&records(alone[0])[0]);
    let info = &told["DDBStreamBatchInfo"];
    assert_eq!((&info["startSequenceNumber"], &info["endSequenceNumber"]), (&json!(poison), &json!(poison)));
    assert_eq!((&info["batchSize"], &info["streamArn"]), (&json!(1), &json!(config.streams[0].event_source_arn)));
    assert_eq!(told["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(told["requestContext"]["functionArn"], "arn:aws:lambda:us-east-1:123456789012:function:f");
    assert_eq!(told["responseContext"]["functionError"], "Unhandled");
    assert_eq!(sources.stats()[0].discarded, 1);
}

#[tokio::test]
async fn a_batch_is_given_up_after_its_retries_and_the_shard_goes_on() {
    let table = Table::create().await;
    table.put_all(0..2).await;
    let script = Script::says(|_, event| if holds(event, "0") { failed() } else { nothing() });
    let _sources = table.stack.run(&table.config(|source| source.maximum_retry_attempts = Some(2)), &script);
    script.until_called(3).await;
    table.put_all(2..3).await;
    let calls = script.until_called(4).await;
    assert!(calls[..3].iter().all(|event| values(records(event)) == ["0", "1"]));
    assert_eq!(values(records(&calls[3])), ["2"]);
}

#[tokio::test]
async fn records_that_are_too_old_are_given_up_without_an_invocation() {
    let clock = ManualClock::new(u64::try_from(now_s()).unwrap() - 3_600);
    let table = Table::with(Stack::with(Database::memory_with_clock(clock.arc()).unwrap()).await).await;
    table.put_all(0..2).await;
    clock.set(u64::try_from(now_s()).unwrap());
    table.put_all(2..3).await;
    let queue = table.stack.sqs.create_queue().queue_name("given-up").send().await.unwrap().queue_url.unwrap();
    let script = Script::content();
    let config = table.config(|source| {
        source.maximum_record_age = Some(Duration::from_secs(60));
        source.on_failure_queue_url = Some(queue.clone());
    });
    let sources = table.stack.run(&config, &script);
    assert_eq!(values(&script.until_given(1).await), ["2"]);
    assert_eq!(sources.stats()[0].discarded, 2);
    let receive = table.stack.sqs.receive_message().queue_url(&queue).wait_time_seconds(20);
    let told = receive.send().await.unwrap().messages.unwrap().remove(0).body.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!((&told["DDBStreamBatchInfo"]["batchSize"], told.get("responseContext")), (&json!(2), None));
}

#[tokio::test]
async fn a_batch_that_grows_too_old_while_it_is_retried_is_given_up() {
    const AGE_S: u64 = 60;
    let now = u64::try_from(now_s()).unwrap();
    let clock = ManualClock::new(now - AGE_S + 2);
    let table = Table::with(Stack::with(Database::memory_with_clock(clock.arc()).unwrap()).await).await;
    table.put_all(0..1).await;
    let queue = table.stack.sqs.create_queue().queue_name("given-up").send().await.unwrap().queue_url.unwrap();
    let script = Script::says(|_, _| failed());
    let config = table.config(|source| {
        source.maximum_record_age = Some(Duration::from_secs(AGE_S));
        source.on_failure_queue_url = Some(queue.clone());
    });
    let sources = table.stack.run(&config, &script);
    let receive = table.stack.sqs.receive_message().queue_url(&queue).wait_time_seconds(20);
    let told = receive.send().await.unwrap().messages.unwrap().remove(0).body.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["requestContext"]["condition"], "RecordAgeExceeded");
    assert!(told["requestContext"]["approximateInvokeCount"].as_u64().is_some_and(|count| count >= 2), "{told}");
    assert_eq!(told["responseContext"]["functionError"], "Unhandled");
    assert_eq!(sources.stats()[0].discarded, 1);
}

#[tokio::test]
async fn an_item_that_expired_is_removed_by_dynamodb() {
    let table = Table::create().await;
    let specification = TimeToLiveSpecification::builder().enabled(true).attribute_name("ttl").build().unwrap();
    let enable = table.stack.dynamodb.update_time_to_live().table_name("rooms");
    enable.time_to_live_specification(specification).send().await.unwrap();
    for (pk, expires) in [("expired", now_s() - 100), ("alive", now_s() + 1_000)] {
        let put = table.stack.dynamodb.put_item().table_name("rooms").item("pk", text(pk)).item("sk", text("-"));
        put.item("ttl", AttributeValue::N(expires.to_string())).send().await.unwrap();
    }
    let delete = table.stack.dynamodb.delete_item().table_name("rooms").key("pk", text("alive")).key("sk", text("-"));
    delete.send().await.unwrap();
    let database = table.stack.database.clone();
    assert_eq!(tokio::task::spawn_blocking(move || database.sweep_ttl()).await.unwrap().unwrap(), 1);
    let script = Script::content();
    let filter = r#"{"userIdentity":{"type":["Service"],"principalId":["dynamodb.amazonaws.com"]}}"#.to_owned();
    let sources = table.stack.run(&table.config(|source| source.filters.push(filter)), &script);
    let seen = script.until_given(1).await;
    assert_eq!((&seen[0]["eventName"], &seen[0]["dynamodb"]["Keys"]["pk"]["S"]), (&json!("REMOVE"), &json!("expired")));
    assert_eq!(seen[0]["userIdentity"], json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"}));
    assert_eq!(sources.stats()[0].filtered, 3, "two inserts and a deletion by a user");
}

#[tokio::test]
async fn records_that_no_filter_wants_are_passed_over_and_checkpointed() {
    let table = Table::create().await;
    table.put("noise", "1").await;
    table.put("OUTBOX#1", "2").await;
    table.put("noise", "3").await;
    let filter = r#"{"eventName":["INSERT"],"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"OUTBOX#"}]}}}}"#;
    let config = table.config(|source| source.filters.push(filter.to_owned()));
    let script = Script::content();
    let sources = table.stack.run(&config, &script);
    assert_eq!(values(&script.until_given(1).await), ["2"]);
    sources.drain(PATIENCE).await;
    let mut everything = config.clone();
    everything.streams[0].filters.clear();
    table.put("noise", "4").await;
    let script = Script::content();
    let _sources = table.stack.run(&everything, &script);
    assert_eq!(values(&script.until_given(1).await), ["4"]);
}

#[tokio::test]
async fn with_parallelization_items_keep_their_order_and_run_at_once() {
    let table = Table::create().await;
    for value in 0..10 {
        for item in 0..8 {
            table.put(&format!("item {item}"), &value.to_string()).await;
        }
    }
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let script = Script::new(move |_, _| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            nothing()
        }
    });
    let config = table.config(|source| {
        source.parallelization_factor = 4;
        source.batch_size = 5;
    });
    let _sources = table.stack.run(&config, &script);
    let mut items: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for record in script.until_given(80).await {
        let item = record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap().to_owned();
        items.entry(item).or_default().push(value(&record).parse().unwrap());
    }
    assert_eq!(items.len(), 8);
    assert!(items.values().all(|values| values.iter().copied().eq(0..10)), "{items:?}");
    assert!((2..=4).contains(&peak.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn a_lane_that_fails_holds_up_its_own_items_and_the_checkpoint_and_nothing_else() {
    const ITEMS: usize = 40;
    let table = Table::create().await;
    for item in 0..ITEMS {
        table.put(&format!("item {item}"), &item.to_string()).await;
    }
    let config = table.config(|source| {
        source.parallelization_factor = 10;
        source.batch_size = 1;
    });
    let script = Script::says(|_, event| if holds(event, "0") { failed() } else { nothing() });
    let sources = table.stack.run(&config, &script);
    let taken = |calls: &[Value]| {
        let taken = calls.iter().flat_map(|event| values(records(event))).filter(|value| *value != "0");
        taken.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    // A lane of ten holds four items on average. Three times as many items in one lane is very
    // unlikely.
    script.until(|calls| taken(calls).len() >= ITEMS - 12).await;
    sources.drain(PATIENCE).await;
    let script = Script::content();
    let _sources = table.stack.run(&config, &script);
    let again = script.until_given(ITEMS).await;
    let again: BTreeSet<String> = values(&again).into_iter().map(str::to_owned).collect();
    assert_eq!(again.len(), ITEMS, "everything from the first failure on comes again");
}

#[tokio::test]
async fn without_parallelization_one_batch_runs_at_a_time() {
    let table = Table::create().await;
    table.put_all(0..5).await;
    let gate = Arc::new(Semaphore::new(0));
    let script = Script::behind(&gate);
    let sources = table.stack.run(&table.config(|source| source.batch_size = 2), &script);
    script.until_called(1).await;
    assert_eq!(sources.stats()[0].running, 1);
    gate.add_permits(10);
    let calls = script.until_called(3).await;
    let sizes: Vec<usize> = calls.iter().map(|event| records(event).len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn draining_waits_for_what_runs_and_saves_where_it_was() {
    let table = Table::create().await;
    table.put_all(0..4).await;
    let gate = Arc::new(Semaphore::new(0));
    let config = table.config(|source| source.batch_size = 2);
    let script = Script::behind(&gate);
    let sources = table.stack.run(&config, &script);
    script.until_called(1).await;
    let (drained, ()) = tokio::join!(sources.drain(PATIENCE), async { gate.add_permits(1) });
    assert_eq!((drained.abandoned, script.calls().len()), (0, 1));
    let script = Script::content();
    let _sources = table.stack.run(&config, &script);
    assert_eq!(values(&script.until_given(2).await), ["2", "3"]);
}

#[tokio::test]
async fn a_stream_that_does_not_exist_yet_is_waited_for() {
    let stack = Stack::start().await;
    let source = StreamSource::new("arn:aws:dynamodb:dynoxide:000000000000:table/rooms/stream/1", "f");
    let script = Script::content();
    let sources = stack.run(&Config { streams: vec![source], ..config() }, &script);
    while sources.stats()[0].errors == 0 {
        tokio::task::yield_now().await;
    }
    let table = Table::with(stack).await;
    table.put_all(0..1).await;
    assert_eq!(values(&script.until_given(1).await), ["0"]);
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}
