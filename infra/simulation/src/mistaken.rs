//! A wrapper of the queues that changes what a function sends, as a mistake in the function would.

use std::time::Duration;

use domain::ports::{Checks, DeadLetter, DeadLetters, Jobs, Receipt, Result, Retries, Submissions};
use domain::{Check, Epoch, Job, Position, Range, RoomId, Sequence, Submission, Work};
use testkit::memory::Queues;

use crate::core::Shared;
use crate::executor::TaskId;
use crate::mistake::Mistake;

/// The queues, with or without a mistake.
#[derive(Clone)]
pub(crate) struct Mistaken {
    pub(crate) queues: Queues,
    pub(crate) shared: Shared,
    pub(crate) task: Current,
    pub(crate) mistake: Option<Mistake>,
}

impl Mistaken {
    /// Applies the mistake to a job; returns `None` if the job is not sent.
    fn job(&self, job: &Job) -> Option<Job> {
        let Work::Late { range, attempt: 1, not_before, members } = &job.work else { return Some(job.clone()) };
        if self.mistake != Some(Mistake::DeadlineDrops) {
            return Some(job.clone());
        }
        // Members without any try of a post are those that the deadline skipped.
        let tried = |member: &domain::LateMember| self.was_posted(&member.connection, &job.room, range);
        let members: Vec<_> = members.iter().filter(|member| tried(member)).cloned().collect();
        let work = Work::Late { range: range.clone(), attempt: 1, not_before: *not_before, members };
        let dropped = matches!(&work, Work::Late { members, .. } if members.is_empty());
        (!dropped).then(|| Job { work, ..job.clone() })
    }

    /// Reports whether this invocation tried to post any position of a range to a connection.
    fn was_posted(&self, connection: &domain::ConnectionId, room: &RoomId, range: &Range) -> bool {
        let task = self.task.get();
        let core = self.shared.lock();
        positions(range).any(|at| core.wire.was_tried(task, connection, room, &at))
    }
}

fn positions(range: &Range) -> impl Iterator<Item = Position> {
    let epoch: Epoch = range.epoch.clone();
    (range.after.get() + 1..=range.through.get())
        .map(move |sequence| Position { epoch: epoch.clone(), sequence: Sequence::new(sequence) })
}

/// The invocation that a process serves now.
#[derive(Debug, Clone)]
pub(crate) struct Current(std::sync::Arc<std::sync::Mutex<TaskId>>);

impl Current {
    /// Starts with this invocation.
    pub(crate) fn new(task: TaskId) -> Self {
        Self(std::sync::Arc::new(std::sync::Mutex::new(task)))
    }

    /// The invocation that is served now.
    pub(crate) fn get(&self) -> TaskId {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Replaces the invocation: the process serves another one from now on.
    pub(crate) fn set(&self, task: TaskId) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = task;
    }
}

impl Submissions for Mistaken {
    async fn submit(&self, submission: &Submission) -> Result<()> {
        self.queues.submit(submission).await
    }
}

impl Jobs for Mistaken {
    async fn dispatch(&self, jobs: &[Job]) -> Result<()> {
        let jobs: Vec<Job> = jobs.iter().filter_map(|job| self.job(job)).collect();
        let late = jobs.iter().filter(|job| matches!(job.work, Work::Late { .. }));
        late.for_each(|job| self.shared.lock().wire.made_late_by(self.task.get(), job));
        self.queues.dispatch(&jobs).await
    }
}

impl DeadLetters for Mistaken {
    async fn bury_letter(&self, letter: &DeadLetter) -> Result<()> {
        self.queues.bury_letter(letter).await
    }
}

impl Checks for Mistaken {
    async fn check_after(&self, check: &Check, delay: Duration) -> Result<()> {
        self.queues.check_after(check, delay).await
    }
}

impl Retries for Mistaken {
    async fn retry_after(&self, receipt: &Receipt, pause: Duration) -> Result<()> {
        self.queues.retry_after(receipt, pause).await
    }
}
