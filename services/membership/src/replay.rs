//! The part of a room's log that a returning member has missed.

use domain::flow::read_run;
use domain::ports::{Chance, Clock};
use domain::{Budget, Head, Publication, Range, Reject, Resume, RoomId, Sequence};
use protocol::block::{Block, Message};
use tokens::CheckTokens;

use crate::{Asked, Membership, Ports, unavailable};

/// The part of a room's log that a reply carries.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// True if no publication was missed up to `next`, or up to the head. `None` if the client
    /// asked from no position.
    pub(crate) recovered: Option<bool>,
    /// The sequence from which the client continues; `None` if the replay reaches the head.
    pub(crate) next: Option<Sequence>,
    /// The replayed publications, in order.
    pub(crate) blocks: Vec<Block>,
}

impl<P: Ports, C: Clock, R: Chance, K: CheckTokens> Membership<P, C, R, K> {
    /// Fills the reply, within its budget, with an unbroken run of the log as `resume` decided.
    /// `recovered` is true only for the publications that the reply carries: if the next row is not
    /// in the log any more, it was missed, and the reply carries nothing. If the budget is spent,
    /// nothing is read.
    pub(crate) async fn replay(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        resume: Resume,
        head: &Head,
        budget: &mut Budget,
    ) -> Result<Replay, Reject> {
        let after = match resume {
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

    /// Reads the rows after `after` that fit; `None` if the first of them is not in the log.
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
