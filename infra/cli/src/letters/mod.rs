//! `roomcast dead-letters`: lists, shows and redrives dead letters of every queue.
//!
//! SQS's own redrive takes letters whose source is one queue, and keeps their deduplication ids. So
//! it cannot take outbox rows and batches of streams, and a FIFO queue drops what it saw within
//! five minutes. This redrive sends each letter by its kind: see [`destination`].

pub(crate) mod destination;
mod list;
pub(crate) mod queue;
mod redrive;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::output::Output;

/// The command on dead letters.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists every dead-letter queue with its letters and the destination of a redrive
    List(list::Arguments),
    /// Shows the letters of a queue: reason, room, positions
    Show(show::Arguments),
    /// Sends letters to the place that they came from, and deletes them
    Redrive(redrive::Arguments),
}

/// Runs the command.
pub(crate) async fn run(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    match &asked.command {
        Command::List(_) => list::print(deployment, output).await,
        Command::Show(asked) => show::print(deployment, asked, output).await,
        Command::Redrive(asked) => redrive::run(deployment, asked, output).await,
    }
}
