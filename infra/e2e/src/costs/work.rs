//! The fixed work whose use is counted: one operation after the other, each until all that it
//! causes has ended.

use std::path::Path;
use std::time::Duration;

use bill::{GATEWAY, INVOCATIONS, Usage};
use futures::future::join_all;
use local::options::Speed;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::interval;

use super::stand::{Settled, Stand};
use super::usage::{REAPER, RUNNER, calls};
use crate::Member;

/// Sizes of the rooms whose counts are compared with the table.
pub(super) const SMALL: [usize; 2] = [2, 20];
/// Members of the room that is measured only on request. It takes minutes.
pub(super) const LARGE: usize = 1_000;
/// Members of a room in which single publications are measured, on request too. Ten a second would
/// be more posts than an account may make.
pub(super) const HUGE: usize = 5_000;
/// How often work that takes less than a second is repeated, for the mean of its processor time.
const REPEATS: usize = 3;
/// Publications a second into a busy room, and how many there are.
const BUSY: (u64, usize) = (10, 50);
/// Clients that connect at the same time. With more, a busy machine refuses some.
const AT_ONCE: usize = 8;
/// Runs of the reaper that are counted.
const RUNS: f64 = 3.0;
const ROOM: &str = "lobby";

/// What one operation uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) name: String,
    /// Whether the counts are the same in each run. The counts of other rows depend on which
    /// messages meet in a batch.
    pub(super) is_exact: bool,
    pub(super) usage: Usage,
}

impl Row {
    fn exact(name: impl Into<String>, usage: Usage) -> Self {
        Self { name: name.into(), is_exact: true, usage }
    }

    fn varying(name: impl Into<String>, usage: Usage) -> Self {
        Self { name: name.into(), is_exact: false, usage }
    }
}

/// The names of rows that the tables need.
pub(super) mod names {
    pub(in super::super) const REAPER_RUN: &str = "a run of the reaper";
    pub(in super::super) const KEEP_ALIVE: &str = "keep-alive, with one room";
    pub(in super::super) const COMPARISON: &str = "a later comparison of presence, room of 20";

    pub(in super::super) fn publish(members: usize) -> String {
        format!("publish, room of {members}")
    }

    pub(in super::super) fn publish_busy(members: usize) -> String {
        format!("publish, 10 a second, room of {members}")
    }

    pub(in super::super) fn comes(members: usize) -> String {
        format!("a member connects and joins, one of {members}")
    }

    pub(in super::super) fn goes(members: usize) -> String {
        format!("a member disconnects, one of {members}")
    }
}

/// Counts the operations of small rooms. The stacks run side by side, since they mostly wait.
pub(super) async fn small(binaries: &Path) -> Vec<Row> {
    let rooms = join_all(SMALL.map(|members| small_room(members, binaries)));
    let (alone, rooms) = tokio::join!(alone(binaries), rooms);
    alone.into_iter().chain(rooms.into_iter().flatten()).collect()
}

/// Counts what no room has a part in.
async fn alone(binaries: &Path) -> Vec<Row> {
    let mut stand = Stand::start(Speed::Fast, binaries).await;
    let mut rows = Vec::new();
    // The first connection of a process is not counted: it reads secrets and opens connections.
    let mut ada = enter(&stand.url, "ada", &[]).await;
    let url = stand.url.clone();
    let user = async |n| enter(&url, &format!("user{n}"), &[]).await;
    rows.push(Row::exact("connect, with a token", connect(&mut stand, user).await));
    let guest = async |n| Member::connect(&url, &format!("guest{n}")).await;
    rows.push(Row::exact("connect, as a guest", connect(&mut stand, guest).await));
    let joined = ada.join(ROOM).await;
    stand.until(Settled::Stream).await;
    stand.age_connections().await;
    for name in [names::KEEP_ALIVE, "ping soon after another request, with one room"] {
        let before = stand.until(Settled::Queues).await;
        ping(&mut ada, &joined).await;
        let after = stand.until(Settled::Queues).await;
        rows.push(Row::exact(name, of_operation(&after.since(&before)).without(&["presence"])));
    }
    let before = stand.after_runs_of_the_reaper(1.0).await;
    let runs = stand.after_runs_of_the_reaper(RUNS).await.since(&before).only(&[REAPER]);
    rows.push(Row::exact(names::REAPER_RUN, runs.times(1.0 / runs.of(REAPER, INVOCATIONS))));
    drop(ada);
    stand.stop().await;
    rows
}

/// Returns what a connect uses. One connection in 16, by its id, also counts a shard of `*`: of two
/// the one with fewer calls is returned.
async fn connect(stand: &mut Stand, client: impl AsyncFn(usize) -> Member) -> Usage {
    let (mut members, mut runs) = (Vec::new(), Vec::new());
    let mut before = stand.until(Settled::Stream).await;
    for n in 0..2 {
        members.push(client(n).await);
        let after = stand.until(Settled::Stream).await;
        runs.push(of_operation(&after.since(&before)));
        before = after;
    }
    drop(members);
    runs.into_iter().min_by(|one, other| calls(one).total_cmp(&calls(other))).unwrap_or_default()
}

/// Counts the operations of a small room.
async fn small_room(members: usize, binaries: &Path) -> Vec<Row> {
    let mut stand = Stand::start(Speed::Fast, binaries).await;
    let mut rows = Vec::new();
    let mut room = fill(&stand.url, members).await;
    stand.until(Settled::Presence).await;
    publish(&mut room, "first").await;
    rows.push(Row::exact(names::publish(members), publish_idle(&mut stand, &mut room).await));

    let mut guest = enter(&stand.url, "guest", &[]).await;
    let before = stand.until(Settled::Stream).await;
    guest.join(ROOM).await;
    let replied = stand.now().await.since(&before);
    let after = stand.until(Settled::Presence).await;
    let all = of_operation(&after.since(&before));
    // Presence follows a second after the reply.
    let join = all.only(&["membership"]).plus(&replied.only(&[GATEWAY, RUNNER]));
    rows.push(Row::exact(format!("join, room of {members}"), join.clone()));
    rows.push(Row::exact(format!("presence after a join, room of {members}"), all.since(&join)));

    let before = after;
    drop(guest.reset());
    let all = of_operation(&stand.until(Settled::Presence).await.since(&before));
    let disconnect = all.only(&["disconnect"]);
    rows.push(Row::exact(format!("disconnect, room of {members}"), disconnect.clone()));
    rows.push(Row::exact(format!("presence after a disconnect, room of {members}"), all.since(&disconnect)));
    drop(room);
    stand.stop().await;
    rows
}

/// Counts what takes minutes: large rooms, busy rooms, and the later comparisons of presence. The
/// stacks run side by side, since they mostly wait; that of the largest room follows.
pub(super) async fn large(binaries: &Path) -> Vec<Row> {
    let busy = join_all(SMALL.map(|members| busy_room(members, binaries)));
    let (busy, large) = tokio::join!(busy, large_room(LARGE, binaries));
    let huge = huge_room(HUGE, binaries).await;
    busy.into_iter().flatten().chain(large).chain([huge]).collect()
}

async fn busy_room(members: usize, binaries: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut stand = Stand::start(Speed::Aws, binaries).await;
    let mut room = fill(&stand.url, members).await;
    let before = stand.until(Settled::Presence).await;
    if members == SMALL[1] {
        rows.push(Row::varying(names::COMPARISON, comparisons(&mut stand, &before).await));
    }
    rows.push(Row::varying(names::publish_busy(members), publish_busy(&mut stand, &mut room).await));
    drop(room);
    stand.stop().await;
    rows
}

async fn large_room(members: usize, binaries: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut stand = Stand::start(Speed::Aws, binaries).await;
    let share = 1.0 / members as f64;
    let before = stand.until(Settled::Queues).await;
    let mut room = fill(&stand.url, members).await;
    let filled = stand.until(Settled::Comparisons).await;
    rows.push(Row::varying(names::comes(members), of_operation(&filled.since(&before)).times(share)));
    publish(&mut room, "first").await;
    rows.push(Row::varying(names::publish(members), publish_idle(&mut stand, &mut room).await));
    rows.push(Row::varying(names::publish_busy(members), publish_busy(&mut stand, &mut room).await));
    let before = stand.until(Settled::Comparisons).await;
    drop(room);
    let emptied = stand.until(Settled::Comparisons).await;
    rows.push(Row::varying(names::goes(members), of_operation(&emptied.since(&before)).times(share)));
    stand.stop().await;
    rows
}

async fn huge_room(members: usize, binaries: &Path) -> Row {
    let mut stand = Stand::start(Speed::Aws, binaries).await;
    let mut room = fill(&stand.url, members).await;
    stand.until(Settled::Presence).await;
    publish(&mut room, "first").await;
    let row = Row::varying(names::publish(members), publish_idle(&mut stand, &mut room).await);
    drop(room);
    stand.stop().await;
    row
}

/// Returns what one of the comparisons uses that are still delayed.
async fn comparisons(stand: &mut Stand, before: &Usage) -> Usage {
    let used = stand.until(Settled::Comparisons).await.since(before).only(&["presence"]);
    // Each comparison is a message of its own, and the messages of a room come one by one.
    used.times(1.0 / used.of("presence", INVOCATIONS))
}

/// Returns what one publication uses in a room where nothing else happens.
async fn publish_idle(stand: &mut Stand, room: &mut [Member]) -> Usage {
    let mut runs = Vec::new();
    for n in 0..REPEATS {
        let before = stand.until(Settled::Queues).await;
        publish(room, &format!("idle{n}")).await;
        runs.push(of_publication(&stand.until(Settled::Queues).await.since(&before)));
    }
    mean(&runs)
}

/// Returns what one of many publications uses.
async fn publish_busy(stand: &mut Stand, room: &mut [Member]) -> Usage {
    let (rate, count) = BUSY;
    let heard = room.first().map_or(0, |member| member.heard(ROOM).len());
    let before = stand.until(Settled::Queues).await;
    let mut ticks = interval(Duration::from_millis(1_000 / rate));
    for n in 0..count {
        ticks.tick().await;
        room[0].publish(ROOM, &format!("busy{n}")).await;
    }
    join_all(room.iter_mut().map(|member| member.hear(ROOM, heard + count))).await;
    of_publication(&stand.until(Settled::Queues).await.since(&before)).times(1.0 / count as f64)
}

/// Publishes, and waits until all members have it.
async fn publish(room: &mut [Member], id: &str) {
    let heard = room.first().map_or(0, |member| member.heard(ROOM).len());
    room[0].publish(ROOM, id).await;
    join_all(room.iter_mut().map(|member| member.hear(ROOM, heard + 1))).await;
}

/// Sends a ping with the position in a room, and waits for the pong.
async fn ping(member: &mut Member, joined: &Value) {
    let at = json!({ ROOM: { "ep": joined["ok"]["ep"], "seq": joined["ok"]["seq"] } });
    member.say(json!({ "action": "ping", "at": at }).to_string()).await;
    while !member.next_text().await.contains("\"pong\"") {}
}

/// Connects members of a room, each a user of its own.
async fn fill(url: &str, count: usize) -> Vec<Member> {
    let mut members = Vec::with_capacity(count);
    for first in (0..count).step_by(AT_ONCE) {
        let names = (first..count.min(first + AT_ONCE)).map(|n| format!("user{n}"));
        members.extend(join_all(names.map(|name| async move { enter(url, &name, &[ROOM]).await })).await);
    }
    members
}

async fn enter(url: &str, user: &str, rooms: &[&str]) -> Member {
    let mut member = Member::with_claims(url, json!({ "sub": user })).await;
    for room in rooms {
        member.join(room).await;
    }
    member
}

/// Returns the use without that of the schedule.
fn of_operation(usage: &Usage) -> Usage {
    usage.without(&[REAPER])
}

/// Returns the use without presence, of which a later comparison may come at any moment.
fn of_publication(usage: &Usage) -> Usage {
    usage.without(&[REAPER, "presence"])
}

fn mean(runs: &[Usage]) -> Usage {
    let sum = runs.iter().fold(Usage::default(), |sum, run| sum.plus(run));
    sum.times(1.0 / runs.len().max(1) as f64)
}
