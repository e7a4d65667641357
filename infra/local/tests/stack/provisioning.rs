//! Tests that the resources of the topology exist with its settings after every start.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use aws_sdk_dynamodb::types::{ProjectionType, StreamViewType, TimeToLiveStatus};
use aws_sdk_sqs::types::QueueAttributeName;

use crate::harness::{start, start_with};

const EVERYTHING: &str = "
functions: {}
queues:
  work:
    fifo: true
    high_throughput: true
    visibility_timeout_s: 42
    dead_letter: { queue: work-dead, maximum_receive_count: 7 }
  work-dead: { fifo: true, retention_s: 1209600 }
  inbox: { delay_s: 0 }
topics:
  news:
    subscriptions:
      - { queue: inbox, raw: true, filter_policy: { kind: [good] } }
tables:
  things:
    partition_key: { name: pk, type: S }
    sort_key: { name: sk, type: 'N' }
    indexes:
      by_kind:
        partition_key: { name: kind, type: S }
        projection: { include: [size] }
    stream: new_and_old_images
    ttl: expires
";

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_their_keys_indexes_stream_and_expiry() {
    let running = start(EVERYTHING).await;
    let dynamodb = &running.stack.clients().dynamodb;
    let table = dynamodb.describe_table().table_name("things").send().await.unwrap().table.unwrap();
    let keys: Vec<&str> = table.key_schema().iter().map(|key| key.attribute_name()).collect();
    assert_eq!(keys, ["pk", "sk"]);
    assert_eq!(table.table_arn(), Some("arn:aws:dynamodb:us-east-1:000000000000:table/things"));
    let index = &table.global_secondary_indexes()[0];
    let projection = index.projection().unwrap();
    assert_eq!(index.index_name(), Some("by_kind"));
    assert_eq!(projection.projection_type(), Some(&ProjectionType::Include));
    assert_eq!(projection.non_key_attributes(), ["size"]);
    let stream = table.stream_specification().unwrap();
    assert_eq!(stream.stream_view_type(), Some(&StreamViewType::NewAndOldImages));
    let arn = running.stack.addresses().resources.tables["things"].clone().unwrap();
    assert!(arn.starts_with("arn:aws:dynamodb:us-east-1:000000000000:table/things/stream/"), "{arn}");
    let expiry = dynamodb.describe_time_to_live().table_name("things").send().await.unwrap();
    let expiry = expiry.time_to_live_description.unwrap();
    assert_eq!(expiry.attribute_name(), Some("expires"));
    assert_eq!(expiry.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_have_their_attributes_and_dead_letter_queues() {
    let running = start(EVERYTHING).await;
    let queues = &running.stack.addresses().resources.queues;
    let request = running.stack.clients().sqs.get_queue_attributes().queue_url(&queues["work"].url);
    let attributes = request.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
    let value = |name: QueueAttributeName| attributes.get(&name).map(String::as_str);
    assert_eq!(value(QueueAttributeName::QueueArn), Some("arn:aws:sqs:us-east-1:000000000000:work.fifo"));
    assert_eq!(value(QueueAttributeName::FifoQueue), Some("true"));
    assert_eq!(value(QueueAttributeName::FifoThroughputLimit), Some("perMessageGroupId"));
    assert_eq!(value(QueueAttributeName::VisibilityTimeout), Some("42"));
    let redrive: serde_json::Value = serde_json::from_str(value(QueueAttributeName::RedrivePolicy).unwrap()).unwrap();
    assert_eq!(redrive["deadLetterTargetArn"], queues["work-dead"].arn.as_str());
    assert_eq!(redrive["maxReceiveCount"].to_string().trim_matches('"'), "7");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_deliver_to_their_subscribers_what_the_filter_lets_through() {
    let running = start(EVERYTHING).await;
    let (clients, resources) = (running.stack.clients(), &running.stack.addresses().resources);
    assert_eq!(resources.topics["news"], "arn:aws:sns:us-east-1:000000000000:news");
    for kind in ["bad", "good"] {
        let value = aws_sdk_sns::types::MessageAttributeValue::builder().data_type("String").string_value(kind).build();
        let request = clients.sns.publish().topic_arn(&resources.topics["news"]).message(format!("{kind} news"));
        request.message_attributes("kind", value.unwrap()).send().await.unwrap();
    }
    let request = clients.sqs.receive_message().queue_url(&resources.queues["inbox"].url).wait_time_seconds(5);
    let received = request.max_number_of_messages(10).send().await.unwrap();
    let bodies: Vec<&str> = received.messages().iter().filter_map(|message| message.body()).collect();
    assert_eq!(bodies, ["good news"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_endpoint_is_used_instead_and_what_exists_there_is_kept() {
    let first = start(EVERYTHING).await;
    let url = first.stack.addresses().aws_endpoint.clone();
    for _ in 0..2 {
        let second = start_with(EVERYTHING, |options| options.aws_endpoint = Some(url.clone())).await.unwrap();
        assert_eq!(second.stack.addresses().aws_endpoint, url);
        assert_eq!(second.stack.addresses().resources, first.stack.addresses().resources);
        second.stop().await;
    }
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_answer_is_named() {
    let nowhere = "http://127.0.0.1:9".to_owned();
    let error = start_with(EVERYTHING, |options| options.aws_endpoint = Some(nowhere)).await.err().unwrap();
    let sentence = error.to_string();
    assert!(sentence.starts_with("cannot ") && sentence.contains(" at http://127.0.0.1:9: "), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_other_keys_is_refused_with_what_would_help() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let kept = |options: &mut local::Options| options.data = Some(data.clone());
    start_with(EVERYTHING, kept).await.unwrap().stop().await;
    let changed = EVERYTHING.replace("sort_key: { name: sk, type: 'N' }", "sort_key: { name: position, type: 'N' }");
    let sentence = start_with(&changed, kept).await.err().unwrap().to_string();
    assert!(sentence.contains("the table `things`"), "{sentence}");
    assert!(sentence.contains("exists with the index by_kind on kind, the keys pk and sk"), "{sentence}");
    assert!(sentence.contains("delete the table (or the folder given by --data)"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_outlive_a_stack_that_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let kept = |options: &mut local::Options| options.data = Some(data.clone());
    let first = start_with(EVERYTHING, kept).await.unwrap();
    let url = first.stack.addresses().resources.queues["work"].url.clone();
    let send = first.stack.clients().sqs.send_message().queue_url(url).message_body("hello");
    send.message_group_id("a").message_deduplication_id("1").send().await.unwrap();
    first.stop().await;
    let second = start_with(EVERYTHING, kept).await.unwrap();
    let url = second.stack.addresses().resources.queues["work"].url.clone();
    let received =
        second.stack.clients().sqs.receive_message().queue_url(url).wait_time_seconds(5).send().await.unwrap();
    assert_eq!(received.messages()[0].body(), Some("hello"));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for existed in [false, true] {
        if existed {
            std::fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
        }
        let kept = |options: &mut local::Options| options.data = Some(data.clone());
        let running = start_with(EVERYTHING, kept).await.unwrap();
        let mode = std::fs::metadata(&data).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{mode:o}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_belongs_to_one_stack_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let kept = |options: &mut local::Options| options.data = Some(data.clone());
    let first = start_with(EVERYTHING, kept).await.unwrap();
    let sentence = start_with(EVERYTHING, kept).await.err().unwrap().to_string();
    assert!(sentence.contains("another runner uses it"), "{sentence}");
    first.stop().await;
    start_with(EVERYTHING, kept).await.unwrap().stop().await;
}
