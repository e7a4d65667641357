//! `roomcast drain`: closes connections at a rate, so that their clients connect again.

use std::process::ExitCode;
use std::time::Duration;

use aws_adapters::{Management, Tables};
use domain::ports::{Gateway, Memberships, Rooms};
use domain::{Head, Member, RoomId, Shard, Timestamp};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::names::room;
use crate::output::Output;
use crate::time::now;

/// Shards that are read at the same time.
const SHARDS_AT_ONCE: usize = 16;
/// Closes that are made at the same time, at most. A close takes some milliseconds, so they do not
/// hold back the rate.
const CLOSES_AT_ONCE: usize = 64;
/// Times that connections are closed whose close failed.
const ROUNDS: usize = 3;
/// The largest rate: the quota of new connections a second of an account. Every closed connection
/// comes back as a new one.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
const LARGEST_RATE: u32 = 500;

/// The connections to close.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Clients of rooms.v1 connect again within half a second, and resume their rooms. Clients of the classic\n\
    format are closed too; whether they connect again depends on them. Connections that open meanwhile stay.\n\
    The quota for new connections is 500 a second, shared with all clients that connect at that time.\n\n\
    Examples:\n  roomcast drain --rate 300\n  roomcast drain lobby --rate 50 --force"
)]
pub(crate) struct Arguments {
    /// The members of this room; without it every connection
    #[arg(value_name = "ROOM", value_parser = room, default_value = "*")]
    room: RoomId,
    /// Connections a second
    #[arg(long, value_name = "RATE", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=i64::from(LARGEST_RATE)))]
    rate: u32,
    /// Does not ask
    #[arg(long)]
    force: bool,
}

/// Closes the connections, and prints how many.
pub(crate) async fn run(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let began = now();
    let (room, rate) = (&asked.room, asked.rate);
    let mut left = opened_before(&deployment.tables()?, room, began).await?;
    let all = left.len();
    let seconds = (all as u64).div_ceil(u64::from(rate));
    if all > 0 {
        output.confirm(&format!("Close {all} connections, {rate} a second, in {seconds} s?"), asked.force)?;
    }
    let started = now();
    let (management, mut pace) = (deployment.management(), pace(rate));
    let mut last_error = None;
    for _ in 0..ROUNDS {
        let closes = close_all(&management, left, &mut pace, output).await;
        left = Vec::new();
        for (member, error) in closes {
            left.push(member);
            last_error = Some(error);
        }
        if left.is_empty() {
            break;
        }
    }
    let (closed, took) = (all - left.len(), now().since(started));
    let object = json!({ "room": room, "closed": closed, "failed": left.len(), "took_ms": took.as_millis() as u64 });
    output.line(&format!("closed {closed} of {all} connections in {:.1} s", took.as_secs_f64()), &object)?;
    match last_error.filter(|_| !left.is_empty()) {
        Some(error) => {
            Err(Error::new(format!("{} connections are not closed: {error}", left.len()), "repeat the command"))
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

/// A tick for each close. Ticks that were missed are not made up for: the rate is a limit.
fn pace(rate: u32) -> Interval {
    let mut pace = interval(Duration::from_secs(1) / rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// Reads the members of a room whose connections opened before a moment.
async fn opened_before(tables: &Tables, room: &RoomId, moment: Timestamp) -> Result<Vec<Member>, Error> {
    let Head { shards, .. } = tables.head(room).await?.unwrap_or_else(|| Head::none(room));
    let reads = stream::iter(shards.iter()).map(|shard| members_of(tables, room, shard));
    let members: Vec<Vec<Member>> = reads.buffered(SHARDS_AT_ONCE).try_collect().await?;
    Ok(members.into_iter().flatten().filter(|member| member.connected_at < moment).collect())
}

async fn members_of(tables: &Tables, room: &RoomId, shard: Shard) -> Result<Vec<Member>, Error> {
    let (mut members, mut after) = (Vec::new(), None);
    loop {
        let page = tables.page(room, shard, after.as_ref()).await?;
        members.extend(page.members);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(members),
        }
    }
}

/// Closes connections at the pace, and returns those whose close failed.
async fn close_all(
    management: &Management,
    members: Vec<Member>,
    pace: &mut Interval,
    output: &Output,
) -> Vec<(Member, domain::ports::Error)> {
    let all = members.len();
    let paced = stream::unfold((members.into_iter(), pace), async |(mut members, pace)| {
        let member = members.next()?;
        pace.tick().await;
        Some((member, (members, pace)))
    });
    let closes = paced.map(async |member| {
        let closed = management.close(&member.endpoint, &member.connection).await;
        closed.err().map(|error| (member, error))
    });
    let mut closes = std::pin::pin!(closes.buffer_unordered(CLOSES_AT_ONCE));
    let (mut failed, mut done) = (Vec::new(), 0);
    while let Some(result) = closes.next().await {
        failed.extend(result);
        done += 1;
        if done % 1_000 == 0 {
            output.remark(&format!("{done} of {all}"));
        }
    }
    failed
}
