//! `roomcast top`: the rooms that cost most, and the shards that are slowest.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use domain::parse_duration;
use futures::future::try_join;
use serde::Serialize;
use telemetry::field;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::logs::{Line, Wanted, search};
use crate::output::{Output, Row};
use crate::time::{moment, now};

/// The functions whose lines have the numbers.
const FUNCTIONS: [&str; 2] = ["sequencer", "fanout"];

/// The rooms to print.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The numbers come from the log lines of sequencer and fanout. A delivery is a post that the gateway\n\
    accepted: it is one message on the bill of API Gateway. Joins, pings and reads of the log are not counted.\n\n\
    Examples:\n  roomcast top\n  roomcast top --since 1h --by bytes\n  roomcast top --shards --by slowest"
)]
pub(crate) struct Arguments {
    /// Lines of this time, such as 90s, 15m or 1h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "10m")]
    since: Duration,
    /// The order of the rooms
    #[arg(long, value_enum, default_value_t = Order::Deliveries)]
    by: Order,
    /// Lists each shard by itself
    #[arg(long)]
    shards: bool,
    /// At most so many rows
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    Publications,
    Posts,
    Deliveries,
    Bytes,
    Late,
    Slowest,
}

/// A room or a shard, and its numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Ranked {
    room: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<u64>,
    /// Publications that got a position. A shard has none of its own.
    publications: u64,
    posts: u64,
    deliveries: u64,
    bytes: u64,
    /// Members that left the main line.
    late: u64,
    slowest_ms: u64,
}

impl Row for Ranked {
    const COLUMNS: &'static [&'static str] =
        &["room", "shard", "publications", "posts", "deliveries", "bytes", "late", "slowest ms"];

    fn cells(&self) -> Vec<String> {
        let shard = self.shard.map_or_else(|| "all".to_owned(), |shard| shard.to_string());
        let numbers = [self.publications, self.posts, self.deliveries, self.bytes, self.late, self.slowest_ms];
        [self.room.clone(), shard].into_iter().chain(numbers.map(|number| number.to_string())).collect()
    }
}

impl Ranked {
    fn key(&self, order: Order) -> u64 {
        match order {
            Order::Publications => self.publications,
            Order::Posts => self.posts,
            Order::Deliveries => self.deliveries,
            Order::Bytes => self.bytes,
            Order::Late => self.late,
            Order::Slowest => self.slowest_ms,
        }
    }
}

/// Prints the rooms, in the order that is asked for.
pub(crate) async fn print(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let since = now().minus(asked.since);
    let [sequencer, fanout] = FUNCTIONS;
    let (mut found, delivered) = try_join(
        search(deployment, &[sequencer], Wanted::Text(field::PUBLICATION_RANGE.0), since),
        search(deployment, &[fanout], Wanted::Text(field::ROOM_TALLY.0), since),
    )
    .await?;
    found.lines.extend(delivered.lines);
    let mut ranked = rank(&found.lines, asked.shards);
    ranked.sort_by_key(|ranked| std::cmp::Reverse(ranked.key(asked.by)));
    ranked.truncate(usize::try_from(asked.limit).unwrap_or(usize::MAX));
    output.rows(&ranked)?;
    let first = found.lines.iter().map(|line| line.at).min();
    let first = first.map_or_else(|| "-".to_owned(), moment);
    output.remark(&format!("from {} log lines of sequencer and fanout since {first}", found.lines.len()));
    if found.is_partial || delivered.is_partial {
        output.remark("not every line of this time was read: the numbers are too low. Repeat with a shorter --since");
    }
    Ok(ExitCode::SUCCESS)
}

/// Rooms or shards by name and number.
type Rooms = BTreeMap<(String, Option<u64>), Ranked>;

fn entry<'a>(rooms: &'a mut Rooms, room: &str, shard: Option<u64>) -> &'a mut Ranked {
    let new = || Ranked { room: room.to_owned(), shard, ..Ranked::default() };
    rooms.entry((room.to_owned(), shard)).or_insert_with(new)
}

/// Adds up the numbers of the lines, by room or by shard.
fn rank(lines: &[Line], by_shard: bool) -> Vec<Ranked> {
    let mut ranked = Rooms::new();
    for line in lines {
        if line.function == FUNCTIONS[0] && !by_shard {
            for (room, count) in line.values(field::PUBLICATION_RANGE).into_iter().filter_map(sequenced) {
                entry(&mut ranked, room, None).publications += count;
            }
        }
        for tally in line.values(field::ROOM_TALLY) {
            let Some((room, [shard, posts, deliveries, bytes, late, slowest_ms])) = read_tally(tally) else { continue };
            let found = entry(&mut ranked, room, by_shard.then_some(shard));
            found.posts += posts;
            found.deliveries += deliveries;
            found.bytes += bytes;
            found.late += late;
            found.slowest_ms = found.slowest_ms.max(slowest_ms);
        }
    }
    ranked.into_values().collect()
}

/// Reads the room and the number of publications of a range, `room epoch.first-last`.
fn sequenced(range: &str) -> Option<(&str, u64)> {
    let (room, run) = range.split_once(' ')?;
    let (first, last) = run.split_once('.')?.1.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some((room, last.saturating_add(1).saturating_sub(first)))
}

/// Reads `room shard posts deliveries bytes late slowest_ms`.
fn read_tally(text: &str) -> Option<(&str, [u64; 6])> {
    let (room, numbers) = text.split_once(' ')?;
    let numbers = numbers.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    Some((room, numbers.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use serde_json::json;

    use super::*;

    fn lines() -> Vec<Line> {
        let line = |function: &str, fields: serde_json::Value| {
            Line::parse(Timestamp::from_ms(1), function, &fields.to_string())
        };
        vec![
            line("sequencer", json!({ "publication.range": ["lobby e.1-4", "den e.1-1"] })),
            line("fanout", json!({ "publication.range": ["lobby e.1-4"], "room.tally": ["lobby 0 3 2 100 1 70"] })),
            line("fanout", json!({ "room.tally": ["lobby 1 5 5 50 0 90", "den 0 1 1 10 0 5", "not a tally"] })),
        ]
    }

    #[test]
    fn the_numbers_of_a_room_are_added_up_over_lines_and_shards() {
        let rooms = rank(&lines(), false);
        let lobby = rooms.iter().find(|ranked| ranked.room == "lobby").unwrap();
        let numbers = (lobby.publications, lobby.posts, lobby.deliveries, lobby.bytes, lobby.late, lobby.slowest_ms);
        assert_eq!((rooms.len(), numbers), (2, (4, 8, 7, 150, 1, 90)));
    }

    #[test]
    fn each_shard_is_a_row_on_request() {
        let shards = rank(&lines(), true);
        let slowest: Vec<_> = shards.iter().map(|ranked| (&*ranked.room, ranked.shard, ranked.slowest_ms)).collect();
        assert_eq!(slowest, [("den", Some(0), 5), ("lobby", Some(0), 70), ("lobby", Some(1), 90)]);
    }
}
