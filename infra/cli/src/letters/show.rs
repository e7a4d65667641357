//! `roomcast dead-letters show`.

use std::process::ExitCode;

use domain::{RoomId, Timestamp};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::letters::destination::Destination;
use crate::letters::queue::{Contents, DeadLetterQueue, Receiver};
use crate::names::room;
use crate::output::{Output, Row};
use crate::time::moment;

/// The letters to show.
#[derive(Debug, clap::Args)]
#[command(after_help = "The letters stay in the queue. While they are shown, no redrive sees them.\n\n\
    Examples:\n  roomcast dead-letters show deliveries-dead\n  roomcast dead-letters show outbox-dead --room lobby --body\n  \
    roomcast --json dead-letters show events-dead --limit 100 | jq -r .body")]
pub(crate) struct Arguments {
    /// The dead-letter queue, such as deliveries-dead
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// Only letters of this room
    #[arg(long, value_name = "ROOM", value_parser = room)]
    room: Option<RoomId>,
    /// At most so many letters
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Prints the bodies too. They contain what was published
    #[arg(long)]
    body: bool,
}

/// A letter. `--json` always has its body.
#[derive(Debug, Serialize)]
struct Shown {
    queue: String,
    id: String,
    sent_at: Timestamp,
    room: Option<RoomId>,
    missed: Option<String>,
    members: Vec<String>,
    publications: Vec<String>,
    reason: Option<String>,
    destination: String,
    body: String,
}

impl Row for Shown {
    const COLUMNS: &'static [&'static str] = &["id", "dead since", "room", "misses", "reason"];

    fn cells(&self) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let misses = match (&self.missed, self.members.len()) {
            (Some(missed), 0) => missed.clone(),
            (Some(missed), 1) => format!("{missed} (1 member)"),
            (Some(missed), members) => format!("{missed} ({members} members)"),
            (None, _) if self.publications.is_empty() => "-".to_owned(),
            (None, _) => self.publications.join(" "),
        };
        let room = or_dash(self.room.as_ref().map(RoomId::to_string));
        vec![self.id.clone(), moment(self.sent_at), room, misses, or_dash(self.reason.clone())]
    }
}

/// Prints letters of a queue.
pub(crate) async fn print(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let queue = DeadLetterQueue::named(&deployment.topology, &asked.queue)?;
    let queues = deployment.operator_queues();
    let mut receiver = Receiver::new(&queues, deployment, &queue.name)?;
    let shown = read(deployment, &queue, asked, &mut receiver).await;
    // Letters become visible again whatever happened.
    receiver.end().await?;
    let shown = shown?;
    if asked.body && !output.is_json() {
        for letter in &shown {
            output.text(&letter.cells().join("  "))?;
            output.text(&format!("  {}\n", letter.body))?;
        }
    } else {
        output.rows(&shown)?;
    }
    match shown.first() {
        Some(first) => output.remark(&format!(
            "redriven to {}: roomcast dead-letters redrive {}{}",
            first.destination,
            queue.name,
            asked.room.as_ref().map(|room| format!(" --room {room}")).unwrap_or_default()
        )),
        None => output.remark(&format!("{} has no letter that can be received now", queue.name)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(
    deployment: &Deployment,
    queue: &DeadLetterQueue,
    asked: &Arguments,
    receiver: &mut Receiver<'_>,
) -> Result<Vec<Shown>, Error> {
    let mut shown = Vec::new();
    loop {
        let letters = receiver.next().await?;
        if letters.is_empty() {
            return Ok(shown);
        }
        for letter in letters {
            let contents = Contents::of(&letter);
            let is_wanted = asked.room.is_none() || asked.room == contents.room;
            if is_wanted && shown.len() < usize::from(asked.limit) {
                let destination = Destination::of(deployment, queue, &letter);
                let Contents { room, missed, reason, publications, members } = contents;
                shown.push(Shown {
                    queue: queue.name.clone(),
                    id: letter.id.clone(),
                    sent_at: letter.sent_at,
                    room,
                    missed,
                    members,
                    publications,
                    reason,
                    destination: destination.map_or_else(|error| error.to_string(), |to| to.to_string()),
                    body: letter.body.clone(),
                });
            }
            receiver.keep(letter);
        }
        if shown.len() == usize::from(asked.limit) {
            return Ok(shown);
        }
    }
}
