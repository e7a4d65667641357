//! `roomcast dead-letters redrive`.

use std::process::ExitCode;
use std::time::Duration;

use domain::{RoomId, Timestamp};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::letters::destination::{Destination, Redrive};
use crate::letters::queue::{Contents, DeadLetterQueue, Receiver};
use crate::names::room;
use crate::output::Output;
use crate::time::now;

/// The letters to redrive.
#[derive(Debug, clap::Args)]
#[command(after_help = "Repair the cause first: a letter that fails again becomes a dead letter again.\n\
    A repeat publishes nothing twice. Letters that became dead after the start are not redriven.\n\n\
    Examples:\n  roomcast dead-letters redrive deliveries-dead\n  roomcast dead-letters redrive --room lobby --force\n  \
    roomcast dead-letters redrive publications-dead --rate 5")]
pub(crate) struct Arguments {
    /// The dead-letter queue; without it every one
    #[arg(value_name = "QUEUE")]
    queue: Option<String>,
    /// Only letters of this room
    #[arg(long, value_name = "ROOM", value_parser = room)]
    room: Option<RoomId>,
    /// At most so many letters a second
    #[arg(long, value_name = "LETTERS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// Does not ask
    #[arg(long)]
    force: bool,
}

/// The result of one letter.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    queue: &'a str,
    id: &'a str,
    room: Option<&'a RoomId>,
    destination: String,
    redriven: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Counts of letters.
#[derive(Debug, Default)]
struct Tally {
    redriven: u64,
    failed: u64,
    /// Letters that became dead after the start.
    younger: u64,
}

/// Redrives the letters. Fails if one of them could not be sent; it is kept.
pub(crate) async fn run(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let chosen = match &asked.queue {
        Some(name) => vec![DeadLetterQueue::named(&deployment.topology, name)?],
        None => DeadLetterQueue::all(&deployment.topology),
    };
    let queues = deployment.operator_queues();
    let mut ready = Vec::new();
    for queue in chosen {
        let state = queues.state(deployment.queue_url(&queue.name)?).await?;
        if state.visible > 0 {
            output.remark(&format!("{}: {} letters, to {}", queue.name, state.visible, Destination::all_of(&queue)));
            ready.push(queue);
        }
    }
    if ready.is_empty() {
        output.remark("there is no dead letter to redrive");
        return Ok(ExitCode::SUCCESS);
    }
    let of_room = asked.room.as_ref().map(|room| format!(" of room {room}")).unwrap_or_default();
    output.confirm(&format!("Redrive these letters{of_room}?"), asked.force)?;
    let (redrive, begun) = (Redrive::new(deployment)?, now());
    let mut tally = Tally::default();
    for queue in &ready {
        let mut receiver = Receiver::new(&queues, deployment, &queue.name)?;
        let run = Run { deployment, redrive: &redrive, queue, asked, output, begun };
        let done = run.work_off(&mut receiver, &mut tally).await;
        // Letters that were kept become visible again whatever happened.
        receiver.end().await?;
        done?;
    }
    output.remark(&format!("{} redriven, {} failed and kept", tally.redriven, tally.failed));
    if tally.younger > 0 {
        output.remark(&format!(
            "{} became dead since the start and were kept: repair the cause, and repeat",
            tally.younger
        ));
    }
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The redrive of one queue.
struct Run<'a> {
    deployment: &'a Deployment,
    redrive: &'a Redrive<'a>,
    queue: &'a DeadLetterQueue,
    asked: &'a Arguments,
    output: &'a Output,
    begun: Timestamp,
}

impl Run<'_> {
    async fn work_off(&self, receiver: &mut Receiver<'_>, tally: &mut Tally) -> Result<(), Error> {
        let pause = Duration::from_secs(1) / self.asked.rate;
        loop {
            let letters = receiver.next().await?;
            if letters.is_empty() {
                return Ok(());
            }
            for letter in letters {
                let room = Contents::of(&letter).room;
                let is_younger = letter.sent_at > self.begun;
                if is_younger || (self.asked.room.is_some() && self.asked.room != room) {
                    tally.younger += u64::from(is_younger);
                    receiver.keep(letter);
                    continue;
                }
                let destination = Destination::of(self.deployment, self.queue, &letter);
                let shown = destination.as_ref().map(Destination::to_string).unwrap_or_default();
                let sent = match destination {
                    Ok(destination) => self.redrive.send(&letter, &destination).await,
                    Err(error) => Err(error),
                };
                let error = sent.as_ref().err().map(Error::to_string);
                let result = Sent {
                    queue: &self.queue.name,
                    id: &letter.id,
                    room: room.as_ref(),
                    destination: shown,
                    redriven: error.is_none(),
                    error,
                };
                self.output.line(&line(&result), &result)?;
                if sent.is_ok() {
                    // If this fails the letter comes again, and its repeat publishes nothing twice.
                    receiver.delete(&letter).await?;
                    tally.redriven += 1;
                } else {
                    tally.failed += 1;
                    receiver.keep(letter);
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

fn line(sent: &Sent<'_>) -> String {
    let room = sent.room.map(|room| format!(" (room {room})")).unwrap_or_default();
    match &sent.error {
        None => format!("{} {}{room} -> {}", sent.queue, sent.id, sent.destination),
        Some(error) => format!("{} {}{room} kept: {error}", sent.queue, sent.id),
    }
}
