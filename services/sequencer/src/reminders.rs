//! Reminders: the jobs of a room wait while its shards are far behind with earlier jobs.
//!
//! The reminder is sent after the append, and each append has its own. It leaves its queue only
//! when jobs through its position are queued. So the jobs are queued even if the room gets no more
//! publications, and whichever process dies.

use domain::ports::{Chance, Charges, Clock, DeadLetters, Error, Holds, Jobs, Rooms, Submissions};
use domain::{Dispatch, Head, RoomId, Submission, limits};
use futures::future::try_join_all;
use lambda_kit::batch::{Failed, Message, hold_back};
use telemetry::field;

use crate::{Sequencer, Tally};

impl<T, Q, C, R> Sequencer<T, Q, C, R>
where
    T: Charges + Holds + Rooms,
    Q: Jobs + Submissions + DeadLetters,
    C: Clock,
    R: Chance,
{
    /// Decides when the next jobs of a room are queued, by the progress of its shards. If that
    /// cannot be read, the jobs are queued at once.
    pub(crate) async fn time_of_jobs(&self, room: &RoomId, head: &Head) -> Dispatch {
        let shards = head.shards_to_compare(self.clock.now());
        let read = async |shard| self.tables.delivered(room, shard, &head.epoch).await;
        match try_join_all(shards.into_iter().map(read)).await {
            Ok(delivered) => {
                let ends: Vec<_> = delivered.into_iter().map(|range| range.map(|range| range.through)).collect();
                head.dispatch(&ends, self.limits.jobs_per_room, self.clock.now())
            }
            Err(error) => {
                tracing::warn!(
                    { field::ROOM_ID.0 } = %room,
                    { field::ERROR.0 } = %error,
                    "could not read the progress of the shards of a room; its jobs are queued at once"
                );
                Dispatch::Now
            }
        }
    }

    /// Sends a reminder of the jobs through a head. Returns false if it could not be sent.
    pub(crate) async fn remind(&self, room: &RoomId, head: &Head) -> bool {
        let reminder = Submission::reminder(room, head.position(), self.clock.now());
        let sent = self.queues.submit(&reminder).await;
        if let Err(error) = &sent {
            tracing::warn!(
                { field::ROOM_ID.0 } = %room,
                { field::ERROR.0 } = %error,
                "could not send a reminder; the jobs of the room are queued at once"
            );
        }
        sent.is_ok()
    }

    /// Queues the jobs of a room if it is time, and returns the reminders that have to wait.
    pub(crate) async fn work_off_reminders(
        &self,
        room: &RoomId,
        reminders: Vec<(Message, Submission)>,
    ) -> (Vec<Failed>, Tally) {
        if reminders.is_empty() {
            return (Vec::new(), Tally::default());
        }
        match self.catch_up(room, &reminders).await {
            Ok((failed, jobs)) => (failed, Tally { jobs, ..Tally::default() }),
            Err(error) => {
                tracing::error!(
                    { field::ROOM_ID.0 } = %room,
                    { field::ERROR.0 } = %error,
                    "could not queue jobs; {} reminders return to the queue",
                    reminders.len()
                );
                // Receives say nothing about failures here: each wait of a reminder is one.
                let waited = |message: &Message| self.clock.now().since(message.first_received_at);
                let pause = |message: &Message| {
                    (waited(message) / 4).clamp(limits::REMINDER_PAUSE, limits::LONGEST_RETRY_PAUSE)
                };
                let mut messages = reminders.into_iter().map(|(message, _)| message);
                let first = messages.next().map(|first| (pause(&first), first));
                let failed = first.map(|(pause, first)| hold_back(first.retry_after(pause), messages));
                (failed.unwrap_or_default(), Tally::default())
            }
        }
    }

    async fn catch_up(&self, room: &RoomId, reminders: &[(Message, Submission)]) -> Result<(Vec<Failed>, u64), Error> {
        let Some(head) = self.tables.head(room).await? else { return Ok((Vec::new(), 0)) };
        // The head was read after the reminders were sent, so its jobs are those of all of them.
        if reminders.iter().all(|(_, reminder)| is_done(reminder, &head)) {
            return Ok((Vec::new(), 0));
        }
        match self.time_of_jobs(room, &head).await {
            Dispatch::Now => Ok((Vec::new(), self.queue_jobs(room, &head).await?)),
            Dispatch::After(pause) => {
                let waiting = reminders.iter().filter(|(_, reminder)| !is_done(reminder, &head));
                Ok((waiting.map(|(message, _)| message.clone().retry_after(pause)).collect(), 0))
            }
        }
    }
}

/// Reports whether the jobs that a reminder asks for are queued, or of an epoch that is over.
fn is_done(reminder: &Submission, head: &Head) -> bool {
    reminder.reminder.as_ref().is_none_or(|through| through.epoch != head.epoch || through.sequence <= head.sent)
}
