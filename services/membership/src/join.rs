//! Join and sync: membership first, then where the room stands, then what was missed.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::flow::{Entered, enter, place, take_place};
use domain::ports::{Chance, Clock};
use domain::{Budget, Code, Holding, Member, Position, Reject, RoomId, limits, too_many};
use futures::{StreamExt, stream};
use protocol::reply::{Joined, Synced, SyncedRooms};
use telemetry::{Summary, metric};
use tokens::CheckTokens;

use crate::{Asked, Membership, Ports, not_connected, unavailable};

/// Rooms of one sync that are joined at the same time.
const ROOMS_AT_ONCE: usize = 16;

impl<P: Ports, C: Clock, R: Chance, K: CheckTokens> Membership<P, C, R, K> {
    pub(crate) async fn join(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        since: Option<&Position>,
        summary: &mut Summary,
    ) -> Result<Joined, Reject> {
        let held = self.held(asked).await?;
        let beyond = too_many(held.keys(), [room]).contains(room);
        let entered = self.enter(asked, room, held.get(room), beyond).await?;
        let mut budget = Budget::new(self.limits.replay_bytes);
        self.joined(asked, room, since, entered, &mut budget, summary).await
    }

    /// All rooms are joined before anything is replayed, and the replays share one reply: what does not fit any more
    /// says from where to ask on.
    pub(crate) async fn sync(
        &self,
        asked: &Asked<'_>,
        rooms: Vec<(RoomId, Option<Position>)>,
        summary: &mut Summary,
    ) -> Result<SyncedRooms, Reject> {
        let held = &self.held(asked).await?;
        // What it may not join anyway takes no place.
        let allowed = rooms.iter().map(|(room, _)| room).filter(|room| asked.identity.may_join(room));
        let beyond: HashSet<RoomId> = too_many(held.keys(), allowed).into_iter().cloned().collect();
        let rooms: Vec<_> = rooms.into_iter().map(|(room, since)| (beyond.contains(&room), room, since)).collect();
        let entering = stream::iter(rooms).map(|(beyond, room, since)| async move {
            let entered = self.enter(asked, &room, held.get(&room), beyond).await;
            (room, since, entered)
        });
        let entered: Vec<_> = entering.buffered(ROOMS_AT_ONCE).collect().await;
        let mut budget = Budget::new(self.limits.replay_bytes);
        let mut synced = BTreeMap::new();
        for (room, since, entered) in entered {
            let joined = match entered {
                Ok(entered) => self.joined(asked, &room, since.as_ref(), entered, &mut budget, summary).await,
                Err(reject) => Err(reject),
            };
            let outcome = joined.map_or_else(|reject| Synced::Refused { err: reject.into() }, Synced::Joined);
            synced.insert(room, outcome);
        }
        Ok(SyncedRooms { rooms: synced })
    }

    /// What the connection really is in. Requests of it that are served at the same moment do not see each other: they may
    /// pass the limit by as many as they are.
    pub(crate) async fn held(&self, asked: &Asked<'_>) -> Result<HashMap<RoomId, Holding>, Reject> {
        let holdings = self.ports.holdings(&asked.joiner.member.connection).await.map_err(unavailable)?;
        Ok(holdings.into_iter().map(|held| (held.room.clone(), held)).collect())
    }

    /// Joins a room, unless that is not allowed, or `beyond` what a connection may be in. What a backend gave may be resumed,
    /// whatever the token says.
    async fn enter(
        &self,
        asked: &Asked<'_>,
        room: &RoomId,
        held: Option<&Holding>,
        beyond: bool,
    ) -> Result<Entered, Reject> {
        if !asked.identity.may_join(room) && !held.is_some_and(|held| held.granted) {
            let message = format!("room {room} may not be joined with this token");
            return Err(Reject::new(Code::Forbidden, message).of("room"));
        }
        if beyond {
            let message =
                format!("a connection may be in {} rooms; leave another one first", limits::ROOMS_PER_CONNECTION);
            return Err(Reject::new(Code::LimitExceeded, message).of("room"));
        }
        let entered = if room.has_presence() {
            self.enter_counted(asked, room, held.is_some()).await?
        } else {
            enter(&self.ports, &self.chance, room, &asked.joiner, asked.now).await.map_err(unavailable)?
        };
        let entered = entered.ok_or_else(not_connected)?;
        if held.is_some_and(|held| held.expires_at != asked.identity.expires_at) {
            self.catch_up(asked, room).await?;
        }
        Ok(entered)
    }

    /// A renewal that was interrupted has left a membership that expires with the old token.
    async fn catch_up(&self, asked: &Asked<'_>, room: &RoomId) -> Result<(), Reject> {
        let Member { connection, expires_at, .. } = &asked.joiner.member;
        self.ports.extend(connection, std::slice::from_ref(room), *expires_at).await.map_err(unavailable)
    }

    /// Joins a room unless it is full and not `held` yet, by the count at hand: of the room's one shard, or the last that presence took.
    async fn enter_counted(&self, asked: &Asked<'_>, room: &RoomId, held: bool) -> Result<Option<Entered>, Reject> {
        let place = place(&self.ports, room, &asked.joiner.member, asked.now).await.map_err(unavailable)?;
        let members = match place.members {
            Some(members) => Some(members),
            None => self.ports.members_counted(room).await.map_err(unavailable)?,
        };
        if !held && members.is_some_and(|members| members >= self.room_members) {
            let message = format!("room {room} is full: it takes {} connections", self.room_members);
            return Err(Reject::new(Code::LimitExceeded, message).of("room"));
        }
        let entered = take_place(&self.ports, &self.chance, room, &asked.joiner, place, asked.now).await;
        let entered = entered.map_err(unavailable)?;
        Ok(entered.map(|entered| Entered { members: members.map(|others| others + u64::from(entered.new)), ..entered }))
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
        let Entered { head, new, members, grown } = entered;
        summary.add(metric::MEMBERS_JOINED, u64::from(new));
        summary.add(metric::ROOMS_GROWN, u64::from(grown));
        let replay = self.replay(asked, room, since, &head, budget).await?;
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
