//! A connection joins rooms. Full rooms grow, then the memberships are written, then the connection
//! and the heads are read.
//!
//! **Growth, membership, head.** The sequencer's transaction is conditioned on the number of
//! shards. So in this order no publication can be sequenced with too few shards to reach a new
//! member. A publication that gets its position after the membership is written is queued for the
//! member's shard. A publication that got its position before is at or below the head that is read
//! last.
//!
//! **Membership, connection.** The connection is read after its memberships are written. They are
//! removed again if the connection is gone or has another token by then. [`super::forget`] writes
//! the tombstone before it lists the memberships. So a membership that was written before that list
//! is on it, and the join of a membership that was written after it finds the tombstone.

use std::collections::{BTreeMap, HashMap};

use futures::future::{join, join_all, try_join_all};

use crate::connection::{Connection, Member};
use crate::identity::Identity;
use crate::limits::ROOMS_COUNTED_PER_SYNC;
use crate::membership::Membership;
use crate::name::{RoomId, UserId};
use crate::ports::{Chance, Connections, Error, Joined, Memberships, Presences, Renewals, Result, Rooms};
use crate::position::{Epoch, Position};
use crate::renewal::{Extension, Holding};
use crate::sequencing::Head;
use crate::shard::{Growth, Shard, Shards, growth, growth_among_many};
use crate::timestamp::Timestamp;

/// A connection that joins rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joiner {
    /// The connection, with the data that a delivery needs.
    pub member: Member,
    /// The user that the connection belongs to.
    pub user: UserId,
    /// The identity that the request was judged by. `None` for a backend: it grants the
    /// memberships, whatever the token allows.
    pub identity: Option<Identity>,
}

impl Joiner {
    fn is_backend(&self) -> bool {
        self.identity.is_none()
    }

    fn sees_members(&self, room: &RoomId) -> bool {
        match &self.identity {
            Some(identity) => identity.receives_names(room),
            None => self.member.sees_members && room.has_presence(),
        }
    }
}

/// The place of a new member in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The new member's shard.
    pub shard: Shard,
    /// The number of members in the room, if it is known.
    pub members: Option<u64>,
    /// True if the room grew for this member.
    pub grown: bool,
    /// The head of the room, read before the membership is written. `None` for an inbox, and for a
    /// room without a head.
    pub head: Option<Position>,
}

/// A room that the connection entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The head of the room, read after the membership was written.
    pub head: Head,
    /// True if the membership is new.
    pub new: bool,
    /// The number of members in the room, including this one, if it is known.
    pub members: Option<u64>,
    /// True if the room grew for this member.
    pub grown: bool,
    /// The head of the room when the membership began, if the room had one.
    pub began_at: Option<Position>,
}

/// The reason why the connection did not enter a room.
#[derive(Debug, thiserror::Error)]
pub enum NotEntered {
    /// The room has as many members as a room may have.
    #[error("the room is full")]
    Full,
    /// Another request of the connection left the room, or replaced the token, at the same moment.
    /// A repeat is safe.
    #[error("the membership was removed, or the token replaced, at the same moment")]
    Overtaken,
    /// A port failed for this room alone. A repeat is safe.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The result of a request to enter rooms.
#[derive(Debug)]
pub enum Entrance {
    /// The connection is gone, or was never stored. It is a member of none of the rooms.
    NotConnected,
    /// The connection has another token than the one that the request was judged by. It entered
    /// none of the rooms that it was not yet in.
    Replaced,
    /// The result for each room.
    Rooms(BTreeMap<RoomId, std::result::Result<Entered, NotEntered>>),
}

/// Finds places for a new member of these rooms, and grows each room whose counted shard is full.
/// Extends the life of existing heads beyond the member's life, and creates no head. Reads no head
/// of an inbox, which has one shard. With `room_members`, a room that has at least so many members
/// by the available count is [`NotEntered::Full`].
///
/// # Errors
/// Errors of the ports that concern all of the rooms. A repeat is safe.
pub async fn place<P>(
    ports: &P,
    joiner: &Member,
    rooms: &[RoomId],
    room_members: Option<u64>,
    now: Timestamp,
) -> Result<BTreeMap<RoomId, std::result::Result<Place, NotEntered>>>
where
    P: Memberships + Rooms + Presences,
{
    let Known { sizes, heads } = known_of(ports, rooms, now).await?;
    let sites = rooms.iter().map(|room| Site::of(room, &sizes, joiner, rooms.len() <= ROOMS_COUNTED_PER_SYNC));
    let sites: Vec<Site<'_>> = sites.collect();
    let unknown = sites.iter().filter(|site| room_members.is_some() && site.is_counted_by_presence());
    let unknown: Vec<RoomId> = unknown.map(|site| site.room.clone()).collect();
    let counting = join_all(sites.iter().map(|site| site.count(ports)));
    let (counts, known) = join(counting, members_of(ports, &unknown)).await;
    let known = known?;
    let growing = join_all(sites.iter().zip(counts).map(|(site, counted)| site.grow(ports, counted))).await;
    let is_grown = |grown: &Result<Counted>| matches!(grown, Ok(Counted { grown: true, .. }));
    let grown = sites.iter().zip(&growing).filter(|(_, grown)| is_grown(grown));
    let grown: Vec<RoomId> = grown.map(|(site, _)| site.room.clone()).collect();
    // Another joiner may have changed a size meanwhile, so the sizes are read again.
    let sizes = if grown.is_empty() { sizes } else { known_of(ports, &grown, now).await?.sizes };
    let places = sites.iter().zip(growing).map(|(site, counted)| {
        let place = counted.map_err(NotEntered::Failed).and_then(|Counted { members, grown }| {
            let members = members.or_else(|| known.get(site.room).copied());
            if room_members.is_some_and(|most| members.is_some_and(|members| members >= most)) {
                return Err(NotEntered::Full);
            }
            let shards = sizes.get(site.room).copied().unwrap_or(site.shards);
            let (shard, head) = (shards.place_new(site.room, &joiner.connection), heads.get(site.room).cloned());
            Ok(Place { shard, members, grown, head })
        });
        (site.room.clone(), place)
    });
    Ok(places.collect())
}

/// Joins those of these rooms that the connection is not in yet; `held` are its memberships. All
/// memberships are written at the same time, so a hundred rooms take as many sequential calls as
/// one room. Creates the heads of rooms that have none.
///
/// # Errors
/// Errors of the ports that concern all of the rooms. A repeat is safe.
pub async fn enter<P>(
    ports: &P,
    chance: &impl Chance,
    joiner: &Joiner,
    rooms: &[RoomId],
    held: &HashMap<RoomId, Holding>,
    room_members: Option<u64>,
    now: Timestamp,
) -> Result<Entrance>
where
    P: Connections + Memberships + Rooms + Presences + Renewals,
{
    // The connection item is its own membership of `*`.
    let (new, known): (Vec<RoomId>, Vec<RoomId>) =
        rooms.iter().cloned().partition(|room| !room.is_everyone() && !held.contains_key(room));
    let counted = known.iter().filter(|room| room_members.is_some() && room.has_presence());
    let counted: Vec<RoomId> = counted.cloned().collect();
    let (places, counts) =
        join(place(ports, &joiner.member, &new, room_members, now), members_of(ports, &counted)).await;
    let (mut places, counts) = (places?, counts?);

    let placed = new.iter().filter_map(|room| Some((room, places.get(room)?.as_ref().ok()?)));
    let memberships: Vec<Membership> = placed.map(|(room, place)| membership(joiner, room, place, now)).collect();
    let joined = if memberships.is_empty() { Vec::new() } else { ports.join(&memberships).await };
    let wanted: Vec<RoomId> = known.iter().chain(memberships.iter().map(|one| &one.room)).cloned().collect();
    let (standing, heads) = join(look(ports, joiner, &memberships, &joined), heads_of(ports, &wanted)).await;
    let expires_at = match standing? {
        Look::Gone => return Ok(Entrance::NotConnected),
        Look::Replaced => return Ok(Entrance::Replaced),
        Look::Good { expires_at } => expires_at,
    };

    let mut entries: BTreeMap<RoomId, std::result::Result<Entry, NotEntered>> = BTreeMap::new();
    for room in known {
        let (membership, members) = (held.get(&room).map(Terms::of), counts.get(&room).copied());
        entries.insert(room, Ok(Entry { new: false, members, grown: false, membership }));
    }
    for (membership, joined) in memberships.into_iter().zip(joined) {
        if let Some(Ok(place)) = places.remove(&membership.room) {
            let entry = joined.map(|joined| Entry::of(place, joined, &membership));
            entries.insert(membership.room, entry.map_err(NotEntered::Failed));
        }
    }
    entries.extend(places.into_iter().filter_map(|(room, place)| Some((room, Err(place.err()?)))));
    catch_up(ports, joiner, expires_at, &mut entries).await?;
    let mut heads = heads?;
    create_missing(ports, chance, now, &mut heads, &mut entries).await;
    let entered = entries.into_iter().filter_map(|(room, entry)| {
        let entered = match entry {
            Ok(Entry { new, members, grown, membership }) => {
                let began_at = membership.and_then(|membership| membership.began_at);
                Ok(Entered { head: heads.remove(&room)?, new, members, grown, began_at })
            }
            Err(error) => Err(error),
        };
        Some((room, entered))
    });
    Ok(Entrance::Rooms(entered.collect()))
}

/// A room in which a place for a new member is sought.
struct Site<'a> {
    room: &'a RoomId,
    shards: Shards,
    /// The shard to count, if any.
    counts: Option<Shard>,
}

/// The result of counting a shard.
struct Counted {
    /// The number of members in the room, if the counted shard is its only one.
    members: Option<u64>,
    /// True if the room grew.
    grown: bool,
}

impl<'a> Site<'a> {
    /// Chooses the shard to count. With `few` rooms, each room of one shard is counted.
    fn of(room: &'a RoomId, sizes: &HashMap<RoomId, Shards>, joiner: &Member, few: bool) -> Self {
        let shards = sizes.get(room).copied().unwrap_or(Shards::initial(room));
        let growth = if few {
            growth(room, shards, &joiner.connection)
        } else {
            growth_among_many(room, shards, &joiner.connection)
        };
        let counts = match growth {
            Growth::Count(shard) => Some(shard),
            Growth::Enough => None,
        };
        Self { room, shards, counts }
    }

    /// Returns true if the count of one shard does not give the number of members in the room.
    fn is_counted_by_presence(&self) -> bool {
        self.room.has_presence() && (self.counts.is_none() || self.shards.get() > 1)
    }

    async fn count(&self, ports: &impl Memberships) -> Result<Option<u64>> {
        match self.counts {
            Some(shard) => ports.count(self.room, shard).await.map(Some),
            None => Ok(None),
        }
    }

    async fn grow(&self, ports: &impl Rooms, counted: Result<Option<u64>>) -> Result<Counted> {
        let counted = counted?;
        let members = counted.filter(|_| self.shards.get() == 1);
        match counted.and_then(|counted| Growth::after_count(self.shards, counted)) {
            Some(shards) => {
                ports.grow(self.room, self.shards, shards).await?;
                Ok(Counted { members: None, grown: true })
            }
            None => Ok(Counted { members, grown: false }),
        }
    }
}

/// The state of a room before its head is known.
struct Entry {
    new: bool,
    members: Option<u64>,
    grown: bool,
    /// The stored membership. `None` for `*`, which has no membership item.
    membership: Option<Terms>,
}

/// The terms of a stored membership.
struct Terms {
    /// The time at which it expires.
    expires_at: Option<Timestamp>,
    began_at: Option<Position>,
    sees_members: bool,
}

impl Terms {
    fn of(held: &Holding) -> Self {
        Self { expires_at: held.expires_at, began_at: held.began_at.clone(), sees_members: held.sees_members }
    }
}

impl Entry {
    fn of(Place { members, grown, .. }: Place, joined: Joined, stored: &Membership) -> Self {
        let (new, membership) = match joined {
            Joined::New => {
                let Member { expires_at, sees_members, .. } = stored.member;
                (true, Terms { expires_at, began_at: stored.began_at.clone(), sees_members })
            }
            Joined::Already { expires_at, began_at, sees_members } => {
                (false, Terms { expires_at, began_at, sees_members })
            }
        };
        let members = members.map(|others| others + u64::from(new));
        Self { new, members, grown, membership: Some(membership) }
    }
}

/// The state of the connection after its memberships were written.
enum Look {
    Gone,
    Replaced,
    Good { expires_at: Option<Timestamp> },
}

/// Reads the connection, and removes the new memberships if they must not stand.
async fn look<P>(ports: &P, joiner: &Joiner, memberships: &[Membership], joined: &[Result<Joined>]) -> Result<Look>
where
    P: Connections + Memberships,
{
    let Some(Connection { expires_at, .. }) = ports.find(&joiner.member.connection).await? else {
        let written: Vec<RoomId> = memberships.iter().map(|membership| membership.room.clone()).collect();
        ports.leave(&joiner.member.connection, &written).await?;
        return Ok(Look::Gone);
    };
    // A backend grants the membership whatever the token is, so a replaced token does not prevent
    // it.
    if expires_at == joiner.member.expires_at || joiner.is_backend() {
        return Ok(Look::Good { expires_at });
    }
    // A write that failed may have been carried out.
    let stood_before = |joined: &Result<Joined>| matches!(joined, Ok(Joined::Already { .. }));
    let written = memberships.iter().zip(joined).filter(|(_, joined)| !stood_before(joined));
    let written: Vec<Membership> = written.map(|(membership, _)| membership.clone()).collect();
    ports.take_back(&written).await?;
    Ok(Look::Replaced)
}

/// Sets the expiry, and the right to see members, of memberships that differ from the connection's
/// token. They differ if a renewal was interrupted before it reached them, if they were written
/// while a renewal was carried out, or if a backend granted them.
async fn catch_up(
    ports: &impl Renewals,
    joiner: &Joiner,
    expires_at: Option<Timestamp>,
    entries: &mut BTreeMap<RoomId, std::result::Result<Entry, NotEntered>>,
) -> Result<()> {
    let extension = |room: &RoomId, stands: &Terms| {
        // A backend knows only a part of the token: the right to see members stays as it is.
        let sees_members = if joiner.is_backend() { stands.sees_members } else { joiner.sees_members(room) };
        let is_behind = stands.expires_at != expires_at || stands.sees_members != sees_members;
        is_behind.then(|| Extension { room: room.clone(), sees_members })
    };
    let stored = entries.iter().filter_map(|(room, entry)| Some((room, entry.as_ref().ok()?.membership.as_ref()?)));
    let behind: Vec<Extension> = stored.filter_map(|(room, stands)| extension(room, stands)).collect();
    if behind.is_empty() {
        return Ok(());
    }
    for room in ports.extend(&joiner.member.connection, &behind, expires_at).await? {
        entries.insert(room, Err(NotEntered::Overtaken));
    }
    Ok(())
}

/// Creates the missing heads of entered rooms.
async fn create_missing(
    ports: &impl Rooms,
    chance: &impl Chance,
    now: Timestamp,
    heads: &mut HashMap<RoomId, Head>,
    entries: &mut BTreeMap<RoomId, std::result::Result<Entry, NotEntered>>,
) {
    let missing = entries.iter().filter(|(room, entry)| entry.is_ok() && !heads.contains_key(*room));
    let missing: Vec<(RoomId, Epoch)> =
        missing.map(|(room, _)| (room.clone(), Epoch::from_random(chance.bits()))).collect();
    let creating = missing.iter().map(|(room, epoch)| ports.create(room, epoch, now));
    let created = join_all(creating).await;
    for ((room, _), created) in missing.iter().zip(created) {
        match created {
            Ok(head) => drop(heads.insert(room.clone(), head)),
            Err(error) => drop(entries.insert(room.clone(), Err(NotEntered::Failed(error)))),
        }
    }
}

fn membership(joiner: &Joiner, room: &RoomId, place: &Place, now: Timestamp) -> Membership {
    Membership {
        room: room.clone(),
        shard: place.shard,
        member: Member { sees_members: joiner.sees_members(room), ..joiner.member.clone() },
        user: joiner.user.clone(),
        joined_at: now,
        began_at: place.head.clone(),
        granted: joiner.is_backend(),
    }
}

/// The stored state of rooms before a connection joins them.
struct Known {
    sizes: HashMap<RoomId, Shards>,
    heads: HashMap<RoomId, Position>,
}

/// Reads the number of shards and the head of each room. Leaves out inboxes and rooms without a
/// head. Extends each head that would not outlive a member that joins now.
async fn known_of(ports: &impl Rooms, rooms: &[RoomId], now: Timestamp) -> Result<Known> {
    let rooms: Vec<RoomId> = rooms.iter().filter(|room| room.inbox_owner().is_none()).cloned().collect();
    let mut heads = heads_of(ports, &rooms).await?;
    let soon = heads.iter().filter(|(_, head)| head.expires_soon(now));
    let soon: Vec<RoomId> = soon.map(|(room, _)| room.clone()).collect();
    try_join_all(soon.iter().map(|room| ports.keep(room, now))).await?;
    soon.iter().for_each(|room| drop(heads.remove(room)));
    // A head may have been removed before its life was extended.
    heads.extend(heads_of(ports, &soon).await?);
    let sizes = heads.iter().map(|(room, head)| (room.clone(), head.shards)).collect();
    Ok(Known { sizes, heads: heads.into_iter().map(|(room, head)| (room, head.position())).collect() })
}

async fn heads_of(ports: &impl Rooms, rooms: &[RoomId]) -> Result<HashMap<RoomId, Head>> {
    if rooms.is_empty() { Ok(HashMap::new()) } else { ports.heads(rooms).await }
}

async fn members_of(ports: &impl Presences, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
    if rooms.is_empty() { Ok(HashMap::new()) } else { ports.members_counted(rooms).await }
}
