//! Jobs that failed: they return to their queue, or become dead letters that name the members that
//! lack the range.

use std::collections::HashSet;

use domain::ports::{self, Clock, DeadLetter, Memberships};
use domain::{ConnectionId, Job, LateMember, Work};
use lambda_kit::batch::{self, Failed, GivenBack, Message};
use telemetry::field;

use crate::Ports;
use crate::shift::Shift;
use crate::tally::range_text;

/// The error that stopped a delivery, and the members that need nothing more of its range.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) error: ports::Error,
    /// Members that need nothing more of the range: they have it, are late already, or are gone.
    pub(crate) settled: HashSet<ConnectionId>,
}

impl From<ports::Error> for Stopped {
    fn from(error: ports::Error) -> Self {
        Self { error, settled: HashSet::new() }
    }
}

/// Returns the failed jobs of a shard to their queue, or moves them to the dead-letter queue.
pub(crate) struct DeadLetters<'a, P: Ports> {
    shift: &'a Shift<'a, P>,
}

impl<'a, P: Ports> DeadLetters<'a, P> {
    pub(crate) fn new(shift: &'a Shift<'a, P>) -> Self {
        Self { shift }
    }

    /// Returns failed jobs to their queue, in order. Jobs that are given up become dead letters.
    pub(crate) async fn give_back(&self, jobs: Vec<(Message, Job)>, stopped: &Stopped) -> GivenBack {
        let Some((_, first)) = jobs.first().cloned() else { return GivenBack::default() };
        let bury = |message, job| self.bury(message, job, stopped);
        let given_back = batch::give_back(jobs, &stopped.error, self.shift.fanout.clock.now(), bury).await;
        if !given_back.failed.is_empty() {
            tracing::error!(
                { field::ROOM_ID.0 } = %first.room,
                { field::ROOM_SHARD.0 } = first.shard.get(),
                { field::PUBLICATION_RANGE.0 } = first.work.range().map(|range| range_text(&first.room, range)),
                { field::ERROR.0 } = %stopped.error,
                "delivery to a shard failed; {} jobs return to the queue",
                given_back.failed.len()
            );
        }
        given_back
    }

    /// Moves a job to the dead-letter queue, as one letter for each late job that is left of it.
    async fn bury(&self, message: Message, job: Job, stopped: &Stopped) -> Option<Failed> {
        let owed = self.still_owed(&job, &stopped.settled).await;
        for (part, owed) in owed.iter().enumerate() {
            let letter = letter(&message, part, owed, &stopped.error);
            if let Some(failed) = message.clone().bury(letter, &self.shift.fanout.queues).await {
                return Some(failed);
            }
        }
        None
    }

    /// Returns the late jobs that are left of a job: they name the members of its shard that still
    /// need the range. If the members cannot be listed, the job itself is returned.
    async fn still_owed(&self, job: &Job, settled: &HashSet<ConnectionId>) -> Vec<Job> {
        let Work::Shard { range } = &job.work else { return vec![job.clone()] };
        let Ok(mut members) = self.connections_of(job).await else { return vec![job.clone()] };
        members.retain(|member| !settled.contains(member));
        let members: Vec<LateMember> = members.into_iter().map(LateMember::new).collect();
        let not_before = self.shift.fanout.clock.now();
        members
            .chunks(self.shift.limits().members_per_late_job)
            .map(|members| Work::Late { range: range.clone(), attempt: 1, not_before, members: members.to_vec() })
            .map(|work| Job { work, ..job.clone() })
            .collect()
    }

    async fn connections_of(&self, job: &Job) -> ports::Result<Vec<ConnectionId>> {
        let (mut members, mut after) = (Vec::new(), None);
        loop {
            let page = self.shift.fanout.tables.page(&job.room, job.shard, after.as_ref()).await?;
            members.extend(page.members.into_iter().map(|member| member.connection));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(members),
            }
        }
    }
}

/// Builds a letter whose body is the job, so that a redrive sends it to the queue as it is.
fn letter(message: &Message, part: usize, job: &Job, error: &ports::Error) -> DeadLetter {
    DeadLetter {
        id: format!("{}.{part}", message.id),
        group: Some(job.group()),
        body: protocol::queue::encode(job).unwrap_or_else(|_| message.body.clone()),
        room: Some(job.room.clone()),
        missed: job.work.range().cloned(),
        ..message.letter(format_args!("tried {} times; at last: {error}", message.receives))
    }
}
