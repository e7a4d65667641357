//! `roomcast history`: a page of a room's log.

use std::process::ExitCode;

use domain::flow::read_run_backwards;
use domain::ports::Rooms;
use domain::{RoomId, Sequence};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::names::room;
use crate::output::Output;
use crate::rooms::publications::Published;
use crate::time::now;

/// The page to print.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roomcast history lobby\n  roomcast history lobby --before 1042 --limit 100\n  \
    roomcast --json history lobby | jq -r .data.text")]
pub(crate) struct Arguments {
    /// The room, such as lobby, @ada (the inbox of ada) or '*' (every connection)
    #[arg(value_name = "ROOM", value_parser = room)]
    room: RoomId,
    /// Only publications before this sequence; without it the latest
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    before: Option<u64>,
    /// At most so many publications
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
}

/// Prints the page, the oldest publication first.
pub(crate) async fn print(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let tables = deployment.tables()?;
    let room = &asked.room;
    let head = tables.head(room).await?.ok_or_else(|| Error::no_head(room))?;
    let through = asked.before.map_or(head.sequence, |before| Sequence::new(before).before().min(head.sequence));
    let limit = usize::from(asked.limit);
    let mut page = read_run_backwards(&tables, room, &head.epoch, through, limit, now()).await?;
    page.reverse();
    let first = page.first().map(|publication| publication.position.sequence);
    let rows: Vec<Published> = page.into_iter().map(|publication| Published::new(room, publication)).collect();
    output.rows(&rows)?;
    match first {
        None => output.remark(&format!(
            "room {room} is at {} {}, and its log has nothing here: rows are kept for 24 h",
            head.epoch,
            head.sequence.get()
        )),
        Some(first) if rows.len() == limit && first.get() > 1 => {
            output.remark(&format!("older: roomcast history {room} --before {} --limit {limit}", first.get()));
        }
        Some(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}
