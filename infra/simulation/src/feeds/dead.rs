//! Poison, dead letters, and their redrive.

use domain::{Epoch, Job, Line, Range, RoomId, Sequence, Shard, Work};

use super::Loose;
use crate::faults::Fault;
use crate::run::Run;

impl Run {
    /// A message that nobody can read is queued for a room.
    pub(crate) fn poison(&mut self, room: &RoomId) {
        let id = self.poison_id();
        let submission = testkit::samples::submission(room.as_str(), "mallory", &[&id]);
        let deduplication_id = submission.deduplication_id();
        self.feeds.poisonous.push(deduplication_id.clone());
        self.pipeline.queues.publications.send(submission.group(), deduplication_id, submission);
    }

    /// A job that nobody can read is queued for the first shard of a room.
    pub(crate) fn poison_job(&mut self, room: &RoomId) {
        let id = self.poison_id();
        let (after, through) = (Sequence::new(0), Sequence::new(0));
        let range = Range { epoch: Epoch::from_random(0), after, through };
        let job = Job { room: room.clone(), shard: Shard::FIRST, line: Line::Narrow, work: Work::Shard { range } };
        self.feeds.poisonous.push(id.clone());
        self.pipeline.queues.deliveries.send(job.group(), id, job);
    }

    /// A look at a room that nobody can read is due.
    pub(crate) fn poison_check(&mut self) {
        self.poison_id();
        self.feeds.loose(Loose::poisonous_check(), self.now());
    }

    fn poison_id(&mut self) -> String {
        self.published += 1;
        self.shared.lock().faults.note(Fault::Poison);
        format!("poison{}", self.published)
    }

    /// What is dead and can be read is queued again, so many times.
    pub(crate) fn redrive(&mut self, times: u32) {
        let queues = self.pipeline.queues.clone();
        let (publications, jobs, loose) = (
            std::mem::take(&mut self.feeds.dead_publications),
            std::mem::take(&mut self.feeds.dead_deliveries),
            std::mem::take(&mut self.feeds.dead_loose),
        );
        let can_be_read = |id: &String| !self.feeds.poisonous.contains(id);
        let publications: Vec<_> = publications.into_iter().filter(|one| can_be_read(&one.deduplication_id)).collect();
        let jobs: Vec<_> = jobs.into_iter().filter(|one| can_be_read(&one.deduplication_id)).collect();
        let letters = publications.len() + jobs.len() + loose.len();
        for _ in 0..times {
            publications.iter().for_each(|message| queues.publications.repeat(message));
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
