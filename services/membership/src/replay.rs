//! The part of a room's log that a member that returns has missed.

use domain::flow::read_run;
use domain::ports::{Chance, Clock};
use domain::{Budget, Head, Position, Publication, Range, Reject, Resume, RoomId, Sequence, resume};
use protocol::block::{Block, Message};
use tokens::CheckTokens;

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

impl<P: Ports, C: Clock, R: Chance, K: CheckTokens> Membership<P, C, R, K> {
    /// Fills the reply, within its budget, with an unbroken run of the log after `since`. `recovered` is true only of what
    /// the reply carries: a row that is not there any more was missed, and then the reply carries nothing. Where the budget
    /// is spent, nothing is read.
    pub(crate) async fn replay(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        since: Option<&Position>,
        head: &Head,
        budget: &mut Budget,
    ) -> Result<Replay, Reject> {
        let after = match resume(since, head) {
            Resume::Fresh => return Ok(Replay::default()),
            Resume::Lost => return Ok(Replay { recovered: Some(false), ..Replay::default() }),
            Resume::After(after) => after,
        };
        let Some(rows) = self.run(asked, room, head, after, budget).await? else {
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
        budget: &mut Budget,
    ) -> Result<Option<Vec<Publication>>, Reject> {
        let mut run: Vec<Publication> = Vec::new();
        let mut rest = Range { epoch: head.epoch.clone(), after, through: head.sequence };
        while rest.after < rest.through {
            let limit = budget.rows_to_read().min(self.limits.replay_page_rows);
            if limit == 0 {
                break;
            }
            let mut rows = read_run(&self.ports, room, &rest, limit, asked.now).await.map_err(unavailable)?;
            if rows.is_empty() {
                return Ok((!run.is_empty()).then_some(run));
            }
            budget.take(&mut rows, Message::size_bytes);
            let Some(last) = rows.last() else { break };
            rest.after = last.position.sequence;
            run.append(&mut rows);
        }
        Ok(Some(run))
    }
}
