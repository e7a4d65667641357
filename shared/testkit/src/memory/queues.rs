//! The queues between the functions.

use std::time::Duration;

use domain::ports::{Jobs, Result, Retries, Submissions};
use domain::{Job, Line, Submission};

use super::fifo::Fifo;
use super::refused;
use crate::clock::TurnedClock;

/// The queues between the functions, in memory. Clones are the same queues.
#[derive(Debug, Clone)]
pub struct Queues {
    /// The way to the sequencer.
    pub publications: Fifo<Submission>,
    /// The way to the fan-out, for rooms of few shards.
    pub deliveries: Fifo<Job>,
    /// The way to the fan-out, for rooms of many.
    pub deliveries_wide: Fifo<Job>,
}

impl Queues {
    /// Empty queues.
    #[must_use]
    pub fn new(clock: TurnedClock) -> Self {
        Self {
            publications: Fifo::new("publications", clock.clone()),
            deliveries: Fifo::new("deliveries", clock.clone()),
            deliveries_wide: Fifo::new("deliveries-wide", clock),
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

impl Retries for Queues {
    async fn retry_after(&self, receipt: &domain::ports::Receipt, pause: Duration) -> Result<()> {
        let shown = self.publications.show_after(&receipt.handle, pause)
            || self.deliveries.show_after(&receipt.handle, pause)
            || self.deliveries_wide.show_after(&receipt.handle, pause);
        if shown {
            return Ok(());
        }
        let why = format!("no message in flight has the receipt {receipt:?}");
        Err(refused("memory retry_after", why))
    }
}
