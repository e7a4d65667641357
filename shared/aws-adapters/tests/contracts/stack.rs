//! The tables and queues of `infra/topology.yaml`, and nothing that reads from them.

use std::path::Path;
use std::time::Duration;

use aws_adapters::{Account, Queues, Tables};
use domain::ports::Receipt;
use domain::{Job, Line, Submission};
use lambda_kit::SystemClock;
use local::{Options, Stack};
use protocol::queue::decode;
use serde::de::DeserializeOwned;
use testkit::contracts::{QueuesFixture, StoreFixture, Taken};

/// Tables and queues of one test.
pub(crate) struct Embedded {
    stack: Stack,
    tables: Tables,
    queues: Queues,
    _folder: tempfile::TempDir,
}

pub(crate) async fn start() -> Embedded {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("infra/topology.yaml")).unwrap();
    let (_, rest) = text.split_once("\nqueues:\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("topology.yaml");
    std::fs::write(&file, format!("version: 1\nname: contracts\nfunctions: {{}}\nqueues:\n{rest}")).unwrap();
    let stack = Stack::start(Options::for_tests(file, folder.path())).await.unwrap();
    let variables = stack.variables();
    let account = Account::from_environment(|name| variables.get(name).cloned()).unwrap();
    let url = |name: &str| stack.addresses().resources.queues[name].url.clone();
    let [publications, narrow, wide] = ["publications", "deliveries", "deliveries-wide"].map(url);
    let queues = Queues::new(&account)
        .with_publications(publications.clone())
        .with_deliveries(narrow.clone(), wide.clone())
        .with_own(vec![publications, narrow, wide]);
    let tables = Tables::new(&account, "connections", "rooms");
    Embedded { stack, tables, queues, _folder: folder }
}

impl Embedded {
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

impl StoreFixture for Embedded {
    type Store = Tables;
    type Clock = SystemClock;

    fn store(&self) -> &Tables {
        &self.tables
    }

    fn clock(&self) -> &SystemClock {
        &SystemClock
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
