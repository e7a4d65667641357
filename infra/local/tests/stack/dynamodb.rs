//! Tests DynamoDB through the SDK: results, refusals with AWS's texts, streams, expiry.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use aws_sdk_dynamodbstreams::types::{OperationType, Record, ShardIteratorType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{PATIENCE, Running, start};

const THINGS: &str = "
functions: {}
tables:
  things:
    partition_key: { name: pk, type: S }
    stream: new_and_old_images
    ttl: expires
";

fn value(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn put(running: &Running, key: &str) {
    let request = running.stack.clients().dynamodb.put_item().table_name("things").item("pk", value(key));
    request.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_does_not_hold_says_what_is_there() {
    let running = start(THINGS).await;
    put(&running, "a").await;
    let request = running.stack.clients().dynamodb.put_item().table_name("things").item("pk", value("a"));
    let request = request
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let error = request.send().await.unwrap_err().into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    assert_eq!(error.message(), Some("The conditional request failed"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_says_which_part_failed() {
    let running = start(THINGS).await;
    let put = Put::builder().table_name("things").item("pk", value("a")).build().unwrap();
    let check = ConditionCheck::builder()
        .table_name("things")
        .key("pk", value("nobody"))
        .condition_expression("attribute_exists(pk)")
        .build()
        .unwrap();
    let request = running
        .stack
        .clients()
        .dynamodb
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(put).build())
        .transact_items(TransactWriteItem::builder().condition_check(check).build());
    let error = request.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(error) =
        error
    else {
        panic!("{error:?}");
    };
    let codes: Vec<&str> = error.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_the_words_of_aws() {
    let running = start(THINGS).await;
    let dynamodb = &running.stack.clients().dynamodb;
    let error = dynamodb.put_item().table_name("things").item("other", value("a")).send().await.unwrap_err();
    assert_eq!(error.code(), Some("ValidationException"));
    assert_eq!(error.message(), Some("One or more parameter values were invalid: Missing the key pk in the item"));
    let error = dynamodb.get_item().table_name("nothing").key("pk", value("a")).send().await.unwrap_err();
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_signed_is_refused() {
    let running = start(THINGS).await;
    let address = running.stack.addresses().aws_endpoint.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let target = "X-Amz-Target: DynamoDB_20120810.ListTables";
    let head = format!("POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{target}\r\n");
    stream.write_all(format!("{head}Content-Length: 2\r\n\r\n{{}}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("MissingAuthenticationTokenException"), "{answer}");
    running.stop().await;
}

async fn records(running: &Running) -> Vec<Record> {
    let streams = &running.stack.clients().streams;
    let arn = running.stack.addresses().resources.tables["things"].clone().unwrap();
    let description = streams.describe_stream().stream_arn(&arn).send().await.unwrap().stream_description.unwrap();
    assert_eq!(description.stream_arn(), Some(arn.as_str()));
    let shard = &description.shards()[0];
    assert_eq!(shard.sequence_number_range().unwrap().ending_sequence_number(), None, "the shard is open");
    let request = streams.get_shard_iterator().stream_arn(&arn).shard_id(shard.shard_id().unwrap());
    let iterator = request.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let answer = streams.get_records().shard_iterator(iterator.shard_iterator().unwrap()).send().await.unwrap();
    answer.records.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_a_stream_are_of_our_region() {
    let running = start(THINGS).await;
    put(&running, "a").await;
    let records = records(&running).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].event_name(), Some(&OperationType::Insert));
    assert_eq!(records[0].aws_region(), Some("us-east-1"));
    assert!(records[0].user_identity().is_none());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_changes_nothing_leaves_no_record() {
    let running = start(THINGS).await;
    put(&running, "a").await;
    put(&running, "a").await;
    put(&running, "b").await;
    let records = records(&running).await;
    let keys = records.iter().map(|record| record.dynamodb().unwrap().keys().unwrap()["pk"].as_s().unwrap().as_str());
    assert_eq!(keys.collect::<Vec<_>>(), ["a", "b"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_is_deleted_by_the_service() {
    let running = start(THINGS).await;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let request = running.stack.clients().dynamodb.put_item().table_name("things").item("pk", value("a"));
    request.item("expires", AttributeValue::N((now_s - 1).to_string())).send().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let removal = loop {
        let removed = |record: &Record| record.event_name() == Some(&OperationType::Remove);
        if let Some(record) = records(&running).await.into_iter().find(removed) {
            break record;
        }
        assert!(Instant::now() < deadline, "nothing was deleted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let identity = removal.user_identity().expect("an identity");
    assert_eq!((identity.principal_id(), identity.r#type()), (Some("dynamodb.amazonaws.com"), Some("Service")));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_with_the_units_that_they_consume_and_say_so_only_if_they_are_asked() {
    let running = start(THINGS).await;
    let units = |operation: &str| running.stack.statistics()["calls"]["developer"][operation]["units"].as_f64();
    for n in 0..3 {
        let data = value(&"x".repeat(1_500));
        let put = running.stack.clients().dynamodb.put_item().table_name("things").item("pk", value(&n.to_string()));
        let answer = put.item("data", data).send().await.unwrap();
        assert_eq!(answer.consumed_capacity(), None);
    }
    // Each write has 1.5 KB, which is two write units. The eventually consistent read of 4.5 KB is
    // one read unit.
    assert_eq!(units("dynamodb:PutItem"), Some(6.0));
    running.stack.clients().dynamodb.scan().table_name("things").send().await.unwrap();
    assert_eq!(units("dynamodb:Scan"), Some(1.0));
    running.stop().await;
}
