//! The request `who`: a page of a room's users in order of name, with a count of its connections.

use std::collections::BTreeMap;
use std::ops::Bound;

use domain::flow::{self, Allowance};
use domain::ports::{self, Chance, Clock, Occupant};
use domain::{Charge, Code, ConnectionId, Device, Head, Reject, RoomId, Shard, UserId, limits};
use futures::{StreamExt, TryStreamExt, stream};
use protocol::reply::{Present, Who};
use tokens::CheckTokens;

use crate::{Asked, Membership, Ports, unavailable};

/// Shards that are listed at the same time.
const SHARDS_AT_ONCE: usize = 16;
/// A room with more shards mostly has too many members to list. Presence knows their number.
const SHARDS_LISTED: u64 = limits::WHO_MEMBERS / limits::MEMBERS_PER_SHARD;

/// The members of a room, listed or counted.
enum Listed {
    /// All connections that the index shows, and the number of shards that were read for them.
    All(Vec<ConnectionId>, usize),
    /// The number of members, where they are too many to list.
    Counted(u64),
}

impl<P: Ports, C: Clock, R: Chance, K: CheckTokens> Membership<P, C, R, K> {
    /// Returns at most `limit` users after `after`, as many as fit one reply.
    pub(crate) async fn who(
        &self,
        asked: &Asked<'_>,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Who, Reject> {
        if room.is_everyone() {
            return Err(Reject::new(Code::InvalidRoom, "* cannot be listed; name another room").of("room"));
        }
        if !asked.identity.may_see_members(&room) {
            let message = format!("the users in room {room} may not be listed with this token");
            return Err(Reject::new(Code::Forbidden, message).of("room"));
        }
        let (connections, shards) = match self.listed(&room).await.map_err(unavailable)? {
            Listed::All(connections, shards) => (connections, shards),
            Listed::Counted(members) => return Ok(Who { room, members, users: None, next: None }),
        };
        self.charge_for_reads(asked, connections.len(), shards).await?;
        let occupants = self.ports.occupants(&room, &connections).await.map_err(unavailable)?;
        let members = occupants.len() as u64;
        let (users, next) = self.page_of_users(occupants, after, limit).await.map_err(unavailable)?;
        Ok(Who { room, members, users: Some(users), next })
    }

    async fn listed(&self, room: &RoomId) -> ports::Result<Listed> {
        // Connections may be in a room before it has a head.
        let Head { shards, .. } = self.ports.head(room).await?.unwrap_or_else(|| Head::none(room));
        let shards: Vec<Shard> = if u64::from(shards.get()) <= SHARDS_LISTED {
            shards.iter().collect()
        } else {
            let known = self.ports.presence(room).await?;
            if known.members() > limits::WHO_MEMBERS {
                return Ok(Listed::Counted(known.members()));
            }
            // Shards without members are not queried: a room may have been large once.
            known.census.keys().chain(known.dirty.keys()).copied().collect()
        };
        let shards_read = shards.len();
        let listing = stream::iter(shards).map(|shard| self.connections_of(room, shard));
        let listed: Vec<_> = listing.buffered(SHARDS_AT_ONCE).try_collect().await?;
        let mut connections = listed.concat();
        connections.sort();
        connections.dedup();
        let members = connections.len() as u64;
        Ok(if members > limits::WHO_MEMBERS { Listed::Counted(members) } else { Listed::All(connections, shards_read) })
    }

    /// Charges the connection and its user for reads of members beyond those of a small room,
    /// before these are made. The index that names the members costs little.
    async fn charge_for_reads(&self, asked: &Asked<'_>, members: usize, shards: usize) -> Result<(), Reject> {
        let Some(charge) = Charge::who_beyond(members, shards) else { return Ok(()) };
        let (connection, user) = (&asked.joiner.member.connection, &asked.joiner.user);
        match flow::charge(&self.ports, connection, user, charge, asked.now).await.map_err(unavailable)? {
            Allowance::Granted(..) => Ok(()),
            Allowance::Connection(pause) | Allowance::User(pause) => {
                let message =
                    format!("a list of {members} members takes more than this connection or its user has left");
                // The repeat is charged as a small list first.
                Err(Reject::new(Code::RateLimited, message).after(pause + Charge::who().takes()))
            }
        }
    }

    async fn connections_of(&self, room: &RoomId, shard: Shard) -> ports::Result<Vec<ConnectionId>> {
        let (mut connections, mut after) = (Vec::new(), None);
        loop {
            let page = self.ports.page(room, shard, after.as_ref()).await?;
            connections.extend(page.members.into_iter().map(|member| member.connection));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(connections),
            }
        }
    }

    async fn page_of_users(
        &self,
        occupants: Vec<Occupant>,
        after: Option<UserId>,
        limit: usize,
    ) -> ports::Result<(Vec<Present>, Option<UserId>)> {
        let mut by_user: BTreeMap<UserId, Vec<Occupant>> = BTreeMap::new();
        for occupant in occupants {
            by_user.entry(occupant.user.clone()).or_default().push(occupant);
        }
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = by_user.range((begin, Bound::Unbounded));
        let ids = |occupants: &[Occupant]| occupants.iter().map(|one| one.connection.clone()).collect::<Vec<_>>();
        let shown: Vec<ConnectionId> = rest.clone().take(limit).flat_map(|(_, occupants)| ids(occupants)).collect();
        let devices = self.ports.devices(&shown).await?;
        let (mut users, mut bytes) = (Vec::new(), 0);
        let many = rest.clone().count();
        for (user, occupants) in rest.take(limit) {
            let device = |one: &Occupant| devices.get(&one.connection).cloned();
            let user = present(user, occupants, occupants.iter().filter_map(device).collect());
            bytes += user.size_bytes();
            if bytes > self.limits.replay_bytes {
                break;
            }
            users.push(user);
        }
        let next = users.last().filter(|_| users.len() < many).map(|last| last.user.clone());
        Ok((users, next))
    }
}

fn present(user: &UserId, occupants: &[Occupant], mut devices: Vec<Device>) -> Present {
    devices.sort();
    devices.dedup();
    devices.truncate(limits::WHO_DEVICES);
    let since = occupants.iter().map(|one| one.joined_at).min().unwrap_or_default();
    Present { user: user.clone(), since, devices, connections: occupants.len() as u64 }
}
