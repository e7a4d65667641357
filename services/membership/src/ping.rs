//! Ping: a client says where it stands in its rooms, and is told where it should ask.

use std::collections::{BTreeMap, HashMap};

use domain::ports::{Chance, Clock};
use domain::{Head, Position, Reject, RoomId};
use protocol::server::System;

use crate::{Asked, Membership, Ports, unavailable};

impl<P: Ports, C: Clock, R: Chance> Membership<P, C, R> {
    pub(crate) async fn ping(&self, asked: &Asked<'_>, at: Vec<(RoomId, Position)>) -> Result<System, Reject> {
        let (may_hear, others): (Vec<_>, Vec<_>) = at.into_iter().partition(|(room, _)| asked.identity.may_join(room));
        let (given, lost) = self.given(asked, others).await?;
        let at: Vec<(RoomId, Position)> = may_hear.into_iter().chain(given).collect();
        let heads = self.heads(&at).await?;
        let mut behind = BTreeMap::new();
        for (room, at) in at {
            if let Some(head) = heads.get(&room).filter(|head| head.epoch != at.epoch || head.sequence > at.sequence) {
                behind.insert(room, head.position());
            }
        }
        // It believes to be in a room that it was taken out of, and has not heard so: if it asks, it is refused. Where the
        // room stands is not said.
        let elsewhere = |at: Position| Position { sequence: at.sequence.next(), ..at };
        behind.extend(lost.into_iter().map(|(room, at)| (room, elsewhere(at))));
        Ok(System::Pong { behind })
    }

    /// Rooms that its token does not allow: those that a backend gave it all the same, and the others.
    async fn given(
        &self,
        asked: &Asked<'_>,
        rooms: Vec<(RoomId, Position)>,
    ) -> Result<(Vec<(RoomId, Position)>, Vec<(RoomId, Position)>), Reject> {
        if rooms.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let held = self.held(asked).await?;
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
