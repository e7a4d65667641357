//! Tests the queues and topics in a folder after their process ended abruptly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::Path;

use local_queues::{Keeper, Service};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::config;
use tempfile::TempDir;

/// Opens a folder like a starting runner. The previous owner has ended or writes no more.
fn open(folder: &Path) -> (Service, Keeper) {
    Service::open(config("http://127.0.0.1:1"), folder).unwrap()
}

fn url(queue: &str) -> String {
    format!("http://127.0.0.1:1/000000000000/{queue}")
}

async fn call(service: &Service, action: &str, request: &Value) -> Value {
    let response = service.handle_sqs(action, request.to_string().into()).await;
    assert!(response.status().is_success(), "{action}: {:?}", response.body());
    serde_json::from_slice(response.body()).unwrap()
}

async fn create(service: &Service, queue: &str, attributes: &[(&str, &str)]) {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    service.create_queue(queue, &attributes.collect()).unwrap();
}

/// Sends each body. In a FIFO queue, each body is its own deduplication id.
async fn send(service: &Service, queue: &str, bodies: &[&str]) {
    for body in bodies {
        let mut message = json!({ "QueueUrl": url(queue), "MessageBody": body });
        if queue.ends_with(".fifo") {
            message["MessageGroupId"] = json!("a");
            message["MessageDeduplicationId"] = json!(body);
        }
        call(service, "SendMessage", &message).await;
    }
}

async fn receive(service: &Service, queue: &str) -> Vec<Value> {
    let request = json!({ "QueueUrl": url(queue), "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"] });
    call(service, "ReceiveMessage", &request).await["Messages"].as_array().cloned().unwrap_or_default()
}

async fn delete(service: &Service, queue: &str, message: &Value) {
    call(service, "DeleteMessage", &json!({ "QueueUrl": url(queue), "ReceiptHandle": message["ReceiptHandle"] })).await;
}

async fn sns(service: &Service, form: &str) -> String {
    let response = service.handle_sns(form.to_owned().into()).await;
    assert!(response.status().is_success(), "{form}: {:?}", response.body());
    String::from_utf8(response.body().to_vec()).unwrap()
}

fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Body"].as_str().unwrap()).collect()
}

fn journal_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let journals = files.filter(|file| file.file_name().to_str().unwrap().ends_with(".journal"));
    journals.map(|file| file.metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_kill() {
    let folder = TempDir::new().unwrap();
    let (service, _keeper) = open(folder.path());
    create(&service, "work.fifo", &[("VisibilityTimeout", "7")]).await;
    send(&service, "work.fifo", &["a1", "a2", "a3"]).await;
    let received = receive(&service, "work.fifo").await;
    delete(&service, "work.fifo", &received[0]).await;

    let (service, _keeper) = open(folder.path());
    send(&service, "work.fifo", &["a1", "a4"]).await;
    let again = receive(&service, "work.fifo").await;
    assert_eq!(bodies(&again), ["a2", "a3", "a4"], "a1 was deleted, and its deduplication id is still taken");
    assert_eq!(again[0]["MessageId"], received[1]["MessageId"]);
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
    let stale = json!({ "QueueUrl": url("work.fifo"), "ReceiptHandle": received[1]["ReceiptHandle"] });
    let stale = service.handle_sqs("DeleteMessage", stale.to_string().into()).await;
    assert!(stale.status().is_client_error(), "receipt handles of another life are no good");
    let attributes = json!({ "QueueUrl": url("work.fifo"), "AttributeNames": ["VisibilityTimeout"] });
    let attributes = call(&service, "GetQueueAttributes", &attributes).await;
    assert_eq!(attributes["Attributes"]["VisibilityTimeout"], "7");
}

#[tokio::test]
async fn purged_configured_tagged_and_deleted_queues_are_so_after_a_kill() {
    let folder = TempDir::new().unwrap();
    let (service, _keeper) = open(folder.path());
    for queue in ["purged", "deleted", "again", "delayed"] {
        create(&service, queue, &[]).await;
    }
    send(&service, "purged", &["old"]).await;
    send(&service, "again", &["old"]).await;
    call(&service, "PurgeQueue", &json!({ "QueueUrl": url("purged") })).await;
    send(&service, "purged", &["new"]).await;
    for queue in ["deleted", "again"] {
        call(&service, "DeleteQueue", &json!({ "QueueUrl": url(queue) })).await;
    }
    create(&service, "again", &[]).await;
    let changed = json!({ "QueueUrl": url("again"), "Attributes": { "VisibilityTimeout": "9" } });
    call(&service, "SetQueueAttributes", &changed).await;
    call(&service, "TagQueue", &json!({ "QueueUrl": url("again"), "Tags": { "team": "rooms", "tier": "1" } })).await;
    call(&service, "UntagQueue", &json!({ "QueueUrl": url("again"), "TagKeys": ["tier"] })).await;
    let later = json!({ "QueueUrl": url("delayed"), "MessageBody": "later", "DelaySeconds": 900 });
    call(&service, "SendMessage", &later).await;

    let (service, _keeper) = open(folder.path());
    let stats = service.stats();
    assert_eq!(stats.queues.keys().collect::<Vec<_>>(), ["again", "delayed", "purged"]);
    assert_eq!(bodies(&receive(&service, "purged").await), ["new"]);
    assert_eq!((stats.queues["again"].visible, stats.queues["delayed"].delayed), (0, 1));
    let attributes = json!({ "QueueUrl": url("again"), "AttributeNames": ["All"] });
    let attributes = call(&service, "GetQueueAttributes", &attributes).await;
    assert_eq!(attributes["Attributes"]["VisibilityTimeout"], "9");
    let tags = call(&service, "ListQueueTags", &json!({ "QueueUrl": url("again") })).await;
    assert_eq!(tags["Tags"], json!({ "team": "rooms" }));
}

#[tokio::test]
async fn dead_letters_and_moved_messages_are_where_they_went_after_a_kill() {
    let folder = TempDir::new().unwrap();
    let (service, _keeper) = open(folder.path());
    create(&service, "dead.fifo", &[]).await;
    let dead_arn = "arn:aws:sqs:us-east-1:000000000000:dead.fifo";
    let policy = format!(r#"{{"deadLetterTargetArn":"{dead_arn}","maxReceiveCount":1}}"#);
    create(&service, "work.fifo", &[("RedrivePolicy", &policy), ("VisibilityTimeout", "0")]).await;
    send(&service, "work.fifo", &["poison"]).await;
    assert_eq!(receive(&service, "work.fifo").await.len(), 1);
    assert!(receive(&service, "work.fifo").await.is_empty());

    let (service, _keeper) = open(folder.path());
    let stats = service.stats();
    assert_eq!((stats.queues["work.fifo"].visible, stats.queues["dead.fifo"].visible), (0, 1));
    call(&service, "StartMessageMoveTask", &json!({ "SourceArn": dead_arn })).await;

    let (service, _keeper) = open(folder.path());
    let stats = service.stats();
    assert_eq!((stats.queues["work.fifo"].visible, stats.queues["dead.fifo"].visible), (1, 0));
    assert_eq!(receive(&service, "work.fifo").await[0]["Attributes"]["ApproximateReceiveCount"], "1");
}

#[tokio::test]
async fn topics_subscriptions_and_what_they_deduplicate_are_there_after_a_kill() {
    const NEWS: &str = "arn:aws:sns:us-east-1:000000000000:news.fifo";
    const READER: &str = "arn:aws:sqs:us-east-1:000000000000:reader.fifo";
    let folder = TempDir::new().unwrap();
    let (service, _keeper) = open(folder.path());
    create(&service, "reader.fifo", &[]).await;
    let topic = BTreeMap::from([("FifoTopic".to_owned(), "true".to_owned())]);
    service.create_topic("news.fifo", &topic).unwrap();
    service.create_topic("gone", &BTreeMap::new()).unwrap();
    let subscribe = format!(
        "Action=Subscribe&TopicArn={NEWS}&Protocol=sqs&Endpoint={READER}&Attributes.entry.1.key=RawMessageDelivery\
         &Attributes.entry.1.value=true"
    );
    sns(&service, &subscribe).await;
    sns(&service, "Action=DeleteTopic&TopicArn=arn:aws:sns:us-east-1:000000000000:gone").await;
    let tag = format!("Action=TagResource&ResourceArn={NEWS}&Tags.member.1.Key=team&Tags.member.1.Value=rooms");
    sns(&service, &tag).await;
    let publish =
        |id: &str| format!("Action=Publish&TopicArn={NEWS}&Message={id}&MessageGroupId=a&MessageDeduplicationId={id}");
    let first = sns(&service, &publish("one")).await;

    let (service, _keeper) = open(folder.path());
    assert_eq!(service.stats().topics.keys().collect::<Vec<_>>(), ["news.fifo"]);
    let id = |answer: &str| answer.split("<MessageId>").nth(1).unwrap()[..36].to_owned();
    let number = |answer: &str| answer.split("<SequenceNumber>").nth(1).unwrap()[..20].to_owned();
    let again = sns(&service, &publish("one")).await;
    assert_eq!((id(&again), number(&again)), (id(&first), number(&first)));
    let second = sns(&service, &publish("two")).await;
    assert!(number(&second) > number(&first));
    assert_eq!(bodies(&receive(&service, "reader.fifo").await), ["one", "two"]);
    let tags = sns(&service, &format!("Action=ListTagsForResource&ResourceArn={NEWS}")).await;
    assert!(tags.contains("<Key>team</Key><Value>rooms</Value>"), "{tags}");
}

#[tokio::test]
async fn a_torn_last_line_is_what_nobody_was_told_of() {
    let folder = TempDir::new().unwrap();
    let (service, _keeper) = open(folder.path());
    create(&service, "work", &[]).await;
    send(&service, "work", &["whole", "torn"]).await;
    let journal = folder.path().join("messages.2.journal");
    let length = std::fs::metadata(&journal).unwrap().len();
    OpenOptions::new().write(true).open(&journal).unwrap().set_len(length - 3).unwrap();
    let (service, _keeper) = open(folder.path());
    assert_eq!(bodies(&receive(&service, "work").await), ["whole"]);
}

#[tokio::test]
async fn a_long_history_of_a_short_queue_takes_little_room() {
    const MEBIBYTE: u64 = 1024 * 1024;
    let folder = TempDir::new().unwrap();
    let (service, keeper) = open(folder.path());
    create(&service, "work", &[]).await;
    let body = "x".repeat(512 * 1024);
    for round in 0..64 {
        send(&service, "work", &[&body]).await;
        let received = receive(&service, "work").await;
        if round < 63 {
            delete(&service, "work", &received[0]).await;
        }
        // A runner does this in a separate task.
        if tokio::time::timeout(std::time::Duration::ZERO, keeper.due()).await.is_ok() {
            keeper.compact().unwrap();
        }
        assert!(journal_bytes(folder.path()) < 9 * MEBIBYTE, "after {round} rounds");
    }
    keeper.compact().unwrap();
    assert_eq!(journal_bytes(folder.path()), 0);
    let (service, _keeper) = open(folder.path());
    assert_eq!(service.stats().queues["work"].visible, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_while_everything_is_written_anew() {
    const MESSAGES: u64 = 2_000;
    let folder = TempDir::new().unwrap();
    let (service, keeper) = open(folder.path());
    create(&service, "work.fifo", &[]).await;
    let writing = tokio::spawn({
        let service = service.clone();
        async move {
            for number in 0..MESSAGES {
                send(&service, "work.fifo", &[&number.to_string()]).await;
                if number % 3 == 0 {
                    let received = receive(&service, "work.fifo").await;
                    delete(&service, "work.fifo", &received[0]).await;
                    for message in &received[1..] {
                        let give_back = json!({ "QueueUrl": url("work.fifo"), "VisibilityTimeout": 0,
                            "ReceiptHandle": message["ReceiptHandle"] });
                        call(&service, "ChangeMessageVisibility", &give_back).await;
                    }
                }
            }
        }
    });
    while !writing.is_finished() {
        keeper.compact().unwrap();
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    let (restored, _keeper) = open(folder.path());
    let expected: Vec<String> = (MESSAGES.div_ceil(3)..MESSAGES).map(|number| number.to_string()).collect();
    let mut found = Vec::new();
    while found.len() < expected.len() {
        let received = receive(&restored, "work.fifo").await;
        assert!(!received.is_empty(), "{} of {}", found.len(), expected.len());
        for message in &received {
            found.push(message["Body"].as_str().unwrap().to_owned());
            delete(&restored, "work.fifo", message).await;
        }
    }
    assert_eq!(found, expected);
    assert_eq!(restored.stats().queues["work.fifo"].visible, 0);
}

#[test]
fn what_cannot_be_read_is_refused_with_the_name_of_its_file() {
    let refused = |name: &str, text: &str| {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let error = Service::open(config("http://127.0.0.1:1"), folder.path()).unwrap_err().to_string();
        assert!(error.contains(folder.path().join(name).to_str().unwrap()), "{error}");
        error
    };
    assert!(refused("messages.json", "{").contains("cannot be read"));
    assert!(refused("messages.json", r#"{"version":1,"queues":[],"topics":[]}"#).contains("has version 1, and 2"));
    assert!(refused("messages.7.journal", "nonsense\n").contains("cannot be read"));
    let nowhere = Service::open(config("http://127.0.0.1:1"), Path::new("/proc/none")).unwrap_err().to_string();
    assert!(nowhere.contains("/proc/none"), "{nowhere}");
}

/// One step of a random test. Indices select one of the messages in flight.
#[derive(Debug, Clone)]
enum Step {
    Send { queue: usize },
    Receive { queue: usize },
    Delete { which: usize },
    Purge { queue: usize },
    Recreate { queue: usize },
    Compact,
    Kill,
}

const QUEUES: [&str; 2] = ["one.fifo", "two"];

fn step() -> impl Strategy<Value = Step> {
    let queue = 0..QUEUES.len();
    prop_oneof![
        6 => queue.clone().prop_map(|queue| Step::Send { queue }),
        4 => queue.clone().prop_map(|queue| Step::Receive { queue }),
        5 => any::<usize>().prop_map(|which| Step::Delete { which }),
        1 => queue.clone().prop_map(|queue| Step::Purge { queue }),
        1 => queue.prop_map(|queue| Step::Recreate { queue }),
        1 => Just(Step::Compact),
        2 => Just(Step::Kill),
    ]
}

struct Run {
    folder: TempDir,
    service: Service,
    keeper: Keeper,
    /// Bodies that were sent and not deleted, by queue.
    there: [Vec<String>; 2],
    in_flight: Vec<(usize, Value)>,
    sent: u32,
}

impl Run {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (service, keeper) = open(folder.path());
        for queue in QUEUES {
            create(&service, queue, &[]).await;
        }
        Self { folder, service, keeper, there: Default::default(), in_flight: Vec::new(), sent: 0 }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Send { queue } => {
                let body = self.sent.to_string();
                self.sent += 1;
                send(&self.service, QUEUES[queue], &[&body]).await;
                self.there[queue].push(body);
            }
            Step::Receive { queue } => {
                let received = receive(&self.service, QUEUES[queue]).await;
                self.in_flight.extend(received.into_iter().map(|message| (queue, message)));
            }
            Step::Delete { which } if !self.in_flight.is_empty() => {
                let (queue, message) = self.in_flight.swap_remove(which % self.in_flight.len());
                delete(&self.service, QUEUES[queue], &message).await;
                self.there[queue].retain(|body| *body != message["Body"]);
            }
            Step::Delete { .. } => {}
            Step::Purge { queue } => {
                let request = json!({ "QueueUrl": url(QUEUES[queue]) }).to_string();
                if self.service.handle_sqs("PurgeQueue", request.into()).await.status().is_success() {
                    self.empty(queue);
                }
            }
            Step::Recreate { queue } => {
                call(&self.service, "DeleteQueue", &json!({ "QueueUrl": url(QUEUES[queue]) })).await;
                create(&self.service, QUEUES[queue], &[]).await;
                self.empty(queue);
            }
            Step::Compact => self.keeper.compact().unwrap(),
            Step::Kill => {
                (self.service, self.keeper) = open(self.folder.path());
                self.in_flight.clear();
                self.compare();
            }
        }
    }

    fn empty(&mut self, queue: usize) {
        self.there[queue].clear();
        self.in_flight.retain(|(of, _)| *of != queue);
    }

    fn compare(&self) {
        let stats = self.service.stats();
        let counted = QUEUES.map(|queue| stats.queues[queue].visible);
        assert_eq!(counted, self.there.each_ref().map(Vec::len));
    }

    /// Kills once more, and checks that every message is received in order.
    async fn finish(mut self) {
        self.step(Step::Kill).await;
        for (queue, there) in QUEUES.into_iter().zip(&self.there) {
            let mut found = Vec::new();
            loop {
                let received = receive(&self.service, queue).await;
                if received.is_empty() {
                    break;
                }
                for message in &received {
                    found.push(message["Body"].as_str().unwrap().to_owned());
                    delete(&self.service, queue, message).await;
                }
            }
            assert_eq!(&found, there);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_number_of_kills_loses_nothing_that_was_answered(steps in vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in steps {
                run.step(step).await;
            }
            run.finish().await;
        });
    }
}
