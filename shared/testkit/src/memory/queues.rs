//! The queues between the functions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ports::{Checks, DeadLetter, DeadLetters, Jobs, Receipt, Result, Retries, Submissions};
use domain::{Check, Job, Line, Submission};

use super::delayed::Delayed;
use super::fifo::Fifo;
use super::refused;
use crate::clock::TurnedClock;

const PUBLICATIONS: &str = "publications.fifo";
const DELIVERIES: &str = "deliveries.fifo";
const DELIVERIES_WIDE: &str = "deliveries-wide.fifo";

/// The queues between the functions, in memory. Clones are the same queues.
#[derive(Debug, Clone)]
pub struct Queues {
    /// The way to the sequencer.
    pub publications: Fifo<Submission>,
    /// The way to the fan-out, for rooms of few shards.
    pub deliveries: Fifo<Job>,
    /// The way to the fan-out, for rooms of many.
    pub deliveries_wide: Fifo<Job>,
    /// What no try would have helped.
    pub dead: Arc<Mutex<Vec<DeadLetter>>>,
    /// Looks at rooms that were put off.
    pub checks: Delayed<Check>,
}

impl Queues {
    /// Empty queues.
    #[must_use]
    pub fn new(clock: TurnedClock) -> Self {
        Self {
            publications: Fifo::new(PUBLICATIONS, clock.clone()),
            deliveries: Fifo::new(DELIVERIES, clock.clone()),
            deliveries_wide: Fifo::new(DELIVERIES_WIDE, clock.clone()),
            dead: Arc::default(),
            checks: Delayed::new(clock),
        }
    }

    /// The queue of a line.
    #[must_use]
    pub fn line(&self, line: Line) -> &Fifo<Job> {
        match line {
            Line::Narrow => &self.deliveries,
            Line::Wide => &self.deliveries_wide,
        }
    }
}

impl Submissions for Queues {
    async fn submit(&self, submission: &Submission) -> Result<()> {
        self.publications.send(submission.group(), submission.deduplication_id(), submission.clone());
        Ok(())
    }
}

impl Jobs for Queues {
    async fn dispatch(&self, jobs: &[Job]) -> Result<()> {
        for job in jobs {
            self.line(job.line).send(job.group(), job.deduplication_id(), job.clone());
        }
        Ok(())
    }
}

impl DeadLetters for Queues {
    async fn bury_letter(&self, letter: &DeadLetter) -> Result<()> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner).push(letter.clone());
        Ok(())
    }
}

impl Checks for Queues {
    async fn check_after(&self, check: &Check, delay: Duration) -> Result<()> {
        self.checks.send(check.clone(), delay);
        Ok(())
    }
}

impl Retries for Queues {
    async fn retry_after(&self, receipt: &Receipt, pause: Duration) -> Result<()> {
        let shown = match receipt.queue.as_str() {
            PUBLICATIONS => self.publications.show_after(receipt, pause),
            DELIVERIES => self.deliveries.show_after(receipt, pause),
            DELIVERIES_WIDE => self.deliveries_wide.show_after(receipt, pause),
            _ => false,
        };
        if shown {
            return Ok(());
        }
        let Receipt { queue, handle } = receipt;
        let why = format!("no message in flight of a queue {queue:?} has the handle {handle:?}");
        Err(refused("memory retry_after", why))
    }
}
