//! Jobs that could not be done: they come back, until they are dead letters that name who misses what.

use std::collections::HashSet;

use domain::ports::{self, Chance, Clock, Connections, DeadLetter, DeadLetters, Gateway, Jobs, Memberships, Rooms};
use domain::{ConnectionId, Job, LateMember, Work};
use lambda_kit::batch::{Failed, Message};

use crate::tally::Tally;
use crate::{Fanout, come_back};

/// Why a range was not delivered, and how far it was.
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

impl<T, Q, G, C, R> Fanout<T, Q, G, C, R>
where
    T: Connections + Memberships + Rooms,
    Q: Jobs + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    /// Jobs that failed come back, or are dead letters if they were tried often enough.
    pub(crate) async fn give_back(
        &self,
        jobs: Vec<(Message, Job)>,
        stopped: &Stopped,
        tally: &mut Tally,
    ) -> Vec<Failed> {
        let (hopeless, others): (Vec<_>, Vec<_>) =
            jobs.into_iter().partition(|(message, _)| message.is_hopeless_after(&stopped.error));
        let mut failed = match others.first().cloned() {
            Some((_, first)) => come_back(&first, others.into_iter().map(|(message, _)| message), &stopped.error),
            None => Vec::new(),
        };
        for (message, job) in hopeless {
            failed.extend(self.bury(message, &job, stopped, tally).await);
        }
        failed
    }

    /// Makes a job dead letters; if that cannot be, it comes back, and the queue does so in its own way.
    async fn bury(&self, message: Message, job: &Job, stopped: &Stopped, tally: &mut Tally) -> Option<Failed> {
        let owed = self.still_owed(job, &stopped.settled).await;
        for (part, owed) in owed.iter().enumerate() {
            let letter = letter(&message, part, owed, &stopped.error);
            if let Some(failed) = message.clone().bury(letter, &self.queues).await {
                return Some(failed);
            }
        }
        tally.poison += 1;
        None
    }

    /// What is left of a job: late jobs for those members of its shard that need it. The job as it came, if that cannot be
    /// found out.
    async fn still_owed(&self, job: &Job, settled: &HashSet<ConnectionId>) -> Vec<Job> {
        let Work::Shard { range } = &job.work else { return vec![job.clone()] };
        let Ok(mut members) = self.connections_of(job).await else { return vec![job.clone()] };
        members.retain(|member| !settled.contains(member));
        let members: Vec<LateMember> = members.into_iter().map(LateMember::new).collect();
        let not_before = self.clock.now();
        members
            .chunks(self.limits.members_per_late_job)
            .map(|members| Work::Late { range: range.clone(), attempt: 1, not_before, members: members.to_vec() })
            .map(|work| Job { work, ..job.clone() })
            .collect()
    }

    async fn connections_of(&self, job: &Job) -> ports::Result<Vec<ConnectionId>> {
        let (mut members, mut after) = (Vec::new(), None);
        loop {
            let page = self.tables.page(&job.room, job.shard, after.as_ref()).await?;
            members.extend(page.members.into_iter().map(|member| member.connection));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(members),
            }
        }
    }
}

/// The letter is the job: whoever redrives it sends it as it is.
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
