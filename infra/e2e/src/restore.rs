//! The restore drill: the rooms table is restored to an earlier moment while members are connected,
//! and the deployment continues in another generation. The steps are those of
//! docs/operations/restore.md.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Data, Device, Position, PublicationId, RoomId};
use futures::future::join_all;
use futures::{StreamExt, stream};
use local::Stack;
use local::faults::Spec;
use roomcast_client::connection::{Handle, Options, connect};
use roomcast_client::rules::Event;

use crate::{aws, everything, start};

/// Functions that read heads, and therefore have a generation.
const IN_A_GENERATION: [&str; 3] = ["events", "membership", "sequencer"];
/// Most concurrent writes and deletes.
const WRITES_AT_ONCE: usize = 16;
/// Members that publish. The others only receive.
const PUBLISHERS: usize = 10;
/// Publications of each publisher before the backup, after it, and after the restore.
const PUBLICATIONS_EACH: usize = 3;
/// Timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(60);
/// Interval of checks for a condition.
const POLL: Duration = Duration::from_millis(50);

type Item = HashMap<String, AttributeValue>;

/// The result of the drill.
#[derive(Debug, Default)]
pub struct Report {
    /// Number of members, which are connected all the time.
    pub members: usize,
    /// Number of publications before the backup, of publications that the restore lost, and of
    /// publications after it.
    pub published: [usize; 3],
    /// Violations, as sentences.
    pub findings: Vec<String>,
}

/// A member with the real client library, and all events that its application received.
struct Member {
    name: String,
    handle: Handle,
    events: Arc<Mutex<Vec<Event>>>,
}

/// All items of the rooms table at one moment.
struct Backup(Vec<Item>);

fn room() -> RoomId {
    RoomId::parse("lobby").unwrap()
}

/// Runs the drill with this number of members.
pub async fn drill(members: usize) -> Report {
    let (stack, url) = start(everything()).await;
    let members = join_all((0..members).map(|n| Member::start(&url, n))).await;
    let before = publish(&members, "before").await;
    everyone_has(&members, &before).await;
    let backup = Backup::take(&stack).await;
    let lost = publish(&members, "lost").await;
    everyone_has(&members, &lost).await;
    let after = {
        stop_functions(&stack).await;
        // Publishers continue. Their publications are accepted when the functions run again.
        let publishing = publish(&members, "after");
        let restoring = async {
            backup.restore(&stack).await;
            for function in IN_A_GENERATION {
                stack.lambda().set_variable(function, "GENERATION", "1");
            }
            stack.faults().set(&Spec::default());
        };
        futures::future::join(publishing, restoring).await.0
    };
    everyone_has(&members, &after).await;
    let head = everyone_stands_at_one_position(&members).await;
    let mut report = Report { members: members.len(), ..Report::default() };
    report.published = [before.len(), lost.len(), after.len()];
    for member in &members {
        report.findings.extend(member.check(&after, head.as_ref()).map(|what| format!("{}: {what}", member.name)));
    }
    for member in members {
        member.handle.close().await;
    }
    stack.shutdown().await;
    report
}

/// Prevents new invocations, and waits until running ones have ended.
async fn stop_functions(stack: &Stack) {
    stack.faults().set(&"F7=1".parse().unwrap());
    let busy = || stack.lambda().stats().iter().map(|function| function.processes_busy + function.waiting).sum::<u32>();
    until("the functions have ended", async || busy() == 0).await;
}

/// Each publisher publishes one publication after the other. Returns all ids when they are
/// accepted.
async fn publish(members: &[Member], what: &str) -> BTreeSet<PublicationId> {
    let publishing = members.iter().take(PUBLISHERS).map(|member| async move {
        let mut accepted = Vec::new();
        for n in 0..PUBLICATIONS_EACH {
            let pid = PublicationId::parse(format!("{what}-{}-{n}", member.name)).unwrap();
            let data = Data::text(pid.as_ref()).unwrap();
            let receipt = member.handle.publish_as(room(), pid.clone(), data).await.unwrap();
            receipt.accepted().await.unwrap();
            accepted.push(pid);
        }
        accepted
    });
    join_all(publishing).await.concat().into_iter().collect()
}

async fn everyone_has(members: &[Member], pids: &BTreeSet<PublicationId>) {
    let has = |member: &Member| member.messages().iter().filter(|(_, pid)| pids.contains(pid)).count() >= pids.len();
    until("every member has every publication", async || members.iter().all(has)).await;
}

async fn everyone_stands_at_one_position(members: &[Member]) -> Option<Position> {
    let positions = async || {
        let positions = join_all(members.iter().map(|member| member.handle.position(room()))).await;
        positions.into_iter().map(|position| position.ok().flatten()).collect::<Vec<_>>()
    };
    until("every member is at the head", async || {
        let positions = positions().await;
        positions.iter().all(|position| position.is_some() && *position == positions[0])
    })
    .await;
    positions().await.into_iter().next().flatten()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        if begun.elapsed() > PATIENCE {
            eprintln!("timed out waiting until {what}");
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Member {
    async fn start(url: &str, n: usize) -> Self {
        let name = format!("m{n}");
        let mut options = Options::new(url).with_device(Some(Device::parse(&name).unwrap()));
        options.seed = n as u64;
        let (handle, mut incoming) = connect(options).unwrap();
        handle.join(room(), None).await.unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&events);
        tokio::spawn(async move {
            while let Some(event) = incoming.next().await {
                locked(&written).push(event);
            }
        });
        let member = Self { name, handle, events };
        let is_in = |event: &Event| matches!(event, Event::Joined { .. });
        until("a member has joined", async || locked(&member.events).iter().any(is_in)).await;
        member
    }

    /// Returns the publications that the application received, in order.
    fn messages(&self) -> Vec<(Position, PublicationId)> {
        let message = |event: &Event| match event {
            Event::Message(message) => Some((message.at.clone(), message.pid.clone())),
            _ => None,
        };
        locked(&self.events).iter().filter_map(message).collect()
    }

    /// Returns the violations of this member.
    fn check(&self, after: &BTreeSet<PublicationId>, head: Option<&Position>) -> impl Iterator<Item = String> {
        let mut findings = Vec::new();
        let mut times = BTreeMap::<PublicationId, usize>::new();
        for (_, pid) in self.messages() {
            *times.entry(pid).or_default() += 1;
        }
        let repeated = times.iter().filter(|(_, times)| **times > 1);
        findings.extend(repeated.map(|(pid, times)| format!("was given {pid} {times} times")));
        let missing = after.iter().filter(|pid| !times.contains_key(*pid));
        findings.extend(missing.map(|pid| format!("was never given {pid}, published after the restore")));
        findings.extend(self.gaps());
        let last = self.messages().pop().map(|(at, _)| at);
        if last.as_ref() != head {
            findings.push(format!("was given everything up to {last:?}; the head is {head:?}"));
        }
        findings.into_iter()
    }

    /// Checks that positions are consecutive, except where the client reported a gap. It must have
    /// reported exactly one gap to another epoch.
    fn gaps(&self) -> Vec<String> {
        let (mut findings, mut at, mut began_anew) = (Vec::new(), None::<Position>, 0);
        for event in locked(&self.events).iter() {
            match event {
                Event::Joined { head, .. } => at = Some(head.clone()),
                Event::Missed { from, to, .. } => {
                    began_anew += usize::from(from.epoch != to.epoch);
                    at = Some(to.clone());
                }
                Event::Message(message) => {
                    let follows = at.as_ref().map(|at| (at.epoch.clone(), at.sequence.next()));
                    let is = (message.at.epoch.clone(), message.at.sequence);
                    if follows.as_ref() != Some(&is) {
                        findings.push(format!("was given {is:?} where {follows:?} was next"));
                    }
                    at = Some(message.at.clone());
                }
                Event::Ended { because } => findings.push(format!("ended: {because}")),
                Event::Refused { failure, .. } => findings.push(format!("was refused: {}", failure.message)),
                _ => {}
            }
        }
        if began_anew != 1 {
            findings.push(format!("got {began_anew} reports that the room began anew"));
        }
        findings
    }
}

impl Backup {
    async fn take(stack: &Stack) -> Self {
        let table = &stack.variables()["ROOMCAST_ROOMS_TABLE"];
        let mut items = Vec::new();
        let mut pages = aws(stack).dynamodb.scan().table_name(table).consistent_read(true).into_paginator().send();
        while let Some(page) = pages.next().await {
            items.extend(page.unwrap().items.unwrap_or_default());
        }
        Self(items)
    }

    /// Restores the table. Items that were added since the backup are deleted.
    async fn restore(&self, stack: &Stack) {
        let table = &stack.variables()["ROOMCAST_ROOMS_TABLE"];
        let database = aws(stack).dynamodb;
        let key = |item: &Item| {
            let part = |name: &str| (name.to_owned(), item[name].clone());
            Item::from([part("pk"), part("sk")])
        };
        let kept: Vec<Item> = self.0.iter().map(key).collect();
        let Self(now) = Self::take(stack).await;
        let newer = now.iter().map(key).filter(|key| !kept.contains(key));
        let deleting = newer.map(|key| async {
            database.delete_item().table_name(table).set_key(Some(key)).send().await.unwrap();
        });
        stream::iter(deleting).buffer_unordered(WRITES_AT_ONCE).collect::<Vec<()>>().await;
        let writing = self.0.iter().map(|item| async {
            database.put_item().table_name(table).set_item(Some(item.clone())).send().await.unwrap();
        });
        stream::iter(writing).buffer_unordered(WRITES_AT_ONCE).collect::<Vec<()>>().await;
    }
}

impl Report {
    /// Returns whether there are no violations.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { members, published: [before, lost, after], findings } = self;
        writeln!(
            f,
            "{members} members stayed connected; {before} publications before the backup, {lost} after it, {after} after the restore"
        )?;
        match findings.as_slice() {
            [] => write!(
                f,
                "PASS: each member got one report of a gap, has every publication after the restore once and in order, and stands at the head"
            ),
            _ => {
                findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))?;
                write!(f, "FAIL: {} findings", findings.len())
            }
        }
    }
}
