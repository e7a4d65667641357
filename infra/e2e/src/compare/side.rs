//! The two sides. Each has its own stack.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use local::options::Logs;
use local::{Options, Stack};
use serde_json::{Value, json};

use super::audience::Audience;
use super::measure::{Sample, Used};
use crate::stack::{aws, binaries};

/// Timeout of a broadcast. It is longer than a function behind a route may run, so later members
/// are never reached.
const WITHIN: Duration = Duration::from_secs(32);
/// Pause after a broadcast. Functions still write after the last member has it, and the account's
/// bucket of posts refills.
const SETTLES: Duration = Duration::from_millis(1_500);
/// Most requests in one `BatchWriteItem`.
const WRITES_PER_BATCH: usize = 25;

/// The way in which a broadcast is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Roomcast, as the local stack runs it.
    Roomcast,
    /// The recipe: a scan, then one post after the other.
    OneAfterTheOther,
    /// A variant of the recipe: a scan, then all posts at once.
    AtOnce,
}

impl Way {
    const ALL: [Self; 3] = [Self::Roomcast, Self::OneAfterTheOther, Self::AtOnce];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Roomcast => "roomcast",
            Self::OneAfterTheOther => "one after the other",
            Self::AtOnce => "all at once",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|way| way.name() == name).unwrap()
    }
}

/// A stack and its WebSocket URL.
pub(crate) struct Side {
    stack: Stack,
    pub(crate) url: String,
    is_recipe: bool,
}

impl Side {
    pub(crate) async fn roomcast(latency: Duration) -> Self {
        Self::start("infra/topology.yaml", latency, false).await
    }

    pub(crate) async fn recipe(latency: Duration) -> Self {
        Self::start("loadtest/baseline/topology.yaml", latency, true).await
    }

    async fn start(topology: &str, latency: Duration, is_recipe: bool) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut options = Options {
            websocket_port: 0,
            aws_port: 0,
            logs: Logs::Quiet,
            ..Options::new(root.join(topology), binaries())
        };
        options.limits.call_latency = latency;
        options.limits.account_rate = None;
        let stack = Stack::start(options).await.expect("a stack");
        let url = stack.addresses().websocket.as_ref().expect("a WebSocket API").ws_url.clone();
        let url = if is_recipe { format!("{url}?room=") } else { url };
        Self { stack, url, is_recipe }
    }

    /// Makes one broadcast and returns its costs.
    pub(crate) async fn broadcast(&self, way: Way, audience: &mut Audience) -> Sample {
        let before = Used::by_now(&self.stack);
        let (last, reached) = audience.broadcast(request_of(way), WITHIN).await;
        tokio::time::sleep(SETTLES).await;
        let (cpu, read_units) = Used::by_now(&self.stack).since(&before);
        Sample { last, reached, cpu, read_units }
    }

    /// Adds connections of other rooms to the table.
    pub(crate) async fn crowd(&self, numbers: Range<usize>) {
        let dynamodb = aws(&self.stack).dynamodb;
        let name = if self.is_recipe {
            "connections".to_owned()
        } else {
            self.stack.variables()["ROOMCAST_CONNECTIONS_TABLE"].clone()
        };
        let items: Vec<_> = numbers.map(|n| if self.is_recipe { recipes(n) } else { ours(n) }).collect();
        for items in items.chunks(WRITES_PER_BATCH) {
            let put = |item: &HashMap<String, AttributeValue>| {
                let put = PutRequest::builder().set_item(Some(item.clone())).build().expect("an item");
                WriteRequest::builder().put_request(put).build()
            };
            let writes = items.iter().map(put).collect::<Vec<_>>();
            dynamodb.batch_write_item().request_items(&name, writes).send().await.expect("a batch");
        }
        self.until_quiet().await;
    }

    /// Waits until the streams are processed.
    async fn until_quiet(&self) {
        let mut before = Value::Null;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let numbers = self.stack.statistics();
            let now = json!([numbers["triggers"], numbers["functions"]]);
            if now == before {
                return;
            }
            before = now;
        }
    }

    pub(crate) async fn stop(self) {
        self.stack.shutdown().await;
    }
}

fn request_of(way: Way) -> fn(u64) -> Value {
    match way {
        Way::Roomcast => {
            |mark| json!({ "action": "publish", "id": mark, "room": "lobby", "pid": format!("p{mark}"), "data": { "mark": mark } })
        }
        Way::OneAfterTheOther => {
            |mark| json!({ "action": "sendMessage", "room": "lobby", "message": { "mark": mark } })
        }
        Way::AtOnce => |mark| json!({ "action": "sendMessageAtOnce", "room": "lobby", "message": { "mark": mark } }),
    }
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn recipes(n: usize) -> HashMap<String, AttributeValue> {
    HashMap::from([("connectionId".to_owned(), text(format!("crowd{n:08}="))), ("room".to_owned(), text("elsewhere"))])
}

/// Returns a membership of another room in its stored form.
fn ours(n: usize) -> HashMap<String, AttributeValue> {
    let id = format!("crowd{n:08}=");
    HashMap::from([
        ("pk".to_owned(), text(format!("CONN#{id}"))),
        ("sk".to_owned(), text("ROOM#elsewhere")),
        ("room_shard".to_owned(), text(format!("ROOM#elsewhere#{}", n / 500))),
        ("connection".to_owned(), text(id)),
        ("user".to_owned(), text("somebody")),
        ("endpoint".to_owned(), text("https://abcdef123.execute-api.us-east-1.amazonaws.com/prod")),
        ("connected_at".to_owned(), AttributeValue::N("1764000000000".to_owned())),
        ("format".to_owned(), text("rooms.v1")),
    ])
}
