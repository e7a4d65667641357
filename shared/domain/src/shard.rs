//! Shards: the parts of a room's members, and the unit of fan-out work.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::limits;
use crate::name::{ConnectionId, RoomId};

/// A part of a room's members, numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(u16);

impl Shard {
    /// The shard that every room has.
    pub const FIRST: Self = Self(0);

    /// Takes the number of a shard, from 0.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number of the shard, from 0.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of shards of a room: a power of two that never decreases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shards(u16);

impl Shards {
    /// Takes a number. A room has at least one shard, so 0 becomes 1.
    #[must_use]
    pub const fn new(count: u16) -> Self {
        if count == 0 { Self(1) } else { Self(count) }
    }

    /// The number of shards of a new room.
    #[must_use]
    pub fn initial(room: &RoomId) -> Self {
        if room.is_everyone() { Self(limits::SHARDS_OF_EVERYONE) } else { Self(1) }
    }

    /// How many shards there are.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Iterates over every shard, from 0.
    pub fn iter(self) -> impl Iterator<Item = Shard> {
        (0..self.0).map(Shard)
    }

    /// The shard of a connection when all shards were created together. Inboxes have one shard,
    /// since no user has 500 devices.
    #[must_use]
    pub fn place(self, connection: &ConnectionId) -> Shard {
        Shard((hash(&[connection.as_ref()]) % u64::from(self.0)) as u16)
    }

    /// The shard of a new member: one of the shards that the last growth added. The older shards
    /// are full. If new members still came to them, each would request more shards, however empty
    /// the new ones are.
    #[must_use]
    pub fn place_new(self, room: &RoomId, connection: &ConnectionId) -> Shard {
        let old = if self <= Self::initial(room) { 0 } else { self.0 / 2 };
        Shard(old + Self::new(self.0 - old).place(connection).get())
    }

    /// Returns true if the wide queue carries the room's jobs.
    #[must_use]
    pub const fn is_wide(self) -> bool {
        self.0 > limits::SHARDS_OF_A_NARROW_ROOM
    }
}

/// The decision of a joiner about the number of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Count the members of this shard, then call [`Growth::after_count`].
    Count(Shard),
    /// Keep the number of shards.
    Enough,
}

/// Decides whether this joiner counts the members of its shard. In a room of one shard each joiner
/// counts, and learns the number of members in the room. In a larger room one joiner in 16 counts,
/// so a shard exceeds its size by about 16 members before a joiner notices.
#[must_use]
pub fn growth(room: &RoomId, shards: Shards, connection: &ConnectionId) -> Growth {
    if shards.get() == 1 { look(room, shards, connection) } else { growth_among_many(room, shards, connection) }
}

/// Decides the same for a joiner of many rooms at once: in rooms of one shard, too, only one joiner
/// in 16 counts.
#[must_use]
pub fn growth_among_many(room: &RoomId, shards: Shards, connection: &ConnectionId) -> Growth {
    let looks = (hash(&[room.as_str(), "#", connection.as_ref()]) >> 32).is_multiple_of(16);
    if looks { look(room, shards, connection) } else { Growth::Enough }
}

fn look(room: &RoomId, shards: Shards, connection: &ConnectionId) -> Growth {
    let may_grow = room.inbox_owner().is_none() && shards.get() < limits::SHARDS_PER_ROOM;
    if may_grow { Growth::Count(shards.place_new(room, connection)) } else { Growth::Enough }
}

impl Growth {
    /// The new number of shards, given the number of members in one shard. `None` if the room does
    /// not grow.
    #[must_use]
    pub fn after_count(shards: Shards, members: u64) -> Option<Shards> {
        (members >= limits::MEMBERS_PER_SHARD && shards.get() < limits::SHARDS_PER_ROOM)
            .then(|| Shards(shards.get().saturating_mul(2).min(limits::SHARDS_PER_ROOM)))
    }
}

/// Hashes the concatenated parts. Every build computes the same value.
fn hash(parts: &[&str]) -> u64 {
    let digest = Sha256::digest(parts.concat());
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn connection(n: u32) -> ConnectionId {
        ConnectionId::parse(format!("c{n}=")).unwrap()
    }

    #[test]
    fn members_spread_evenly() {
        let shards = Shards::new(8);
        let mut counts = [0_u32; 8];
        for n in 0..8_000 {
            counts[usize::from(shards.place(&connection(n)).get())] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_full_shard_doubles_the_room_up_to_its_limit() {
        assert_eq!(Growth::after_count(Shards::new(1), 499), None);
        assert_eq!(Growth::after_count(Shards::new(1), 500), Some(Shards::new(2)));
        assert_eq!(Growth::after_count(Shards::new(limits::SHARDS_PER_ROOM), 10_000), None);
    }

    /// Lets members join one by one, as [`crate::flow`] does. Returns the number of members in each
    /// shard.
    fn joined(room: &RoomId, count: u32) -> Vec<u64> {
        let mut shards = Shards::initial(room);
        let mut members = vec![0; usize::from(shards.get())];
        for n in 0..count {
            let connection = connection(n);
            if let Growth::Count(shard) = growth(room, shards, &connection) {
                shards = Growth::after_count(shards, members[usize::from(shard.get())]).unwrap_or(shards);
                members.resize(usize::from(shards.get()), 0);
            }
            members[usize::from(shards.place_new(room, &connection).get())] += 1;
        }
        members
    }

    #[test]
    fn a_room_has_as_many_shards_as_its_members_fill_and_none_is_much_too_full() {
        let lobby = RoomId::parse("lobby").unwrap();
        for (count, most_shards) in [(499, 1), (2_000, 8), (5_000, 16), (20_000, 64)] {
            let members = joined(&lobby, count);
            assert!(members.len() <= most_shards, "{count} members in {} shards", members.len());
            assert!(members.iter().all(|members| *members < 750), "{members:?}");
        }
        let everyone = joined(&RoomId::everyone(), 4_000);
        assert!(everyone.len() == 16 && everyone.iter().all(|members| (150..350).contains(members)), "{everyone:?}");
    }

    #[test]
    fn an_inbox_never_grows() {
        let inbox = RoomId::parse("@ada").unwrap();
        assert_eq!(growth(&inbox, Shards::new(1), &connection(1)), Growth::Enough);
    }

    proptest! {
        #[test]
        fn a_member_is_placed_in_a_shard_that_exists(n in any::<u32>(), count in 1_u16..=1024) {
            prop_assert!(Shards::new(count).place(&connection(n)).get() < count);
            for room in ["lobby", "*"] {
                let room = RoomId::parse(room).unwrap();
                prop_assert!(Shards::new(count).place_new(&room, &connection(n)).get() < count);
            }
        }
    }
}
