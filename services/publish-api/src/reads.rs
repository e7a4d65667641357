//! The routes that read a room: its position and number of members, and pages of its log.

use std::slice;

use domain::flow::read_page_backwards;
use domain::ports::{Clock, Commands, Submissions};
use domain::{Budget, Head, Reject, RoomId, Sequence, limits};
use futures::future::try_join;
use lambda_kit::http::Response;
use protocol::backend::http::RoomState;
use protocol::block::{Block, Message};
use protocol::reply::History;
use tokens::CheckBackends;

use crate::access::Query;
use crate::{Ports, PublishApi, unavailable};

/// JavaScript's `Number.MAX_SAFE_INTEGER`, as for requests of clients.
const LARGEST_EXACT: u64 = (1 << 53) - 1;

impl<P: Ports, Q: Submissions, T: Commands, K: CheckBackends, C: Clock> PublishApi<P, Q, T, K, C> {
    /// Reads the head, and the number of members at the last count.
    pub(crate) async fn room(&self, room: &RoomId) -> Result<Response, Reject> {
        let counted = async {
            // Inboxes and the room `*` have no presence, so their members are not counted.
            if room.has_presence() {
                self.tables.members_counted(slice::from_ref(room)).await.map(Some)
            } else {
                Ok(None)
            }
        };
        let (head, counted) = try_join(self.tables.head(room), counted).await.map_err(unavailable)?;
        let position = head.unwrap_or_else(|| Head::none(room)).position();
        let members = counted.map(|counted| counted.get(room).copied().unwrap_or_default());
        Ok(Response::json(200, &RoomState { room: room.clone(), position, members }))
    }

    /// Reads a page of publications, as the request `history` of a member does.
    pub(crate) async fn history(&self, room: &RoomId, query: &Query) -> Result<Response, Reject> {
        let most = limits::HISTORY_PUBLICATIONS;
        let before = query.number("before", 0..=LARGEST_EXACT)?.map(Sequence::new);
        let limit = query.number("limit", 1..=most as u64)?;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(most);
        let head = self.tables.head(room).await.map_err(unavailable)?.unwrap_or_else(|| Head::none(room));
        let through = before.map_or(head.sequence, |before| before.before().min(head.sequence));
        let (budget, page_rows) = (Budget::new(limits::REPLAY_BYTES), limits::REPLAY_PAGE_ROWS);
        let (size, now) = (Message::size_bytes, self.clock.now());
        let reading =
            read_page_backwards(&self.tables, room, &head.epoch, through, limit, page_rows, budget, size, now);
        let (mut page, more) = reading.await.map_err(unavailable)?;
        page.reverse();
        let first = page.first().map(|row| row.position.sequence);
        let history = History {
            room: room.clone(),
            ep: head.epoch,
            seq: head.sequence,
            before: first.filter(|first| more && *first > Sequence::new(1)),
            history: Block::of(room, &page),
        };
        Ok(Response::json(200, &history))
    }
}
