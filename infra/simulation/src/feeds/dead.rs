//! Poison, dead letters, and their redrive.

use std::sync::PoisonError;

use domain::ports::DeadLetter;
use domain::{Epoch, Job, Line, Range, RoomId, Sequence, Shard, Submission, Work};
use testkit::memory::Queues;

use super::{HELD, Loose};
use crate::faults::Fault;
use crate::run::Run;

/// The deduplication ids of redriven letters begin with this.
pub(crate) const REDRIVEN: &str = "redriven.";

impl Run {
    /// Queues a message that cannot be parsed, in the group of a room.
    pub(crate) fn poison(&mut self, room: &RoomId) {
        let id = self.poison_id();
        let submission = testkit::samples::submission(room.as_str(), "mallory", &[&id]);
        let deduplication_id = submission.deduplication_id();
        self.feeds.poisonous.push(deduplication_id.clone());
        self.pipeline.queues.publications.send(submission.group(), deduplication_id, submission);
    }

    /// Queues a job that cannot be parsed, for the first shard of a room.
    pub(crate) fn poison_job(&mut self, room: &RoomId) {
        let id = self.poison_id();
        let (after, through) = (Sequence::new(0), Sequence::new(0));
        let range = Range { epoch: Epoch::from_random(0), after, through };
        let job = Job { room: room.clone(), shard: Shard::FIRST, line: Line::Narrow, work: Work::Shard { range } };
        self.feeds.poisonous.push(id.clone());
        self.pipeline.queues.deliveries.send(job.group(), id, job);
    }

    /// Queues a check that cannot be parsed.
    pub(crate) fn poison_check(&mut self) {
        self.poison_id();
        self.feeds.loose(Loose::poisonous_check(), self.now());
    }

    fn poison_id(&mut self) -> String {
        self.published += 1;
        self.shared.lock().faults.note(Fault::Poison);
        format!("poison{}", self.published)
    }

    /// Queues every dead letter again, this many times, except those that cannot be parsed.
    pub(crate) fn redrive(&mut self, times: u32) {
        let queues = self.pipeline.queues.clone();
        let (ordered, publications, jobs, loose) = (
            std::mem::take(&mut self.feeds.dead_ordered),
            std::mem::take(&mut self.feeds.dead_publications),
            std::mem::take(&mut self.feeds.dead_deliveries),
            std::mem::take(&mut self.feeds.dead_loose),
        );
        let can_be_read = |id: &String| !self.feeds.poisonous.contains(id);
        let publications: Vec<_> = publications.into_iter().filter(|one| can_be_read(&one.deduplication_id)).collect();
        let jobs: Vec<_> = jobs.into_iter().filter(|one| can_be_read(&one.deduplication_id)).collect();
        let written = self.letters();
        for letter in &written {
            if let Letter::Submission(_, submission) = letter {
                self.feeds.overtaken.extend(submission.items.iter().map(|item| item.id.to_string()));
            }
        }
        let letters = written.len() + ordered.len() + publications.len() + jobs.len() + loose.len();
        for time in 0..times {
            written.iter().for_each(|letter| letter.queue(&queues, time));
            ordered.iter().for_each(|message| queues.events_ordered.repeat(message));
            for message in &publications {
                let is_held = message.receipt.queue.starts_with(HELD);
                if is_held { &queues.publications_held } else { &queues.publications }.repeat(message);
            }
            jobs.iter().for_each(|message| queues.line(message.body.line).repeat(message));
            for message in &loose {
                self.feeds.loose(Loose { receives: 0, ..message.clone() }, self.shared.lock().now);
            }
        }
        for _ in 0..letters {
            self.shared.lock().faults.note(Fault::Redriven);
        }
    }
}

impl Run {
    /// Redrives letters that were written after all faults had ended: an invocation was refused
    /// before, and gave its message up then.
    pub(super) fn redrive_later_letters(&mut self) {
        let letters = || self.pipeline.queues.dead.lock().unwrap_or_else(PoisonError::into_inner).len();
        if self.feeds.healed && letters() != self.feeds.letters_left {
            self.redrive(1);
        }
    }
}

/// A message that a function itself has put into a dead-letter queue.
enum Letter {
    Submission(String, Submission),
    Job(String, Job),
}

impl Letter {
    /// Parses a dead letter; `None` if its body cannot be parsed.
    fn of(letter: &DeadLetter) -> Option<Self> {
        let id = letter.id.clone();
        match letter.source.split('.').next()? {
            "publications" | "publications-held" => {
                protocol::queue::decode(&letter.body).ok().map(|body| Self::Submission(id, body))
            }
            "deliveries" | "deliveries-wide" => {
                protocol::queue::decode(&letter.body).ok().map(|body| Self::Job(id, body))
            }
            _ => None,
        }
    }

    /// Sends the body unchanged into the queue that it came from.
    fn queue(&self, queues: &Queues, time: u32) {
        match self {
            Self::Submission(id, submission) => {
                queues.publications.send(submission.group(), format!("{REDRIVEN}{id}.{time}"), submission.clone())
            }
            Self::Job(id, job) => {
                queues.line(job.line).send(job.group(), format!("{REDRIVEN}{id}.{time}"), job.clone())
            }
        };
    }
}

impl Run {
    /// Takes the letters that functions wrote since the last redrive.
    fn letters(&mut self) -> Vec<Letter> {
        let mut dead = self.pipeline.queues.dead.lock().unwrap_or_else(PoisonError::into_inner);
        let letters = dead.iter().filter_map(Letter::of).collect();
        dead.retain(|letter| Letter::of(letter).is_none());
        self.feeds.letters_left = dead.len();
        letters
    }
}
