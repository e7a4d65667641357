//! The tables and queues of `infra/topology.yaml`, without functions that read from them.

use std::path::Path;
use std::time::Duration;

use aws_adapters::{Account, Queues, Tables, Topics};
use aws_sdk_sqs::types::Message;
use domain::ports::Receipt;
use domain::{Activity, Check, Generation, Job, Line, RoomId, Submission};
use lambda_kit::SystemClock;
use local::{Options, Stack};
use protocol::queue::decode;
use serde::de::DeserializeOwned;
use testkit::contracts::{ChecksFixture, QueuesFixture, StoreFixture, Taken, Told, TopicFixture};

/// The topic, with a subscriber to all messages.
const WITNESSED: &str = "\n  activity: { subscriptions: [{ queue: witness, raw: true }] }\n";

/// Tables and queues of one test.
pub(crate) struct Embedded {
    stack: Stack,
    tables: Tables,
    queues: Queues,
    topics: Topics,
    _folder: tempfile::TempDir,
}

pub(crate) async fn start() -> Embedded {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("infra/topology.yaml")).unwrap();
    let (_, rest) = text.split_once("\nqueues:\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("topology.yaml");
    // A queue that receives all messages of the topic.
    let rest = rest.replace("\n  activity: {}\n", WITNESSED).replacen("", "  witness: {}\n", 1);
    std::fs::write(&file, format!("version: 1\nname: contracts\nfunctions: {{}}\nqueues:\n{rest}")).unwrap();
    let stack = Stack::start(Options::for_tests(file, folder.path())).await.unwrap();
    let variables = stack.variables();
    let account = Account::from_environment(|name| variables.get(name).cloned()).unwrap();
    let url = |name: &str| stack.addresses().resources.queues[name].url.clone();
    let [publications, held, narrow, wide, presence] =
        ["publications", "publications-held", "deliveries", "deliveries-wide", "presence"].map(url);
    let queues = Queues::new(&account)
        .with_publications(publications.clone())
        .with_publications_held(held.clone())
        .with_deliveries(narrow.clone(), wide.clone())
        .with_checks(presence)
        .with_own(vec![publications, held, narrow, wide]);
    let tables = Tables::new(&account, "connections", "rooms");
    let topics = Topics::new(&account, stack.addresses().resources.topics["activity"].clone());
    Embedded { stack, tables, queues, topics, _folder: folder }
}

impl Embedded {
    /// Receives messages of a standard queue, and deletes them.
    async fn receive(&self, queue: &str) -> Vec<Message> {
        let (sqs, url) = (&self.stack.clients().sqs, &self.stack.addresses().resources.queues[queue].url);
        let call = sqs.receive_message().queue_url(url).max_number_of_messages(10).message_attribute_names("All");
        let messages = call.send().await.unwrap().messages.unwrap_or_default();
        for message in &messages {
            let call = sqs.delete_message().queue_url(url).receipt_handle(message.receipt_handle.as_ref().unwrap());
            call.send().await.unwrap();
        }
        messages
    }

    async fn take<T: DeserializeOwned>(&self, queue: &str) -> Vec<Taken<T>> {
        let url = &self.stack.addresses().resources.queues[queue].url;
        let call = self.stack.clients().sqs.receive_message().queue_url(url).max_number_of_messages(10);
        let call = call.message_system_attribute_names("MessageGroupId".into());
        let messages = call.send().await.unwrap().messages.unwrap_or_default();
        let name = url.rsplit('/').next().unwrap();
        messages
            .into_iter()
            .map(|message| Taken {
                receipt: Receipt { queue: name.to_owned(), handle: message.receipt_handle.unwrap() },
                group: message.attributes.unwrap()[&"MessageGroupId".into()].clone(),
                body: decode(&message.body.unwrap()).unwrap(),
            })
            .collect()
    }
}

impl ChecksFixture for Embedded {
    type Checks = Queues;
    type Clock = SystemClock;

    fn checks(&self) -> &Queues {
        &self.queues
    }

    fn clock(&self) -> &SystemClock {
        &SystemClock
    }

    async fn take_checks(&self) -> Vec<Check> {
        let messages = self.receive("presence").await;
        messages.into_iter().map(|message| decode(&message.body.unwrap()).unwrap()).collect()
    }
}

impl TopicFixture for Embedded {
    type Topic = Topics;
    type Clock = SystemClock;

    fn topic(&self) -> &Topics {
        &self.topics
    }

    fn clock(&self) -> &SystemClock {
        &SystemClock
    }

    async fn take_told(&self) -> Vec<Told> {
        let told = |message: Message| {
            let attributes = message.message_attributes.unwrap_or_default().into_iter();
            let activity: Activity = decode(&message.body.unwrap()).unwrap();
            Told { activity, attributes: attributes.map(|(name, value)| (name, value.string_value.unwrap())).collect() }
        };
        self.receive("witness").await.into_iter().map(told).collect()
    }
}

impl StoreFixture for Embedded {
    type Store = Tables;
    type Clock = SystemClock;

    fn store(&self) -> &Tables {
        &self.tables
    }

    fn clock(&self) -> &SystemClock {
        &SystemClock
    }

    fn in_generation(&self, generation: Generation) -> Tables {
        self.tables.clone().in_generation(generation)
    }

    async fn remove_head(&self, room: &RoomId) {
        let delete = self.stack.clients().dynamodb.delete_item().table_name("rooms");
        let key = |name: &str, value: String| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(value));
        let key = [key("pk", format!("HEAD#{room}")), key("sk", "HEAD".to_owned())].into();
        delete.set_key(Some(key)).send().await.unwrap();
    }
}

impl QueuesFixture for Embedded {
    type Queues = Queues;
    type Clock = SystemClock;

    fn queues(&self) -> &Queues {
        &self.queues
    }

    fn clock(&self) -> &SystemClock {
        &SystemClock
    }

    fn visibility(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn take_submissions(&self) -> Vec<Taken<Submission>> {
        self.take("publications").await
    }

    async fn take_held(&self) -> Vec<Taken<Submission>> {
        self.take("publications-held").await
    }

    async fn take_jobs(&self, line: Line) -> Vec<Taken<Job>> {
        self.take(if line == Line::Narrow { "deliveries" } else { "deliveries-wide" }).await
    }

    async fn finish(&self, receipt: &Receipt) {
        let queues = &self.stack.addresses().resources.queues;
        let url = queues.values().map(|queue| &queue.url).find(|url| url.ends_with(&format!("/{}", receipt.queue)));
        let call = self.stack.clients().sqs.delete_message().queue_url(url.unwrap()).receipt_handle(&receipt.handle);
        call.send().await.unwrap();
    }
}
