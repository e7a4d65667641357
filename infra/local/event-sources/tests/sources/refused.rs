//! Tests mappings that AWS would refuse.

use std::time::Duration;

use local_event_sources::{ConfigError, EventSources, QueueSource, Schedule, StreamSource};

use crate::script::Script;
use crate::stack::{Stack, config};

const STANDARD: &str = "arn:aws:sqs:us-east-1:123456789012:q";
const FIFO: &str = "arn:aws:sqs:us-east-1:123456789012:q.fifo";

async fn queue(arn: &str, change: impl FnOnce(&mut QueueSource)) -> Option<String> {
    let mut source = QueueSource::new("http://127.0.0.1:1/q", arn, "f");
    change(&mut source);
    refusal(|config| config.queues.push(source)).await
}

async fn stream(change: impl FnOnce(&mut StreamSource)) -> Option<String> {
    let mut source = StreamSource::new("arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/1", "f");
    change(&mut source);
    refusal(|config| config.streams.push(source)).await
}

async fn refusal(change: impl FnOnce(&mut local_event_sources::Config)) -> Option<String> {
    let (stack, mut config) = (Stack::start().await, config());
    change(&mut config);
    let started = EventSources::start(&config, &Script::content(), |_| stack.clients.clone());
    started.err().map(|error: ConfigError| error.to_string())
}

#[tokio::test]
async fn a_mapping_with_the_defaults_of_aws_is_accepted() {
    assert_eq!(queue(STANDARD, |_| {}).await, None);
    assert_eq!(queue(FIFO, |_| {}).await, None);
    assert_eq!(stream(|_| {}).await, None);
}

#[tokio::test]
async fn more_than_ten_messages_need_a_window() {
    let sentence = queue(STANDARD, |source| source.batch_size = 11).await.unwrap();
    let aws = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    assert!(sentence.ends_with(aws), "{sentence}");
    let with_window = |source: &mut QueueSource| {
        source.batch_size = 11;
        source.batch_window = Duration::from_secs(1);
    };
    assert_eq!(queue(STANDARD, with_window).await, None);
}

#[tokio::test]
async fn a_fifo_queue_has_batches_of_ten_at_most_and_no_window() {
    let sentence = queue(FIFO, |source| source.batch_size = 11).await.unwrap();
    assert!(sentence.contains("batch size is 11 and must be 1 to 10 for a FIFO queue"), "{sentence}");
    let sentence = queue(FIFO, |source| source.batch_window = Duration::from_secs(1)).await.unwrap();
    assert!(sentence.contains("batch window in seconds is 1 and must be 0 for a FIFO queue"), "{sentence}");
}

#[tokio::test]
async fn a_number_outside_its_limits_is_named() {
    let sentence = queue(STANDARD, |source| source.maximum_concurrency = Some(1)).await.unwrap();
    assert!(sentence.contains("maximum concurrency is 1 and must be 2 to 1,000"), "{sentence}");
    let sentence = stream(|source| source.parallelization_factor = 11).await.unwrap();
    assert!(sentence.contains("parallelization factor is 11 and must be 1 to 10"), "{sentence}");
    let sentence = stream(|source| source.maximum_record_age = Some(Duration::from_secs(1))).await.unwrap();
    assert!(sentence.contains("maximum record age in seconds is 1 and must be 60 to 604,800"), "{sentence}");
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_in_the_words_of_aws() {
    let sentence = stream(|source| source.filters.push("{".to_owned())).await.unwrap();
    assert!(sentence.contains("Invalid filter pattern definition"), "{sentence}");
}

#[tokio::test]
async fn an_input_that_is_not_json_is_refused() {
    let expression = "rate(1 minute)".parse().unwrap();
    let schedule = Schedule { name: "tick".into(), expression, function: "f".into(), input: Some("{".into()) };
    let sentence = refusal(|config| config.schedules.push(schedule)).await.unwrap();
    assert_eq!(sentence, "schedule tick: its input is not JSON");
}
