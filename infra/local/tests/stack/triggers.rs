//! Tests that queues, topics, streams and schedules reach the function that they trigger, and that
//! a function cannot call resources without a grant.

use std::time::{Duration, Instant};

use local::options::Speed;
use serde_json::Value;

use crate::harness::{Item, PATIENCE, Running, start, start_with, text};

const WITNESSED: &str = "
functions:
  by-queue:
    binary: witness
    memory_mb: 128
    timeout_s: 5
    environment:
      WITNESS_TABLE: { table: seen }
      PROBE_QUEUE_URL: { queue_url: forbidden }
      PROBE_TOPIC_ARN: { topic_arn: forbidden }
    triggers: [{ queue: { queue: inbox } }]
    grants: [{ table: seen, actions: [PutItem] }]
  by-stream:
    binary: witness
    memory_mb: 128
    timeout_s: 5
    environment: { WITNESS_TABLE: { table: seen } }
    triggers: [{ stream: { table: things, filters: [{ eventName: [INSERT] }], maximum_retry_attempts: 1 } }]
    grants: [{ table: seen, actions: [PutItem] }]
  by-clock:
    binary: witness
    memory_mb: 128
    timeout_s: 5
    environment: { WITNESS_TABLE: { table: seen } }
    triggers: [{ schedule: { rate: 1 minute } }]
    grants: [{ table: seen, actions: [PutItem] }]
queues:
  inbox: { visibility_timeout_s: 30 }
  forbidden: {}
topics:
  news: { subscriptions: [{ queue: inbox, raw: true }] }
  forbidden: {}
tables:
  seen: { partition_key: { name: id, type: S } }
  things: { partition_key: { name: pk, type: S }, stream: new_and_old_images }
";

fn event(item: &Item) -> Value {
    serde_json::from_str(text(item, "event")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_on_a_topic_reaches_the_function_behind_its_queue() {
    let running = start(WITNESSED).await;
    let resources = &running.stack.addresses().resources;
    running.stack.clients().sns.publish().topic_arn(&resources.topics["news"]).message("hello").send().await.unwrap();
    let seen = running.witnessed(|item| text(item, "function") == "by-queue").await;
    let record = &event(&seen)["Records"][0];
    assert_eq!(record["body"], "hello");
    assert_eq!(record["eventSourceARN"], resources.queues["inbox"].arn.as_str());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_table_reaches_the_function_behind_its_stream() {
    let running = start(WITNESSED).await;
    let value = aws_sdk_dynamodb::types::AttributeValue::S("a".to_owned());
    running.stack.clients().dynamodb.put_item().table_name("things").item("pk", value).send().await.unwrap();
    let seen = running.witnessed(|item| text(item, "function") == "by-stream").await;
    let record = &event(&seen)["Records"][0];
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["dynamodb"]["NewImage"]["pk"]["S"], "a");
    running.stop().await;
}

fn stream_reads(running: &Running) -> u64 {
    running.stack.statistics()["calls"]["pollers"]["dynamodb:GetRecords"]["calls"].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_is_read_four_times_a_second_unless_it_is_asked_to_be_fast() {
    const READS: u64 = 6;
    let running = start_with(WITNESSED, |options| options.speed = Speed::Aws).await.unwrap();
    while stream_reads(&running) == 0 {
        tokio::task::yield_now().await;
    }
    let (first, started) = (stream_reads(&running), Instant::now());
    while stream_reads(&running) < first + READS {
        assert!(started.elapsed() < PATIENCE, "{} reads", stream_reads(&running) - first);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The first interval may be almost over when the count starts.
    assert!(started.elapsed() > Duration::from_millis(250) * 4, "{:?} for {READS} reads", started.elapsed());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_reserved_concurrency_what_comes_beyond_the_processes_waits_and_nothing_is_throttled() {
    const MESSAGES: usize = 60;
    let alone = WITNESSED.replace("{ queue: { queue: inbox } }", "{ queue: { queue: inbox, batch_size: 1 } }");
    let running = start_with(&alone, |options| options.processes = 2).await.unwrap();
    let url = &running.stack.addresses().resources.queues["inbox"].url;
    for _ in 0..MESSAGES {
        running.stack.clients().sqs.send_message().queue_url(url).message_body("hello").send().await.unwrap();
    }
    let deadline = Instant::now() + PATIENCE;
    let function = || running.stack.statistics()["functions"]["by-queue"].clone();
    while function()["invocations"].as_u64() < Some(MESSAGES as u64) {
        assert!(Instant::now() < deadline, "{}", function());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(function()["throttles"], 0);
    assert!(function()["cold_starts"].as_u64() <= Some(2), "{}", function());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_reaches_its_function_sixty_times_as_often_when_fast() {
    let running = start(WITNESSED).await;
    let seen = running.witnessed(|item| text(item, "function") == "by-clock").await;
    assert_eq!(event(&seen)["detail-type"], "Scheduled Event");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_and_topics_that_were_not_granted_are_denied_in_the_words_of_aws() {
    let running = start(WITNESSED).await;
    let resources = &running.stack.addresses().resources;
    running.stack.clients().sns.publish().topic_arn(&resources.topics["news"]).message("hello").send().await.unwrap();
    let seen = running.witnessed(|item| text(item, "function") == "by-queue").await;
    let user = "User: arn:aws:sts::000000000000:assumed-role/by-queue/by-queue is not authorized to perform:";
    let queue = text(&seen, "queue");
    assert!(queue.contains("AccessDenied"), "{queue}");
    assert!(
        queue.contains(&format!("{user} sqs:sendmessage on resource: {}", resources.queues["forbidden"].arn)),
        "{queue}"
    );
    let topic = text(&seen, "topic");
    assert!(topic.contains("AuthorizationError"), "{topic}");
    assert!(topic.contains(&format!("{user} SNS:Publish on resource: {}", resources.topics["forbidden"])), "{topic}");
    let statistics = running.stack.statistics();
    assert_eq!(statistics["calls"]["by-queue"]["sqs:SendMessage"]["denied"], 1);
    running.stop().await;
}
