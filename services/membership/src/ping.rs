//! The request `ping`: a client sends its positions, and the pong names the rooms that it should
//! ask for.

use std::collections::{BTreeMap, HashMap};

use domain::ports::{Chance, Clock};
use domain::{Head, Position, Reject, RoomId};
use protocol::server::System;
use tokens::CheckTokens;

use crate::{Asked, Membership, Ports, by_room, unavailable};

impl<P: Ports, C: Clock, R: Chance, K: CheckTokens> Membership<P, C, R, K> {
    pub(crate) async fn ping(&self, asked: &Asked<'_>, at: Vec<(RoomId, Position)>) -> Result<System, Reject> {
        let (may_hear, others): (Vec<_>, Vec<_>) = at.into_iter().partition(|(room, _)| asked.identity.may_join(room));
        let (given, lost) = self.given(asked, others).await?;
        let at: Vec<(RoomId, Position)> = may_hear.into_iter().chain(given).collect();
        let heads = self.heads(&at).await?;
        let mut behind = BTreeMap::new();
        for (room, at) in at {
            if let Some(position) = to_ask_for(at, heads.get(&room)) {
                behind.insert(room, position);
            }
        }
        // The client still lists rooms that it was removed from, because it missed the `left`
        // message. It asks for them and is refused. The pong does not show the positions of these
        // rooms.
        behind.extend(lost.into_iter().map(|(room, at)| (room, beyond(at))));
        Ok(System::Pong { behind })
    }

    /// Splits rooms that the token does not allow: those that a backend granted all the same, and
    /// the others.
    async fn given(
        &self,
        asked: &Asked<'_>,
        rooms: Vec<(RoomId, Position)>,
    ) -> Result<(Vec<(RoomId, Position)>, Vec<(RoomId, Position)>), Reject> {
        if rooms.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let held = by_room(self.ports.holdings(&asked.joiner.member.connection).await)?;
        Ok(rooms.into_iter().partition(|(room, _)| held.get(room).is_some_and(|held| held.granted)))
    }

    async fn heads(&self, at: &[(RoomId, Position)]) -> Result<HashMap<RoomId, Head>, Reject> {
        if at.is_empty() {
            return Ok(HashMap::new());
        }
        let rooms: Vec<RoomId> = at.iter().map(|(room, _)| room.clone()).collect();
        self.ports.heads(&rooms).await.map_err(unavailable)
    }
}

/// Returns the position that a pong names for a room, so that the client asks for the room; `None`
/// if the client stands at the head. A client that is ahead of the head, or whose room has none,
/// saw a log that a restore took back.
fn to_ask_for(at: Position, head: Option<&Head>) -> Option<Position> {
    match head.map(Head::position) {
        Some(head) if head == at => None,
        Some(head) if head.epoch != at.epoch || head.sequence > at.sequence => Some(head),
        _ => Some(beyond(at)),
    }
}

/// Returns a position that makes the client ask for the room, whatever the room holds.
fn beyond(at: Position) -> Position {
    Position { sequence: at.sequence.next(), ..at }
}
