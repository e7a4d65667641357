//! History: a page of what was published, latest first to find, in order to read.

use domain::ports::{Chance, Clock};
use domain::{Code, Epoch, Publication, Reject, RoomId, Sequence};
use protocol::block::{Block, Message};
use protocol::reply::History;

use crate::{Asked, Membership, Ports, unavailable};

impl<P: Ports, C: Clock, R: Chance> Membership<P, C, R> {
    /// At most `limit` publications before `before` (or up to the head), as many of them as fit one reply.
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
        let head = match self.ports.head(room).await.map_err(unavailable)? {
            Some(head) => head,
            None => {
                let epoch = Epoch::from_random(self.chance.bits());
                self.ports.create(room, &epoch).await.map_err(unavailable)?
            }
        };
        let through = before.map_or(head.sequence, |before| Sequence::new(before.get().saturating_sub(1)));
        let rows = self.ports.log_backwards(room, &head.epoch, through, limit, asked.now).await.map_err(unavailable)?;
        let found = rows.len();
        let mut page = first_that_fit(rows, self.limits.replay_bytes);
        let more = found == limit || page.len() < found;
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

fn first_that_fit(mut rows: Vec<Publication>, budget_bytes: usize) -> Vec<Publication> {
    let mut bytes = 0;
    let fitting = rows.iter().take_while(|row| {
        bytes += Message::size_bytes(row);
        bytes <= budget_bytes
    });
    let fitting = fitting.count();
    rows.truncate(fitting);
    rows
}
