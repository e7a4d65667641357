//! Counts members, and lists their users in small rooms.

use std::collections::BTreeMap;

use domain::ports::{
    Activities, Chance, Checks, Clock, Directory, Jobs, Memberships, Occupant, Presences, Result, Rooms, Rosters,
};
use domain::{Census, ConnectionId, Presence, RoomId, Shard, Timestamp, UserId};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{AT_ONCE, Keeper};

impl<T, Q, A, C, R> Keeper<T, Q, A, C, R>
where
    T: Directory + Memberships + Rooms + Rosters + Presences,
    Q: Jobs + Checks,
    A: Activities,
    C: Clock,
    R: Chance,
{
    /// Counts the shards of a room that changed, and names their users where they are few, with
    /// when each joined first.
    pub(crate) async fn census(
        &self,
        room: &RoomId,
        known: &Presence,
    ) -> Result<(BTreeMap<Shard, Census>, BTreeMap<UserId, Timestamp>)> {
        let counts = self.counts(room, known.dirty.keys().copied()).await?;
        let naming = known.to_name(&counts);
        let naming = stream::iter(naming).map(|shard| async move { Ok((shard, self.names(room, shard).await?)) });
        let named: Vec<(Shard, Vec<Occupant>)> = naming.buffer_unordered(AT_ONCE).try_collect().await?;
        let counted = |(shard, members)| (shard, Census { members, users: None });
        let mut census: BTreeMap<Shard, Census> = counts.into_iter().map(counted).collect();
        let mut joined_at: BTreeMap<UserId, Timestamp> = BTreeMap::new();
        for (shard, occupants) in named {
            for Occupant { user, joined_at: at, .. } in &occupants {
                let first = joined_at.entry(user.clone()).or_insert(*at);
                *first = (*first).min(*at);
            }
            let members = occupants.len() as u64;
            let users = Some(occupants.into_iter().map(|occupant| occupant.user).collect());
            census.insert(shard, Census { members, users });
        }
        Ok((census, joined_at))
    }

    /// Counts the members of shards, by the index.
    pub(crate) async fn counts(
        &self,
        room: &RoomId,
        shards: impl Iterator<Item = Shard>,
    ) -> Result<BTreeMap<Shard, u64>> {
        let shards: Vec<Shard> = shards.collect();
        let counting =
            stream::iter(shards).map(|shard| async move { Ok((shard, self.tables.count(room, shard).await?)) });
        counting.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Lists the users of a shard: members that the index shows and that are members right now. New
    /// members that the index does not show yet are counted by the check after it has settled.
    async fn names(&self, room: &RoomId, shard: Shard) -> Result<Vec<Occupant>> {
        let (mut connections, mut after): (Vec<ConnectionId>, Option<ConnectionId>) = (Vec::new(), None);
        loop {
            let page = self.tables.page(room, shard, after.as_ref()).await?;
            connections.extend(page.members.into_iter().map(|member| member.connection));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.tables.occupants(room, &connections).await
    }
}
