//! `roomcast tail`: prints publications of a room as they get their positions.

use std::process::ExitCode;
use std::time::Duration;

use aws_adapters::Tables;
use domain::flow::{read_run, read_run_backwards};
use domain::ports::Rooms;
use domain::{Head, Publication, Range, RoomId, Sequence, parse_duration};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::names::room;
use crate::output::Output;
use crate::rooms::publications::Published;
use crate::time::now;

/// The time between two looks at the head.
const INTERVAL: Duration = Duration::from_millis(500);
/// Rows of the log that are read at once.
const PAGE_ROWS: usize = 100;
/// Publications that `--since` goes back at most. They are kept in memory until they are printed.
const PUBLICATIONS_BACK: usize = 10_000;

/// The publications to print.
#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with Ctrl-C, or after --count publications.\n\nExamples:\n  roomcast tail lobby\n  \
    roomcast tail lobby --since 1h\n  roomcast --json tail lobby --count 1 | jq .data")]
pub(crate) struct Arguments {
    /// The room, such as lobby, @ada (the inbox of ada) or '*' (every connection)
    #[arg(value_name = "ROOM", value_parser = room)]
    room: RoomId,
    /// Begins with the publications of this time, such as 90s, 15m or 1h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Option<Duration>,
    /// Ends after so many publications
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// Prints publications until `--count` of them are printed.
pub(crate) async fn print(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let tables = deployment.tables()?;
    let room = &asked.room;
    let mut left = asked.count.unwrap_or(u64::MAX);
    let mut at = tables.head(room).await?;
    if let (Some(head), Some(since)) = (&at, asked.since) {
        for publication in recent(&tables, room, head, since, output).await? {
            print_one(room, publication, output, &mut left)?;
        }
    }
    while left > 0 {
        tokio::time::sleep(INTERVAL).await;
        let Some(head) = tables.head(room).await? else { continue };
        let from = match &at {
            Some(before) if before.epoch == head.epoch => before.sequence,
            Some(before) => {
                output.remark(&format!("room {room} is in another epoch: {} after {}", head.epoch, before.epoch));
                head.sequence
            }
            None => Sequence::ZERO,
        };
        let found = following(&tables, room, &head, from).await?;
        let mut through = from;
        if found.is_empty() && head.sequence > from {
            output.remark(&format!(
                "the log of room {room} has no row after {}; going on at {}",
                from.get(),
                head.sequence.get()
            ));
            through = head.sequence;
        }
        for publication in found {
            through = publication.position.sequence;
            print_one(room, publication, output, &mut left)?;
        }
        at = Some(Head { sequence: through, ..head });
    }
    Ok(ExitCode::SUCCESS)
}

fn print_one(room: &RoomId, publication: Publication, output: &Output, left: &mut u64) -> Result<(), Error> {
    if *left == 0 {
        return Ok(());
    }
    *left -= 1;
    let published = Published::new(room, publication);
    output.line(&published.line(), &published)
}

/// Reads the publications after `from`, oldest first: a page, or fewer.
async fn following(tables: &Tables, room: &RoomId, head: &Head, from: Sequence) -> Result<Vec<Publication>, Error> {
    let range = Range { epoch: head.epoch.clone(), after: from, through: head.sequence };
    Ok(read_run(tables, room, &range, PAGE_ROWS, now()).await?)
}

/// Reads the publications that were accepted within `since`, oldest first.
async fn recent(
    tables: &Tables,
    room: &RoomId,
    head: &Head,
    since: Duration,
    output: &Output,
) -> Result<Vec<Publication>, Error> {
    let begin = now().minus(since);
    let (mut found, mut through) = (Vec::new(), head.sequence);
    while found.len() < PUBLICATIONS_BACK {
        let page = read_run_backwards(tables, room, &head.epoch, through, PAGE_ROWS, now()).await?;
        let is_end = page.len() < PAGE_ROWS;
        through = page.last().map_or(Sequence::ZERO, |oldest| oldest.position.sequence.before());
        let before = found.len() + page.len();
        found.extend(page.into_iter().filter(|publication| publication.accepted_at >= begin));
        if is_end || found.len() < before {
            found.reverse();
            return Ok(found);
        }
    }
    output.remark(&format!("only the last {PUBLICATIONS_BACK} publications are shown"));
    found.reverse();
    Ok(found)
}
