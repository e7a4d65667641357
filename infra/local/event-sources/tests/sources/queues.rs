//! Tests mappings of queues over the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry};
use local_event_sources::{Config, QueueSource};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::script::{PATIENCE, Script, failed, nothing, reports, throttled};
use crate::stack::{ACCOUNT, REGION, Stack, config};

/// Number of messages that were sent. It makes deduplication ids unique.
static SENT: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct Queue {
    pub(crate) stack: Stack,
    url: String,
    source: QueueSource,
}

impl Queue {
    pub(crate) async fn create(name: &str, visibility_timeout_s: u64) -> Self {
        Self::with(Stack::start().await, name, visibility_timeout_s, &[]).await
    }

    async fn with(stack: Stack, name: &str, visibility_s: u64, attributes: &[(QueueAttributeName, &str)]) -> Self {
        let mut create = stack.sqs.create_queue().queue_name(name);
        create = create.attributes(QueueAttributeName::VisibilityTimeout, visibility_s.to_string());
        if name.ends_with(".fifo") {
            create = create.attributes(QueueAttributeName::FifoQueue, "true");
        }
        for (name, value) in attributes {
            create = create.attributes(name.clone(), *value);
        }
        let url = create.send().await.unwrap().queue_url.unwrap();
        let mut source = QueueSource::new(&url, &format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"), "f");
        source.visibility_timeout = Duration::from_secs(visibility_s);
        Self { stack, url, source }
    }

    pub(crate) fn config(&self, change: impl FnOnce(&mut QueueSource)) -> Config {
        let mut source = self.source.clone();
        change(&mut source);
        Config { queues: vec![source], ..config() }
    }

    pub(crate) async fn send(&self, bodies: &[&str]) {
        for body in bodies {
            self.stack.sqs.send_message().queue_url(&self.url).message_body(*body).send().await.unwrap();
        }
    }

    /// Sends `("group", "body")` messages, ten in a call.
    async fn send_fifo(&self, messages: &[(&str, &str)]) {
        let entry = |(place, (group, body)): (usize, &(&str, &str))| {
            let id = SENT.fetch_add(1, Ordering::Relaxed).to_string();
            let entry = SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(*body);
            entry.message_group_id(*group).message_deduplication_id(id).build().unwrap()
        };
        for ten in messages.chunks(10) {
            let entries = ten.iter().enumerate().map(entry).collect();
            let sent = self.stack.sqs.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
            assert!(sent.send().await.unwrap().failed.is_empty());
        }
    }

    /// Returns the counts of messages that are visible or in flight.
    async fn left(&self) -> BTreeMap<String, u32> {
        left(&self.stack, &self.url).await
    }

    /// Waits until the queue is empty. The wire has no event for that, so this polls.
    pub(crate) async fn until_empty(&self) {
        let empty = async {
            while self.left().await.values().any(|count| *count > 0) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, empty).await.expect("messages are left");
    }
}

async fn left(stack: &Stack, url: &str) -> BTreeMap<String, u32> {
    let names =
        [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
    let request = stack.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let attributes = request.send().await.unwrap().attributes.unwrap();
    attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value.parse().unwrap())).collect()
}

fn bodies(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["body"].as_str().unwrap()).collect()
}

pub(crate) fn records(event: &Value) -> &[Value] {
    event["Records"].as_array().unwrap()
}

pub(crate) fn receive_count(record: &Value) -> u32 {
    record["attributes"]["ApproximateReceiveCount"].as_str().unwrap().parse().unwrap()
}

/// Returns the identifiers of the records whose body is in `wanted`.
fn named<'a>(event: &'a Value, wanted: &[&str]) -> Vec<&'a str> {
    let is_wanted = |record: &&Value| wanted.contains(&record["body"].as_str().unwrap());
    records(event).iter().filter(is_wanted).map(|record| record["messageId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_message_arrives_as_on_aws_and_is_deleted() {
    let queue = Queue::create("q", 30).await;
    let author = MessageAttributeValue::builder().data_type("String").string_value("John").build().unwrap();
    let send = queue.stack.sqs.send_message().queue_url(&queue.url).message_body("Test message.");
    let sent = send.message_attributes("Author", author).send().await.unwrap();
    let script = Script::content();
    let _sources = queue.stack.run(&queue.config(|_| {}), &script);
    let mut record = script.until_given(1).await.remove(0);
    let handle = record["receiptHandle"].take();
    assert!(handle.as_str().is_some_and(|handle| !handle.is_empty()));
    let attributes = record["attributes"].take();
    assert_eq!(receive_count(&json!({"attributes": attributes})), 1);
    for name in ["SentTimestamp", "ApproximateFirstReceiveTimestamp", "SenderId"] {
        assert!(attributes[name].is_string(), "{name} in {attributes}");
    }
    let expected = json!({
        "messageId": sent.message_id, "receiptHandle": null, "body": "Test message.", "attributes": null,
        "messageAttributes": {"Author": {
            "stringValue": "John", "stringListValues": [], "binaryListValues": [], "dataType": "String",
        }},
        "md5OfMessageAttributes": sent.md5_of_message_attributes, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:q", "awsRegion": "us-east-1",
    });
    assert_eq!(record, expected);
    queue.until_empty().await;
    assert_eq!(script.calls().len(), 1);
}

#[tokio::test]
async fn messages_of_a_failed_invocation_come_again_after_their_visibility_timeout() {
    let queue = Queue::create("q", 1).await;
    queue.send(&["a"]).await;
    let script = Script::says(|call, _| if call == 0 { failed() } else { nothing() });
    let sources = queue.stack.run(&queue.config(|_| {}), &script);
    let calls = script.until_called(2).await;
    assert_eq!(receive_count(&records(&calls[1])[0]), 2);
    queue.until_empty().await;
    assert_eq!((sources.stats()[0].batches, sources.stats()[0].failures), (2, 1));
}

#[tokio::test]
async fn without_reporting_the_answer_does_not_matter() {
    let queue = Queue::create("q", 30).await;
    queue.send(&["a"]).await;
    let script = Script::says(|_, event| reports(&named(event, &["a"])));
    let _sources = queue.stack.run(&queue.config(|_| {}), &script);
    script.until_called(1).await;
    queue.until_empty().await;
}

#[tokio::test]
async fn only_records_that_the_answer_names_come_again() {
    let queue = Queue::create("q.fifo", 1).await;
    queue.send_fifo(&[("g", "a"), ("h", "b"), ("i", "c")]).await;
    let script = Script::says(|call, event| if call == 0 { reports(&named(event, &["b"])) } else { nothing() });
    let _sources = queue.stack.run(&queue.config(|source| source.report_batch_item_failures = true), &script);
    let calls = script.until_called(2).await;
    assert_eq!(bodies(records(&calls[0])), ["a", "b", "c"]);
    assert_eq!(bodies(records(&calls[1])), ["b"]);
    queue.until_empty().await;
}

#[tokio::test]
async fn an_identifier_that_is_not_in_the_batch_fails_all_of_it() {
    let queue = Queue::create("q.fifo", 1).await;
    queue.send_fifo(&[("g", "a"), ("h", "b")]).await;
    let script = Script::says(|call, _| if call == 0 { reports(&["unknown"]) } else { nothing() });
    let _sources = queue.stack.run(&queue.config(|source| source.report_batch_item_failures = true), &script);
    let again = script.until_given(4).await;
    let again: BTreeSet<&str> = bodies(&again[2..]).into_iter().collect();
    assert_eq!(again, BTreeSet::from(["a", "b"]));
}

#[tokio::test]
async fn ten_messages_of_one_group_are_one_batch_in_order() {
    let queue = Queue::create("q.fifo", 30).await;
    let expected: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    queue.send_fifo(&expected.iter().map(|body| ("g", body.as_str())).collect::<Vec<_>>()).await;
    let script = Script::content();
    let _sources = queue.stack.run(&queue.config(|_| {}), &script);
    let calls = script.until_called(1).await;
    assert_eq!(bodies(records(&calls[0])), expected);
    let attributes = &records(&calls[0])[0]["attributes"];
    for name in ["MessageGroupId", "MessageDeduplicationId", "SequenceNumber"] {
        assert!(attributes[name].is_string(), "{name} in {attributes}");
    }
}

#[tokio::test]
async fn a_group_that_is_worked_on_does_not_keep_the_others_waiting() {
    let queue = Queue::create("q.fifo", 30).await;
    let gate = Arc::new(Semaphore::new(0));
    let slow = Arc::clone(&gate);
    let script = Script::new(move |_, event| {
        let is_slow = bodies(records(event)).iter().any(|body| body.starts_with("slow"));
        let slow = Arc::clone(&slow);
        async move {
            if is_slow {
                slow.acquire().await.unwrap().forget();
            }
            nothing()
        }
    });
    let _sources = queue.stack.run(&queue.config(|_| {}), &script);
    queue.send_fifo(&[("a", "slow 1")]).await;
    script.until_given(1).await;
    queue.send_fifo(&[("a", "slow 2"), ("b", "quick 1"), ("c", "quick 2")]).await;
    let seen = script.until_given(3).await;
    let quick: BTreeSet<&str> = bodies(&seen[1..]).into_iter().collect();
    assert_eq!(quick, BTreeSet::from(["quick 1", "quick 2"]), "and not the group that is locked");
    gate.add_permits(2);
    assert_eq!(bodies(&script.until_given(4).await)[3], "slow 2");
    queue.until_empty().await;
}

#[tokio::test]
async fn a_failed_message_keeps_its_group_in_order() {
    let queue = Queue::create("q.fifo", 1).await;
    queue.send_fifo(&[("g", "1"), ("g", "2"), ("g", "3")]).await;
    let script = Script::says(|call, event| if call == 0 { reports(&named(event, &["2", "3"])) } else { nothing() });
    let _sources = queue.stack.run(&queue.config(|source| source.report_batch_item_failures = true), &script);
    script.until_called(1).await;
    queue.send_fifo(&[("g", "4")]).await;
    assert_eq!(bodies(&script.until_given(6).await), ["1", "2", "3", "2", "3", "4"]);
    queue.until_empty().await;
}

#[tokio::test]
async fn there_are_never_more_invocations_than_the_maximum_concurrency() {
    let queue = Queue::create("q", 30).await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let script = Script::new(move |_, _| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            nothing()
        }
    });
    let config = queue.config(|source| {
        source.batch_size = 1;
        source.maximum_concurrency = Some(3);
    });
    let _sources = queue.stack.run(&config, &script);
    queue.send(&["x"; 20]).await;
    script.until_given(20).await;
    assert_eq!(peak.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_throttled_batch_is_tried_again_without_being_received_again() {
    let queue = Queue::create("q", 30).await;
    queue.send(&["a"]).await;
    let script = Script::says(|call, _| if call < 3 { throttled() } else { nothing() });
    let sources = queue.stack.run(&queue.config(|_| {}), &script);
    let calls = script.until_called(4).await;
    assert_eq!(receive_count(&records(&calls[3])[0]), 1);
    queue.until_empty().await;
    let stats = &sources.stats()[0];
    assert_eq!((stats.throttles, stats.batches, stats.failures), (3, 1, 0));
}

#[tokio::test]
async fn a_batch_that_is_throttled_for_too_long_becomes_visible_again() {
    let queue = Queue::create("q", 1).await;
    queue.send(&["a"]).await;
    let script = Script::says(|_, event| if receive_count(&records(event)[0]) < 2 { throttled() } else { nothing() });
    let _sources = queue.stack.run(&queue.config(|_| {}), &script);
    script.until(|calls| calls.iter().any(|call| receive_count(&records(call)[0]) == 2)).await;
    queue.until_empty().await;
}

#[tokio::test]
async fn a_message_that_matches_no_filter_is_deleted_unseen() {
    let queue = Queue::create("q", 30).await;
    queue.send(&[r#"{"kind":"unwanted"}"#, "no JSON", r#"{"kind":"wanted"}"#]).await;
    let script = Script::content();
    let filter = r#"{"body":{"kind":["wanted"]}}"#.to_owned();
    let sources = queue.stack.run(&queue.config(|source| source.filters.push(filter)), &script);
    assert_eq!(bodies(&script.until_given(1).await), [r#"{"kind":"wanted"}"#]);
    queue.until_empty().await;
    assert_eq!((script.records().len(), sources.stats()[0].filtered), (1, 2));
}

#[tokio::test]
async fn a_window_gathers_more_than_one_receive() {
    let queue = Queue::create("q", 30).await;
    queue.send(&["x"; 25]).await;
    let script = Script::content();
    let config = queue.config(|source| {
        source.batch_size = 25;
        source.batch_window = Duration::from_secs(20);
        source.maximum_concurrency = Some(2);
    });
    let mut config = config;
    config.settings.pace.queue_pollers_at_start = 1;
    let _sources = queue.stack.run(&config, &script);
    let calls = script.until_called(1).await;
    assert_eq!(records(&calls[0]).len(), 25);
    assert_eq!(records(&calls[0])[0].get("md5OfMessageAttributes"), Some(&Value::Null));
}

#[tokio::test]
async fn what_exceeds_six_megabytes_is_cut_into_several_events() {
    let queue = Queue::create("q.fifo", 30).await;
    let large = "x".repeat(1024 * 1024 - 1024);
    for number in 0..8 {
        queue.send_fifo(&[("g", &format!("{number}{large}"))]).await;
    }
    let script = Script::content();
    let _sources = queue.stack.run(&queue.config(|_| {}), &script);
    let seen = script.until_given(8).await;
    assert!(script.calls().len() >= 2);
    assert!(script.calls().iter().all(|event| event.to_string().len() <= 6 * 1024 * 1024));
    let order: String = seen.iter().filter_map(|record| record["body"].as_str()?.chars().next()).collect();
    assert_eq!(order, "01234567");
}

#[tokio::test]
async fn a_poisonous_message_ends_in_the_dead_letter_queue_of_its_queue() {
    let stack = Stack::start().await;
    let dead = stack.sqs.create_queue().queue_name("dead").send().await.unwrap().queue_url.unwrap();
    let policy = json!({
        "deadLetterTargetArn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:dead"), "maxReceiveCount": 2,
    });
    let attributes = [(QueueAttributeName::RedrivePolicy, policy.to_string())];
    let attributes: Vec<_> = attributes.iter().map(|(name, value)| (name.clone(), value.as_str())).collect();
    let queue = Queue::with(stack, "q", 1, &attributes).await;
    queue.send(&["poison"]).await;
    let script = Script::says(|_, _| failed());
    let _sources = queue.stack.run(&queue.config(|_| {}), &script);
    let receive = queue.stack.sqs.receive_message().queue_url(dead).wait_time_seconds(20);
    let found = receive.send().await.unwrap().messages.unwrap_or_default();
    assert_eq!(found[0].body(), Some("poison"));
    assert_eq!(script.calls().len(), 2);
}

#[tokio::test]
async fn draining_waits_for_what_runs_and_deletes_what_succeeded() {
    let queue = Queue::create("q", 30).await;
    let gate = Arc::new(Semaphore::new(0));
    let script = Script::behind(&gate);
    let sources = queue.stack.run(&queue.config(|_| {}), &script);
    queue.send(&["a"]).await;
    script.until_called(1).await;
    let (drained, ()) = tokio::join!(sources.drain(PATIENCE), async { gate.add_permits(1) });
    assert_eq!(drained.abandoned, 0);
    assert!(queue.left().await.values().all(|count| *count == 0));
    queue.send(&["b"]).await;
    assert_eq!(script.calls().len(), 1, "nothing is received any more");
}

#[tokio::test]
async fn draining_gives_up_at_its_deadline_and_the_messages_come_again() {
    let queue = Queue::create("q", 1).await;
    let gate = Arc::new(Semaphore::new(0));
    let sources = queue.stack.run(&queue.config(|_| {}), &Script::behind(&gate));
    queue.send(&["a"]).await;
    while sources.stats()[0].running == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sources.drain(Duration::from_millis(50)).await.abandoned, 1);
    let script = Script::content();
    let _sources = queue.stack.run(&queue.config(|_| {}), &script);
    assert_eq!(receive_count(&script.until_given(1).await[0]), 2);
}

#[tokio::test]
async fn a_message_whose_deletion_failed_is_deleted_by_another_attempt() {
    let queue = Queue::create("q.fifo", 30).await;
    queue.stack.faults.undeleted.store(2, Ordering::SeqCst);
    queue.send_fifo(&[("g", "1"), ("g", "2"), ("g", "3")]).await;
    let script = Script::content();
    let sources = queue.stack.run(&queue.config(|_| {}), &script);
    script.until_given(3).await;
    queue.until_empty().await;
    assert_eq!((script.calls().len(), sources.stats()[0].errors), (1, 2));
}

#[tokio::test]
async fn an_endpoint_that_fails_is_tried_until_it_answers() {
    let queue = Queue::create("q", 30).await;
    queue.stack.faults.unreceived.store(30, Ordering::SeqCst);
    queue.send(&["a"]).await;
    let script = Script::content();
    let sources = queue.stack.run(&queue.config(|_| {}), &script);
    script.until_given(1).await;
    assert_eq!(sources.stats()[0].errors, 30);
}
