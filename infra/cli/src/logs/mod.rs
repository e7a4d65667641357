//! `roomcast logs`: log lines of one publication, room or function, in the order of time.

mod line;
mod search;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use domain::{PublicationId, RoomId, Timestamp, parse_duration};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::explain::locate;
use crate::names::{room, rule};
use crate::output::Output;
use crate::time::now;

pub(crate) use line::Line;
pub(crate) use search::{Found, Wanted, search};

/// The lines to print.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "One line of each invocation has the first ten publication ids and ranges. Those of ingest, membership,\n\
    sequencer and fanout name rooms.\n\
    A publication beyond the tenth is found by its position, if its room is named or one line names it.\n\n\
    Examples:\n  roomcast logs --publication order-7\n  roomcast logs --room lobby --failed --since 15m\n  \
    roomcast --json logs --function fanout | jq .line"
)]
pub(crate) struct Arguments {
    /// Lines about this publication id
    #[arg(long, value_name = "PID", value_parser = publication)]
    publication: Option<PublicationId>,
    /// Lines about this room
    #[arg(long, value_name = "ROOM", value_parser = room)]
    room: Option<RoomId>,
    /// Lines of this function
    #[arg(long, value_name = "FUNCTION")]
    function: Option<String>,
    /// Only lines that report a failure
    #[arg(long)]
    failed: bool,
    /// Lines of this time, such as 90s, 15m or 1h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1h")]
    since: Duration,
    /// The latest lines, at most so many
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Prints the lines that the arguments ask for.
pub(crate) async fn print(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let functions = asked.functions(deployment)?;
    let since = now().minus(asked.since);
    let mut found = match &asked.publication {
        Some(id) => of_publication(deployment, asked.room.as_ref(), id, &functions, since).await?,
        None => search(deployment, &functions, asked.wanted(), since).await?,
    };
    let is_of_room = |line: &Line| asked.room.as_ref().is_none_or(|room| line.is_about_room(room));
    let is_by_id = asked.publication.is_some();
    found.lines.retain(|line| (is_by_id || is_of_room(line)) && (!asked.failed || line.is_failure()));
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let left_out = found.lines.len().saturating_sub(limit);
    output.rows(&found.lines[left_out..])?;
    if left_out > 0 {
        output.remark(&format!("{left_out} older lines are left out: repeat with --limit {}", found.lines.len()));
    }
    if found.lines.is_empty() {
        output.remark("no line was found; --since 1d goes further back, and the local stack keeps 20,000 lines");
    }
    if found.is_partial {
        output.remark("not every line of this time was read: repeat with a shorter --since, or with --function");
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// The functions whose lines are read.
    fn functions<'a>(&self, deployment: &'a Deployment) -> Result<Vec<&'a str>, Error> {
        let all = || deployment.topology.functions.iter().map(|function| function.name.as_str());
        let Some(wanted) = &self.function else { return Ok(all().collect()) };
        match all().find(|name| name == wanted) {
            Some(found) => Ok(vec![found]),
            None => {
                let known = all().collect::<Vec<_>>().join(", ");
                Err(Error::new(
                    format!("there is no function {wanted}; there are {known}"),
                    "roomcast logs --function fanout",
                ))
            }
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        match &self.room {
            Some(room) => Wanted::Text(room.as_str()),
            None if self.failed => Wanted::Failures,
            None => Wanted::Any,
        }
    }
}

/// Reads the lines that name the id, and those whose ranges contain its position.
async fn of_publication(
    deployment: &Deployment,
    room: Option<&RoomId>,
    id: &PublicationId,
    functions: &[&str],
    since: Timestamp,
) -> Result<Found, Error> {
    // JSON escapes these two characters, and a pattern cannot hold them: the longest part without
    // them is searched for.
    let part = id.as_ref().split(['"', '\\']).max_by_key(|part| part.len()).unwrap_or_default();
    let wanted = if part.is_empty() { Wanted::Any } else { Wanted::Text(part) };
    let mut found = search(deployment, functions, wanted, since).await?;
    let is_of_room = |line: &Line| room.is_none_or(|room| line.rooms().next().is_none() || line.is_about_room(room));
    found.lines.retain(|line| line.is_about_publication(id) && is_of_room(line));
    let named: BTreeSet<&str> = found.lines.iter().flat_map(Line::rooms).collect();
    let room = match (room, named.first()) {
        (Some(room), _) => room.clone(),
        (None, Some(name)) if named.len() == 1 => RoomId::parse(*name)?,
        _ => return Ok(found),
    };
    let Some(position) = locate(&deployment.tables()?, &room, id).await? else { return Ok(found) };
    let prefix = line::range_prefix(&room, &position);
    let by_position = search(deployment, functions, Wanted::Text(&prefix), since).await?;
    let others = by_position.lines.into_iter().filter(|line| line.is_about_position(&room, &position));
    let others: Vec<Line> = others.filter(|line| !found.lines.contains(line)).collect();
    found.lines.extend(others);
    found.lines.sort_by_key(|line| line.at);
    found.is_partial |= by_position.is_partial;
    Ok(found)
}

fn publication(text: &str) -> Result<PublicationId, String> {
    PublicationId::parse(text).map_err(rule)
}
