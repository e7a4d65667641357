//! `roomcast dead-letters list`.

use std::process::ExitCode;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::letters::destination::Destination;
use crate::letters::queue::DeadLetterQueue;
use crate::output::{Output, Row};

/// Queues that are asked at the same time.
const QUEUES_AT_ONCE: usize = 8;

/// The list takes no arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  roomcast dead-letters list")]
pub(crate) struct Arguments {}

/// A dead-letter queue, and the number of its letters.
#[derive(Debug, Serialize)]
struct Listed {
    queue: String,
    letters: u64,
    /// Letters that were received a short time ago: by another operator, or by `show`.
    hidden: u64,
    destination: String,
}

impl Row for Listed {
    const COLUMNS: &'static [&'static str] = &["queue", "letters", "hidden", "redriven to"];

    fn cells(&self) -> Vec<String> {
        vec![self.queue.clone(), self.letters.to_string(), self.hidden.to_string(), self.destination.clone()]
    }
}

/// Prints every dead-letter queue of the topology.
pub(crate) async fn print(deployment: &Deployment, output: &Output) -> Result<ExitCode, Error> {
    let queues = deployment.operator_queues();
    let listed = stream::iter(DeadLetterQueue::all(&deployment.topology)).map(|queue| {
        let queues = &queues;
        async move {
            let state = queues.state(deployment.queue_url(&queue.name)?).await?;
            let (letters, hidden) = (state.visible + state.delayed, state.in_flight);
            Ok::<_, Error>(Listed { destination: Destination::all_of(&queue), queue: queue.name, letters, hidden })
        }
    });
    let listed: Vec<Listed> = listed.buffered(QUEUES_AT_ONCE).try_collect().await?;
    output.rows(&listed)?;
    match listed.iter().find(|queue| queue.letters > 0) {
        Some(first) => output.remark(&format!("next: roomcast dead-letters show {}", first.queue)),
        None => output.remark("there is no dead letter"),
    }
    Ok(ExitCode::SUCCESS)
}
