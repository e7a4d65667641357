//! The request `history`: a page of a room's publications. The newest are found first, and the page
//! lists them in order.

use domain::flow::read_page_backwards;
use domain::ports::{Chance, Clock};
use domain::{Budget, Code, Head, Reject, RoomId, Sequence};
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
        let (budget, page_rows) = (Budget::new(self.limits.replay_bytes), self.limits.replay_page_rows);
        let size = Message::size_bytes;
        let reading =
            read_page_backwards(&self.ports, room, &head.epoch, through, limit, page_rows, budget, size, asked.now);
        let (mut page, more) = reading.await.map_err(unavailable)?;
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
}
