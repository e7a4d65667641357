//! The requests `join` and `sync`: write the membership, then read the head of the room, then
//! replay missed publications.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::flow::{Entered, Entrance, NotEntered, enter};
use domain::ports::{Chance, Clock};
use domain::{Budget, Code, Holding, Position, Reach, Reject, RoomId, limits, resume, too_many};
use protocol::reply::{Joined, Synced, SyncedRooms};
use telemetry::{Summary, metric};
use tokens::CheckTokens;

use crate::{Asked, Membership, Ports, RETRY_MS, not_connected, unavailable};

impl<P: Ports, C: Clock, R: Chance, K: CheckTokens> Membership<P, C, R, K> {
    pub(crate) async fn join(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        since: Option<&Position>,
        held: &HashMap<RoomId, Holding>,
        summary: &mut Summary,
    ) -> Result<Joined, Reject> {
        let mut entered = self.enter(asked, std::slice::from_ref(room), held).await?;
        let entered = entered.remove(room).unwrap_or_else(|| Err(Reject::unavailable(RETRY_MS)))?;
        let mut budget = Budget::new(self.limits.replay_bytes);
        self.joined(asked, room, since, entered, &mut budget, summary).await
    }

    /// Joins all rooms before anything is replayed. The replays share one reply: a room whose
    /// replay does not fit names the sequence from which the client continues.
    pub(crate) async fn sync(
        &self,
        asked: &Asked<'_>,
        rooms: Vec<(RoomId, Option<Position>)>,
        held: &HashMap<RoomId, Holding>,
        summary: &mut Summary,
    ) -> Result<SyncedRooms, Reject> {
        let names: Vec<RoomId> = rooms.iter().map(|(room, _)| room.clone()).collect();
        let mut entered = self.enter(asked, &names, held).await?;
        let mut budget = Budget::new(self.limits.replay_bytes);
        let mut synced = BTreeMap::new();
        for (room, since) in rooms {
            let entered = entered.remove(&room).unwrap_or_else(|| Err(Reject::unavailable(RETRY_MS)));
            let joined = match entered {
                Ok(entered) => self.joined(asked, &room, since.as_ref(), entered, &mut budget, summary).await,
                Err(reject) => Err(reject),
            };
            let outcome = joined.map_or_else(|reject| Synced::Refused { err: reject.into() }, Synced::Joined);
            synced.insert(room, outcome);
        }
        Ok(SyncedRooms { rooms: synced })
    }

    /// Joins these rooms. A room is refused if the token does not allow it, if it is full, or if it
    /// exceeds the number of rooms of a connection. A membership that a backend granted may be
    /// resumed, whatever the token allows.
    ///
    /// `held` are the rooms that the connection is in. Requests of one connection that are served at
    /// the same moment do not see each other, so together they may exceed the limit of rooms.
    async fn enter(
        &self,
        asked: &Asked<'_>,
        rooms: &[RoomId],
        held: &HashMap<RoomId, Holding>,
    ) -> Result<BTreeMap<RoomId, Result<Entered, Reject>>, Reject> {
        let may_join = |room: &RoomId| asked.identity.may_join(room) || held.get(room).is_some_and(|held| held.granted);
        let (allowed, forbidden): (Vec<RoomId>, Vec<RoomId>) = rooms.iter().cloned().partition(may_join);
        self.leave_forbidden(asked, &forbidden, held).await?;
        // A room that the connection may not join does not count towards its limit.
        let beyond: HashSet<RoomId> = too_many(held.keys(), allowed.iter()).into_iter().cloned().collect();
        let (beyond, allowed): (Vec<RoomId>, Vec<RoomId>) = allowed.into_iter().partition(|room| beyond.contains(room));
        let mut outcomes = self.enter_allowed(asked, &allowed, held).await?;
        outcomes.extend(forbidden.into_iter().map(|room| (room.clone(), Err(not_allowed(&room)))));
        outcomes.extend(beyond.into_iter().map(|room| (room, Err(too_many_rooms()))));
        Ok(outcomes)
    }

    async fn enter_allowed(
        &self,
        asked: &Asked<'_>,
        rooms: &[RoomId],
        held: &HashMap<RoomId, Holding>,
    ) -> Result<BTreeMap<RoomId, Result<Entered, Reject>>, Reject> {
        if rooms.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (ports, most) = (&self.ports, Some(self.room_members));
        let entrance = enter(ports, &self.chance, &asked.joiner, rooms, held, most, asked.now).await;
        let entered = match entrance.map_err(unavailable)? {
            Entrance::NotConnected => return Err(not_connected()),
            Entrance::Replaced => return Err(overtaken()),
            Entrance::Rooms(entered) => entered,
        };
        let refused = |error: NotEntered, room: &RoomId| match error {
            NotEntered::Full => self.full(room),
            NotEntered::Overtaken => overtaken(),
            NotEntered::Failed(error) => unavailable(error),
        };
        let outcomes = entered.into_iter().map(|(room, entered)| {
            let outcome = entered.map_err(|error| refused(error, &room));
            (room, outcome)
        });
        Ok(outcomes.collect())
    }

    /// Leaves rooms that the connection is in although its token does not allow them. Such a
    /// membership is left over when a join with the previous token was killed before it could take
    /// the membership back.
    async fn leave_forbidden(
        &self,
        asked: &Asked<'_>,
        forbidden: &[RoomId],
        held: &HashMap<RoomId, Holding>,
    ) -> Result<(), Reject> {
        let stray: Vec<RoomId> = forbidden.iter().filter(|room| held.contains_key(*room)).cloned().collect();
        if stray.is_empty() {
            return Ok(());
        }
        self.ports.leave(&asked.joiner.member.connection, &stray).await.map_err(unavailable)
    }

    fn full(&self, room: &RoomId) -> Reject {
        let message = format!("room {room} is full: it takes {} connections", self.room_members);
        Reject::new(Code::LimitExceeded, message).of("room")
    }

    async fn joined(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        since: Option<&Position>,
        entered: Entered,
        budget: &mut Budget,
        summary: &mut Summary,
    ) -> Result<Joined, Reject> {
        let Entered { head, new, members, grown, began_at } = entered;
        summary.add(metric::MEMBERS_JOINED, u64::from(new));
        summary.add(metric::ROOMS_GROWN, u64::from(grown));
        let may_read_all = asked.identity.may_read_history(room);
        let reach = if may_read_all { Reach::Whole } else { Reach::Since(began_at.as_ref()) };
        let replay = self.replay(asked, room, resume(since, &head, reach), &head, budget).await?;
        summary.add(metric::RESUMES_LOST, u64::from(replay.recovered == Some(false)));
        summary.add(metric::PUBLICATIONS_REPLAYED, replay.blocks.iter().map(|block| block.m.len() as u64).sum());
        Ok(Joined {
            room: room.clone(),
            ep: head.epoch,
            seq: head.sequence,
            members,
            recovered: replay.recovered,
            next: replay.next,
            b: replay.blocks,
        })
    }
}

fn not_allowed(room: &RoomId) -> Reject {
    Reject::new(Code::Forbidden, format!("room {room} may not be joined with this token")).of("room")
}

/// Another request of the same connection renewed its token, or left the room, at the same moment.
/// A client can cause this at will, so it is not logged.
fn overtaken() -> Reject {
    let message = "another request of this connection changed it meanwhile; send this one again";
    Reject { message: message.to_owned(), ..Reject::unavailable(RETRY_MS) }
}

fn too_many_rooms() -> Reject {
    let message = format!("a connection may be in {} rooms; leave another one first", limits::ROOMS_PER_CONNECTION);
    Reject::new(Code::LimitExceeded, message).of("room")
}
