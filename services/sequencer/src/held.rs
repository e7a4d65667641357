//! Held publications: when they are sequenced, and the gates that mark the end of the publications
//! that were submitted before a hold.

use domain::limits;
use domain::ports::{Chance, Charges, Clock, DeadLetters, Error, Holds, Jobs, Rooms, Submissions};
use domain::{Held, RoomId, Submission, Turn};
use lambda_kit::batch::{Failed, GivenBack, Message, hold_back};
use lambda_kit::deadline::Deadline;
use telemetry::field;

use crate::{Sequencer, Tally};

/// The name of the queue of held publications, without the prefix of the deployment.
const QUEUE: &str = "publications-held";

/// Returns true if a message came through the queue of held publications. A held message that was
/// redriven into `publications` is sequenced at once, because the gate may be behind it.
pub(crate) fn is_held(message: &Message) -> bool {
    message.receipt.queue.contains(QUEUE)
}

impl<T, Q, C, R> Sequencer<T, Q, C, R>
where
    T: Charges + Holds + Rooms,
    Q: Jobs + Submissions + DeadLetters,
    C: Clock,
    R: Chance,
{
    /// Sequences held messages of a room if it is their turn, up to half of the room's burst. The
    /// other messages return to the queue for the time that the sequenced ones take of the rate.
    pub(crate) async fn work_off_held(
        &self,
        room: &RoomId,
        ours: Vec<(Message, Submission)>,
        deadline: Deadline,
    ) -> (Vec<Failed>, Tally) {
        match self.turn(room, &ours).await {
            Ok(Turn::Now) => {}
            Ok(Turn::After(pause) | Turn::Gate(_, pause)) => {
                return (ours.into_iter().map(|(message, _)| message.retry_after(pause)).collect(), Tally::default());
            }
            Err(error) => {
                let GivenBack { failed, buried } = self.give_back(room, ours, &error).await;
                return (failed, Tally { dead: buried, ..Tally::default() });
            }
        }
        let mut ours = ours;
        let rest = ours.split_off(share(&ours));
        let numbers: Vec<(String, u64)> = ours
            .iter()
            .filter_map(|(message, submission)| Some((message.id.clone(), submission.held_number()?)))
            .collect();
        let (mut failed, tally) = self.work_off(room, ours, deadline).await;
        let has_left = |id: &String| !failed.iter().any(|failed| failed.message.id == *id);
        let through = numbers.iter().filter(|(id, _)| has_left(id)).map(|(_, number)| *number).max();
        if let Some(through) = through
            && let Err(error) = self.tables.release(room, through).await
        {
            tracing::warn!(
                { field::ROOM_ID.0 } = %room,
                { field::ERROR.0 } = %error,
                "could not store that held publications were sequenced; the room can hold fewer publications until the next batch"
            );
        }
        let rest = rest.into_iter().map(|(message, _)| message);
        let pause = failed.last().map_or(Some(limits::ROOM_RATE.takes(limits::HELD_AT_ONCE)), |last| last.retry_after);
        failed.extend(rest.map(|message| Failed { message, retry_after: pause }));
        (failed, tally)
    }

    /// Returns the next step for held messages. Sends the gate of their hold if it is due.
    async fn turn(&self, room: &RoomId, ours: &[(Message, Submission)]) -> Result<Turn, Error> {
        let receives = ours.first().map_or(1, |(message, _)| message.receives);
        let intake = self.tables.intakes(std::slice::from_ref(room)).await?.remove(room);
        let turn = intake.map_or(Turn::Now, |intake| intake.turn(receives, self.clock.now()));
        if let Turn::Gate(began, _) = turn {
            self.queues.submit(&Submission::gate(room, began)).await?;
        }
        Ok(turn)
    }

    /// Records that gates were reached. If a message in front of them failed, the gates return to
    /// the queue with it.
    pub(crate) async fn pass_gates(
        &self,
        room: &RoomId,
        gates: Vec<(Message, Submission)>,
        failed: Vec<Failed>,
        tally: &mut Tally,
    ) -> Vec<Failed> {
        let mut failed = failed;
        if let Some(last) = failed.pop() {
            failed.extend(hold_back(last, gates.into_iter().map(|(message, _)| message)));
            return failed;
        }
        for (message, submission) in gates {
            let Some(Held::Gate(began)) = submission.held else { continue };
            if let Err(error) = self.tables.pass_gate(room, began).await {
                let given_back = self.give_back(room, vec![(message, submission)], &error).await;
                tally.dead += given_back.buried;
                failed.extend(given_back.failed);
            }
        }
        failed
    }
}

/// Returns the number of messages to sequence in one turn, at least one.
fn share(ours: &[(Message, Submission)]) -> usize {
    let mut publications = 0;
    let fits = |(_, submission): &&(Message, Submission)| {
        publications += submission.items.len();
        publications <= limits::HELD_AT_ONCE as usize
    };
    ours.iter().take_while(fits).count().max(1).min(ours.len())
}
