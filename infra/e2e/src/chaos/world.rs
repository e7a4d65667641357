//! The stack under faults, and the state of its tables and queues.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_adapters::Tables;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::Rooms;
use domain::{PublicationId, Range, RoomId, Sequence, Timestamp};
use local::options::Logs;
use local::{Options, Stack};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::Plan;
use super::ledger::{Finding, Truth};
use super::turmoil::Turmoil;
use crate::stack::{aws, binaries, tables, topology_with};

/// Shorter times, so that a killed function's messages are received again soon. Functions may take
/// 2 s, and messages are hidden for six times that, as the rule demands.
const SCALED: [(&str, &str); 4] = [
    ("\n    timeout_s: 5\n", "\n    timeout_s: 2\n"),
    ("\n    timeout_s: 10\n", "\n    timeout_s: 2\n"),
    ("visibility_timeout_s: 30\n", "visibility_timeout_s: 12\n"),
    ("visibility_timeout_s: 60\n", "visibility_timeout_s: 12\n"),
];
/// How long ghosts may exist. A connection counts as a ghost only 30 s after its handshake
/// (`NOT_READY`); the next post then removes it.
const GHOSTS_GONE_WITHIN: Duration = Duration::from_secs(75);
/// Interval of publications to all connections.
const CALL_EVERY: Duration = Duration::from_secs(3);
/// Rows in one read.
const PAGE: usize = 500;

/// A stack with shorter times.
pub(super) struct World {
    pub(super) stack: Stack,
    pub(super) url: String,
    tables: Tables,
    _topology: TempDir,
}

impl World {
    pub(super) async fn start(plan: &Plan) -> Self {
        let topology = topology_with(&SCALED);
        let mut options = Options::for_tests(topology.path().join("topology.yaml"), binaries());
        options.logs = Logs::Silent;
        options.fault_seed = plan.seed;
        if let Some(file) = &plan.log {
            let (listener, mut lines) = mpsc::unbounded_channel::<local::options::Line>();
            let mut file = tokio::fs::File::create(file).await.unwrap();
            tokio::spawn(async move {
                while let Some(line) = lines.recv().await {
                    let text = format!("{} {}\n", line.function, line.text);
                    file.write_all(text.as_bytes()).await.unwrap();
                }
            });
            options.listener = Some(listener);
        }
        let (stack, url) = crate::stack::start(options).await;
        let tables = tables(&stack);
        Self { stack, url, tables, _topology: topology }
    }

    /// Returns the address of the gateway.
    pub(super) fn gateway(&self) -> SocketAddr {
        let rest = self.url.trim_start_matches("ws://");
        rest.split('/').next().unwrap_or_default().parse().unwrap()
    }

    pub(super) async fn stop(self) {
        self.stack.shutdown().await;
    }

    /// Returns whether all queues of rooms are empty, except dead-letter queues.
    pub(super) fn is_quiet(&self) -> bool {
        let left = |queue: &serde_json::Value| {
            ["visible", "in_flight", "delayed"].iter().filter_map(|state| queue[state].as_u64()).sum::<u64>()
        };
        self.queues().iter().filter(|(name, _)| is_of_rooms(name)).all(|(_, queue)| left(queue) == 0)
    }

    /// Returns a finding for each dead-letter queue that has messages.
    pub(super) fn dead_letters(&self) -> Vec<Finding> {
        let queues = self.queues();
        let dead = queues.iter().filter(|(name, _)| name.contains("-dead"));
        let counted = dead.map(|(name, queue)| (name, queue["visible"].as_u64().unwrap_or(0)));
        let some = counted.filter(|(_, count)| *count > 0);
        some.map(|(name, count)| Finding(format!("{count} messages ended in {name}"))).collect()
    }

    fn queues(&self) -> serde_json::Map<String, serde_json::Value> {
        let statistics = self.stack.statistics();
        statistics["messaging"]["queues"].as_object().cloned().unwrap_or_default()
    }

    /// Returns the position of each room.
    pub(super) async fn heads(&self, rooms: &[RoomId]) -> BTreeMap<RoomId, u64> {
        let heads = self.tables.heads(rooms).await.unwrap();
        heads.into_iter().map(|(room, head)| (room, head.position().sequence.get())).collect()
    }

    /// Returns every log, read from its first row.
    pub(super) async fn truth(&self, rooms: &[RoomId]) -> Truth {
        let mut truth = Truth::new();
        for room in rooms {
            truth.insert(room.clone(), self.log(room).await);
        }
        truth
    }

    async fn log(&self, room: &RoomId) -> Vec<PublicationId> {
        let Some(head) = self.tables.head(room).await.unwrap().map(|head| head.position()) else { return Vec::new() };
        let mut log = Vec::new();
        while (log.len() as u64) < head.sequence.get() {
            let after = Sequence::new(log.len() as u64);
            let range = Range { epoch: head.epoch.clone(), after, through: head.sequence };
            let rows = self.tables.log(room, &range, PAGE, now()).await.unwrap();
            assert!(!rows.is_empty(), "the log of {room} ends before its head");
            for row in rows {
                log.push(row.id.clone());
                assert_eq!(row.position.sequence.get(), log.len() as u64, "the log of {room} has a gap");
            }
        }
        log
    }

    /// Publishes to all connections until every closed connection was removed by a 410. Returns
    /// those that were not removed.
    pub(super) async fn without_ghosts(&self, turmoil: &Turmoil) -> Vec<Finding> {
        let begun = Instant::now();
        let mut called_at: Option<Instant> = None;
        let mut calls = 0;
        loop {
            let found = self.ghosts(turmoil.members()).await;
            if found.is_empty() || begun.elapsed() > GHOSTS_GONE_WITHIN {
                return found;
            }
            if called_at.is_none_or(|at| at.elapsed() > CALL_EVERY) {
                calls += 1;
                self.call_everybody(calls).await;
                called_at = Some(Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    async fn call_everybody(&self, number: u32) {
        let topic = &self.stack.variables()["ROOMCAST_EVENTS_TOPIC_ARN"];
        let event = json!({ "room": "*", "id": format!("call-{number}"), "data": "is anybody there?" });
        aws(&self.stack).sns.publish().topic_arn(topic).message(event.to_string()).send().await.unwrap();
    }

    async fn ghosts(&self, members: usize) -> Vec<Finding> {
        let items = self.connections().await;
        let is_connection = |sk: &str| sk == "CONN";
        let live: BTreeSet<&str> = items
            .iter()
            .filter(|item| is_connection(&item.sk) && !item.is_buried)
            .map(|item| item.pk.as_str())
            .collect();
        let orphans = items.iter().filter(|item| !is_connection(&item.sk) && !live.contains(item.pk.as_str())).count();
        let open = self.stack.gateway_stats().map_or(0, |stats| stats.connections_open);
        let mut findings = Vec::new();
        if live.len() != members {
            findings.push(Finding(format!(
                "the table has {} connections, the gateway {open}, and there are {members} members",
                live.len()
            )));
        }
        if orphans > 0 {
            findings.push(Finding(format!("{orphans} memberships are of connections that are gone")));
        }
        findings
    }

    /// Returns a finding for each room whose number of memberships differs from its number of
    /// members.
    pub(super) async fn wrong_memberships(&self, expected: &BTreeMap<RoomId, u64>) -> Vec<Finding> {
        let items = self.connections().await;
        let wrong = expected.iter().filter_map(|(room, members)| {
            let sk = format!("ROOM#{room}");
            let stored = items.iter().filter(|item| item.sk == sk).count() as u64;
            let text = format!("{room} has {members} members, and {stored} memberships");
            (stored != *members).then_some(Finding(text))
        });
        wrong.collect()
    }

    /// Reads the connections and their memberships. The table holds the rates of users too.
    async fn connections(&self) -> Vec<Item> {
        let table = &self.stack.variables()["ROOMCAST_CONNECTIONS_TABLE"];
        let scan = aws(&self.stack).dynamodb.scan().table_name(table).into_paginator().items().send();
        let items = scan.collect::<Result<Vec<_>, _>>().await.unwrap();
        let text =
            |value: Option<&AttributeValue>| value.and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| Item {
                pk: text(item.get("pk")),
                sk: text(item.get("sk")),
                is_buried: item.contains_key("buried_at"),
            })
            .filter(|item| item.pk.starts_with("CONN#"))
            .collect()
    }
}

/// The key attributes of an item of the connections table.
struct Item {
    pk: String,
    sk: String,
    is_buried: bool,
}

/// Returns whether a queue belongs to rooms. Presence is excluded, because it continues to check
/// after everything is delivered.
fn is_of_rooms(queue: &str) -> bool {
    ["publications.fifo", "deliveries.fifo", "deliveries-wide.fifo"].iter().any(|name| queue.ends_with(name))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_ms(since.as_millis() as u64)
}
