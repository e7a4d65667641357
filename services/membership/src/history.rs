//! The request `history`: a page of a room's publications. The newest are found first, and the page
//! lists them in
//! order.

use domain::flow::read_run_backwards;
use domain::ports::{Chance, Clock};
use domain::{Budget, Code, Epoch, Head, Publication, Reject, RoomId, Sequence};
use protocol::block::{Block, Message};
use protocol::reply::History;
use tokens::CheckTokens;

use crate::{Asked, Membership, Ports, unavailable};

impl<P: Ports, C: Clock, R: Chance, K: CheckTokens> Membership<P, C, R, K> {
    /// Returns at most `limit` publications before `before` (or up to the head), as many as fit one
    /// reply.
    pub(crate) async fn history(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<History, Reject> {
        if !asked.identity.may_read_history(room) {
            let message = format!("the history of room {room} may not be read with this token");
            return Err(Reject::new(Code::Forbidden, message).of("room"));
        }
        let head = self.ports.head(room).await.map_err(unavailable)?.unwrap_or_else(|| Head::none(room));
        let through = before.map_or(head.sequence, |before| before.before().min(head.sequence));
        let (mut page, more) = self.page(asked, room, &head.epoch, through, limit).await?;
        page.reverse();
        let first = page.first().map(|row| row.position.sequence);
        Ok(History {
            room: room.clone(),
            ep: head.epoch,
            seq: head.sequence,
            before: first.filter(|first| more && *first > Sequence::new(1)),
            history: Block::of(room, &page),
        })
    }

    /// Returns the rows at or before `through` that fit one reply, newest first. The flag is true
    /// if older rows may exist.
    async fn page(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        epoch: &Epoch,
        mut through: Sequence,
        limit: usize,
    ) -> Result<(Vec<Publication>, bool), Reject> {
        let (mut page, mut budget) = (Vec::new(), Budget::new(self.limits.replay_bytes));
        while page.len() < limit && through > Sequence::ZERO {
            let count = budget.rows_to_read().min(limit - page.len()).min(self.limits.replay_page_rows);
            if count == 0 {
                break;
            }
            let reading = read_run_backwards(&self.ports, room, epoch, through, count, asked.now);
            let mut rows = reading.await.map_err(unavailable)?;
            let found = rows.len();
            budget.take(&mut rows, Message::size_bytes);
            let fit = rows.len();
            page.append(&mut rows);
            if fit == found && found < count {
                return Ok((page, false));
            }
            through = page.last().map_or(through, |row| row.position.sequence.before());
        }
        Ok((page, true))
    }
}
