//! A connection joins a room: it grows the room, then writes its membership, then reads the head.
//!
//! In that order no publication can be sequenced for fewer shards than a member it owes: the sequencer's transaction is
//! conditioned on the number of shards, so whatever gets a position after the membership is written is queued for the
//! shard it stands in, and whatever got one before is at or below the head that is read last.

use crate::connection::Member;
use crate::membership::Membership;
use crate::name::{RoomId, UserId};
use crate::ports::{Chance, Connections, Joined, Memberships, Result, Rooms};
use crate::position::Epoch;
use crate::sequencing::Head;
use crate::shard::{Growth, Shard, growth};
use crate::timestamp::Timestamp;

/// Who joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joiner {
    /// The connection, with all that a delivery needs.
    pub member: Member,
    /// Whose it is.
    pub user: UserId,
    /// Whether a backend lets it in, whatever its token says.
    pub granted: bool,
}

/// Where a new member goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its shard.
    pub shard: Shard,
    /// How many members the room has, where that was counted on the way.
    pub members: Option<u64>,
    /// Whether the room had to grow.
    pub grown: bool,
}

/// What a joiner is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// Where the room stands.
    pub head: Head,
    /// Whether the membership is new.
    pub new: bool,
    /// How many members the room has, this one included, where that was counted on the way.
    pub members: Option<u64>,
    /// Whether the room had to grow.
    pub grown: bool,
}

/// Finds a place for a new member, making room first if the shard is full. A room without a head has its initial shards
/// and gets no head by this. A head that is there outlives the member.
///
/// # Errors
/// Those of the ports.
pub async fn place<P>(ports: &P, room: &RoomId, joiner: &Member, now: Timestamp) -> Result<Place>
where
    P: Memberships + Rooms,
{
    let head = kept_head(ports, room, now).await?;
    let Growth::Count(shard) = growth(room, head.shards, &joiner.connection) else {
        return Ok(Place { shard: head.shards.place_new(room, &joiner.connection), members: None, grown: false });
    };
    let counted = ports.count(room, shard).await?;
    let members = (head.shards.get() == 1).then_some(counted);
    let Some(shards) = Growth::after_count(head.shards, counted) else {
        return Ok(Place { shard, members, grown: false });
    };
    ports.grow(room, head.shards, shards).await?;
    // Another joiner may have changed it meanwhile: what counts is what stands there.
    let head = kept_head(ports, room, now).await?;
    Ok(Place { shard: head.shards.place_new(room, &joiner.connection), members, grown: true })
}

/// Joins a room; `None` if the connection is not, or no longer, there.
///
/// # Errors
/// Those of the ports; a repeat is safe.
pub async fn enter<P>(
    ports: &P,
    chance: &impl Chance,
    room: &RoomId,
    joiner: &Joiner,
    now: Timestamp,
) -> Result<Option<Entered>>
where
    P: Connections + Memberships + Rooms,
{
    if room.is_everyone() {
        return enter_everyone(ports, chance, joiner, now).await;
    }
    let place = place(ports, room, &joiner.member, now).await?;
    take_place(ports, chance, room, joiner, place, now).await
}

/// Joins a room in the place that was found for it; `None` if the connection is not, or no longer, there.
///
/// # Errors
/// Those of the ports; a repeat is safe.
pub async fn take_place<P>(
    ports: &P,
    chance: &impl Chance,
    room: &RoomId,
    joiner: &Joiner,
    Place { shard, members, grown }: Place,
    now: Timestamp,
) -> Result<Option<Entered>>
where
    P: Connections + Memberships + Rooms,
{
    let membership = Membership {
        room: room.clone(),
        shard,
        member: joiner.member.clone(),
        user: joiner.user.clone(),
        joined_at: now,
        granted: joiner.granted,
    };
    let new = match ports.join(&membership).await? {
        Joined::NotConnected => return Ok(None),
        Joined::New => true,
        Joined::Already => false,
    };
    let head = head_of(ports, chance, room, now).await?;
    Ok(Some(Entered { head, new, members: members.map(|others| others + u64::from(new)), grown }))
}

/// Every connection is a member of `*` from connect on.
async fn enter_everyone<P>(ports: &P, chance: &impl Chance, joiner: &Joiner, now: Timestamp) -> Result<Option<Entered>>
where
    P: Connections + Rooms,
{
    if ports.find(&joiner.member.connection).await?.is_none() {
        return Ok(None);
    }
    let head = head_of(ports, chance, &RoomId::everyone(), now).await?;
    Ok(Some(Entered { head, new: false, members: None, grown: false }))
}

/// The head of a room, read so that it outlives a member that joins now; of a room without one, [`Head::none`].
async fn kept_head(ports: &impl Rooms, room: &RoomId, now: Timestamp) -> Result<Head> {
    let Some(head) = ports.head(room).await? else { return Ok(Head::none(room)) };
    if !head.expires_soon(now) {
        return Ok(head);
    }
    ports.keep(room, now).await?;
    // It may have been removed before it was kept.
    Ok(ports.head(room).await?.unwrap_or_else(|| Head::none(room)))
}

/// The head of a room, created if there is none: a reply names its epoch, and the first publication must follow it.
async fn head_of(ports: &impl Rooms, chance: &impl Chance, room: &RoomId, now: Timestamp) -> Result<Head> {
    match ports.head(room).await? {
        Some(head) => Ok(head),
        None => ports.create(room, &Epoch::from_random(chance.bits()), now).await,
    }
}
