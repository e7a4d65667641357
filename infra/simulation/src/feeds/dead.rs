//! Poison, dead letters, and their redrive.

use domain::RoomId;

use crate::faults::Fault;
use crate::run::Run;

impl Run {
    /// A message that nobody can read is queued for a room.
    pub(crate) fn poison(&mut self, room: &RoomId) {
        self.published += 1;
        let id = format!("poison{}", self.published);
        let submission = testkit::samples::submission(room.as_str(), "mallory", &[&id]);
        let deduplication_id = submission.deduplication_id();
        self.feeds.poisonous.push(deduplication_id.clone());
        self.pipeline.queues.publications.send(submission.group(), deduplication_id, submission);
        self.shared.lock().faults.note(Fault::Poison);
    }

    /// What is dead and can be read is queued again.
    pub(crate) fn redrive(&mut self, times: u32) {
        let queues = self.pipeline.queues.clone();
        for _ in 0..times {
            for message in self.feeds.dead_publications.clone() {
                if !self.feeds.poisonous.contains(&message.deduplication_id) {
                    queues.publications.repeat(&message);
                }
            }
            for message in self.feeds.dead_deliveries.clone() {
                queues.line(message.body.line).repeat(&message);
            }
        }
    }
}
