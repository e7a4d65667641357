//! `roomcast room`: where a room stands.

use std::process::ExitCode;

use aws_adapters::{ShardProgress, Tables};
use domain::ports::{Holds, Memberships, Presences, Rooms};
use domain::{Epoch, Head, RoomId, Sequence, Shard, Timestamp};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::names::room;
use crate::output::{Output, Row};
use crate::time::{moment, now};

/// Shards that are read at the same time.
const SHARDS_AT_ONCE: usize = 16;

/// The room to show.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roomcast room lobby\n  roomcast --json room '*' | jq '.shards[] | select(.behind > 0)'"
)]
pub(crate) struct Arguments {
    /// The room, such as lobby, @ada (the inbox of ada) or '*' (every connection)
    #[arg(value_name = "ROOM", value_parser = room)]
    room: RoomId,
}

/// The state of a room.
#[derive(Debug, Serialize)]
struct RoomState {
    room: RoomId,
    ep: Epoch,
    seq: Sequence,
    /// Jobs are queued up to this sequence.
    sent: Sequence,
    generation: u64,
    expires_at: Timestamp,
    /// Members that the index lists.
    members: u64,
    /// Members at the last count of presence.
    members_counted: u64,
    /// Publications of backends that wait for the rate of the room.
    held: u64,
    shards: Vec<ShardState>,
}

/// The state of one shard.
#[derive(Debug, Serialize)]
struct ShardState {
    shard: Shard,
    members: u64,
    /// The last sequence that every member of the shard was given, or is late for.
    through: Option<Sequence>,
    recorded_at: Option<Timestamp>,
    /// Publications between `through` and the head.
    behind: Option<u64>,
}

impl Row for ShardState {
    const COLUMNS: &'static [&'static str] = &["shard", "members", "through", "behind", "recorded"];

    fn cells(&self) -> Vec<String> {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        vec![
            self.shard.to_string(),
            self.members.to_string(),
            number(self.through.map(Sequence::get)),
            number(self.behind),
            self.recorded_at.map_or_else(|| "-".to_owned(), moment),
        ]
    }
}

/// Prints the state of the room and of each of its shards.
pub(crate) async fn print(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let tables = deployment.tables()?;
    let state = read(&tables, &asked.room).await?;
    if output.is_json() {
        output.object(&state)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (seq, sent) = (state.seq.get(), state.sent.get());
    output.text(&format!("room       {}", state.room))?;
    output.text(&format!("position   epoch {}, sequence {seq}", state.ep))?;
    output.text(&format!(
        "sent       {sent}{}",
        if sent < seq { " (jobs for the rest may not be queued yet)" } else { "" }
    ))?;
    output.text(&format!(
        "members    {} listed by the index, {} at the last count",
        state.members, state.members_counted
    ))?;
    if state.held > 0 {
        output.text(&format!("held       {} publications of backends wait for the rate of the room", state.held))?;
    }
    output.text(&format!("expires    {}\n", moment(state.expires_at)))?;
    output.rows(&state.shards)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(tables: &Tables, room: &RoomId) -> Result<RoomState, Error> {
    let head = tables.head(room).await?.ok_or_else(|| Error::no_head(room))?;
    let reads = stream::iter(head.shards.iter()).map(|shard| read_shard(tables, room, &head, shard));
    let shards: Vec<ShardState> = reads.buffered(SHARDS_AT_ONCE).try_collect().await?;
    let rooms = std::slice::from_ref(room);
    let counted = tables.members_counted(rooms).await?;
    let intakes = tables.intakes(rooms).await?;
    let hold = intakes.get(room).and_then(|intake| intake.hold).filter(|hold| hold.until > now());
    Ok(RoomState {
        room: room.clone(),
        members: shards.iter().map(|shard| shard.members).sum(),
        members_counted: counted.get(room).copied().unwrap_or_default(),
        held: hold.map(|hold| hold.waiting()).unwrap_or_default(),
        seq: head.sequence,
        sent: head.sent,
        generation: head.generation.get(),
        expires_at: head.expires_at,
        ep: head.epoch,
        shards,
    })
}

async fn read_shard(tables: &Tables, room: &RoomId, head: &Head, shard: Shard) -> Result<ShardState, Error> {
    let members = tables.count(room, shard).await?;
    let progress = tables.shard_progress(room, shard, &head.epoch).await?;
    let through = progress.as_ref().map(|ShardProgress { range, .. }| range.through);
    let behind = through.map(|through| head.sequence.beyond(through));
    Ok(ShardState { shard, members, through, recorded_at: progress.map(|progress| progress.recorded_at), behind })
}
