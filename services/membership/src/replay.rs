//! What somebody who comes back is given of what they missed.

use domain::ports::{Chance, Clock};
use domain::{Head, Position, Publication, Range, Reject, Resume, RoomId, Sequence, fit, resume};
use protocol::block::{Block, Message};

use crate::{Asked, Membership, Ports, unavailable};

/// What a reply carries of a room's log.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// Whether nothing was missed up to `next`, or the head. `None` if nothing was asked.
    pub(crate) recovered: Option<bool>,
    /// Ask on from here.
    pub(crate) next: Option<Sequence>,
    /// The run.
    pub(crate) blocks: Vec<Block>,
}

impl<P: Ports, C: Clock, R: Chance> Membership<P, C, R> {
    /// Fills the reply, within its budget, with an unbroken run of the log after `since`. Says `recovered` only of what
    /// it gives: a row that is not there any more means that something was missed, and then nothing is given.
    pub(crate) async fn replay(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        since: Option<&Position>,
        head: &Head,
        budget_bytes: &mut usize,
    ) -> Result<Replay, Reject> {
        let after = match resume(since, head) {
            Resume::Fresh => return Ok(Replay::default()),
            Resume::Lost => return Ok(Replay { recovered: Some(false), ..Replay::default() }),
            Resume::After(after) => after,
        };
        let Some(rows) = self.run(asked, room, head, after, budget_bytes).await? else {
            return Ok(Replay { recovered: Some(false), ..Replay::default() });
        };
        let through = rows.last().map_or(after, |row| row.position.sequence);
        Ok(Replay {
            recovered: Some(true),
            next: (through < head.sequence).then_some(through),
            blocks: Block::of(room, &rows),
        })
    }

    /// The rows after `after` that fit; `None` if the next one is not there.
    async fn run(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        head: &Head,
        after: Sequence,
        budget_bytes: &mut usize,
    ) -> Result<Option<Vec<Publication>>, Reject> {
        let mut run: Vec<Publication> = Vec::new();
        loop {
            let after = run.last().map_or(after, |row| row.position.sequence);
            if after >= head.sequence {
                return Ok(Some(run));
            }
            let range = Range { epoch: head.epoch.clone(), after, through: head.sequence };
            let rows = self.ports.log(room, &range, self.limits.replay_page_rows, asked.now).await;
            let rows = rows.map_err(unavailable)?;
            let fitting = fit(&rows, after, *budget_bytes, Message::size_bytes).filter(|_| !rows.is_empty());
            let Some(taken) = fitting else {
                return Ok((!run.is_empty()).then_some(run));
            };
            *budget_bytes -= rows[..taken].iter().map(Message::size_bytes).sum::<usize>().min(*budget_bytes);
            let full = taken < rows.len();
            run.extend(rows.into_iter().take(taken));
            if full {
                return Ok(Some(run));
            }
        }
    }
}
