//! The queues between the functions.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ports::{Checks, DeadLetter, DeadLetters, Jobs, Receipt, Result, Retries, Submissions};
use domain::{Check, Job, Line, PublicationId, Publisher, Submission, Work};

use super::bugs::Bug;
use super::delayed::Delayed;
use super::fifo::Fifo;
use super::refused;
use crate::clock::TurnedClock;

const PUBLICATIONS: &str = "publications.fifo";
const PUBLICATIONS_HELD: &str = "publications-held.fifo";
const EVENTS_ORDERED: &str = "events-ordered.fifo";
const DELIVERIES: &str = "deliveries.fifo";
const DELIVERIES_WIDE: &str = "deliveries-wide.fifo";

/// The queues between the functions, in memory. Clones are the same queues.
#[derive(Debug, Clone)]
pub struct Queues {
    /// Ordered events of backends, as text.
    pub events_ordered: Fifo<String>,
    /// The queue of the sequencer.
    pub publications: Fifo<Submission>,
    /// The way to the sequencer for what is beyond the rate of its room.
    pub publications_held: Fifo<Submission>,
    /// The queue of the fan-out for narrow rooms.
    pub deliveries: Fifo<Job>,
    /// The queue of the fan-out for wide rooms.
    pub deliveries_wide: Fifo<Job>,
    /// The dead letters that functions wrote.
    pub dead: Arc<Mutex<Vec<DeadLetter>>>,
    /// Postponed checks of the presence function.
    pub checks: Delayed<Check>,
    bug: Option<Bug>,
    calls: Arc<AtomicU32>,
}

impl Queues {
    /// Empty queues, which share this clock.
    #[must_use]
    pub fn new(clock: TurnedClock) -> Self {
        Self {
            events_ordered: Fifo::new(EVENTS_ORDERED, clock.clone()),
            publications: Fifo::new(PUBLICATIONS, clock.clone()),
            publications_held: Fifo::new(PUBLICATIONS_HELD, clock.clone()),
            deliveries: Fifo::new(DELIVERIES, clock.clone()),
            deliveries_wide: Fifo::new(DELIVERIES_WIDE, clock.clone()),
            dead: Arc::default(),
            checks: Delayed::new(clock),
            bug: None,
            calls: Arc::default(),
        }
    }

    /// The same queues, for a caller with this bug.
    #[must_use]
    pub fn with_bug(self, bug: Option<Bug>) -> Self {
        Self { bug, ..self }
    }

    /// Reports whether a bug that happens now and then happens now.
    fn errs(&self, bug: Bug) -> bool {
        self.bug == Some(bug) && self.calls.fetch_add(1, Ordering::Relaxed) % 8 == 7
    }

    /// Applies a bug to a submission.
    fn mistaken(&self, submission: &Submission) -> Submission {
        let mut submission = submission.clone();
        match self.bug {
            Some(Bug::OutboxIdsAnew) if submission.publisher == Publisher::outbox() => {
                let number = self.calls.fetch_add(1, Ordering::Relaxed);
                for item in &mut submission.items {
                    let anew = PublicationId::parse(format!("{}.{number}", item.id));
                    item.id = anew.unwrap_or_else(|_| item.id.clone());
                }
            }
            Some(Bug::EphemeralStored) => submission.ephemeral = None,
            Some(Bug::EchoForced) => submission.echo = true,
            _ => {}
        }
        submission
    }

    fn send(&self, job: &Job) {
        let late = matches!(job.work, Work::Late { .. });
        let lost = match self.bug {
            Some(Bug::LateSkipped) => late,
            Some(Bug::AnnouncementsLost) => matches!(job.work, Work::Presence { .. }),
            _ => job.work.range().is_some() && self.errs(Bug::JobsLost),
        };
        let reused = late && self.bug == Some(Bug::ReusedDeduplicationId);
        let deduplication_id = match &job.work {
            _ if reused => "late".to_owned(),
            Work::Shard { range } if self.bug == Some(Bug::EpochlessJobId) => {
                format!("{}-{}", range.after, range.through)
            }
            _ => job.deduplication_id(),
        };
        let queue = self.line(if self.bug == Some(Bug::WideThroughNarrow) { Line::Narrow } else { job.line });
        if self.bug == Some(Bug::JobsQueuedTwice) && matches!(job.work, Work::Shard { .. }) {
            queue.send(job.group(), format!("{deduplication_id}.again"), job.clone());
        }
        if !lost {
            let (group, deduplication_id) = self.line_of(job, deduplication_id);
            queue.send(group, deduplication_id, job.clone());
        }
    }

    /// The group and the deduplication id of a job, or those that a bug gives it.
    fn line_of(&self, job: &Job, deduplication_id: String) -> (String, String) {
        let group = job.group();
        match (self.bug, &job.work) {
            (Some(Bug::JobsInOneLine), _) => ("everything".to_owned(), format!("{group}.{deduplication_id}")),
            (Some(Bug::LateOnMainLine), Work::Late { range, .. }) => {
                let main = Job { work: Work::Shard { range: range.clone() }, ..job.clone() };
                (main.group(), deduplication_id)
            }
            _ => (group, deduplication_id),
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
        let submission = &self.mistaken(submission);
        let queue = if submission.held_number().is_some() { &self.publications_held } else { &self.publications };
        let is_reminder = submission.reminder.is_some();
        let is_lost = is_reminder && self.bug == Some(Bug::RemindersLost);
        if !is_lost && !self.errs(Bug::AcceptBeforeEnqueue) {
            let is_reused = is_reminder && self.bug == Some(Bug::ReusedReminderId);
            let id = if is_reused { "reminder".to_owned() } else { submission.deduplication_id() };
            queue.send(submission.group(), id, submission.clone());
        }
        Ok(())
    }
}

impl Jobs for Queues {
    async fn dispatch(&self, jobs: &[Job]) -> Result<()> {
        jobs.iter().for_each(|job| self.send(job));
        Ok(())
    }
}

impl DeadLetters for Queues {
    async fn bury_letter(&self, letter: &DeadLetter) -> Result<()> {
        if self.bug == Some(Bug::PoisonForgotten) {
            return Ok(());
        }
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
            EVENTS_ORDERED => self.events_ordered.show_after(receipt, pause),
            PUBLICATIONS => self.publications.show_after(receipt, pause),
            PUBLICATIONS_HELD => self.publications_held.show_after(receipt, pause),
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
