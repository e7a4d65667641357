//! Memberships of connections in rooms.

use std::collections::HashSet;

use crate::connection::Member;
use crate::limits;
use crate::name::{RoomId, UserId};
use crate::position::Position;
use crate::shard::Shard;
use crate::timestamp::Timestamp;

/// A connection's membership of a room, with the data that is stored at join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The joined room.
    pub room: RoomId,
    /// The member's shard of the room. It stays the same while the membership lasts.
    pub shard: Shard,
    /// The data that a delivery needs.
    pub member: Member,
    /// The user that the connection belongs to.
    pub user: UserId,
    /// The time of the join.
    pub joined_at: Timestamp,
    /// The head of the room when the membership began. `None` if the room had no head: then its log
    /// is younger than the membership.
    pub began_at: Option<Position>,
    /// True if a backend granted the membership, whatever the token allows.
    pub granted: bool,
}

/// Returns the rooms of `asked` that exceed [`limits::ROOMS_PER_CONNECTION`] for a connection that
/// is in `joined`. A room that the connection is already in never exceeds it. `*` and the inbox do
/// not count.
#[must_use]
pub fn too_many<'a>(
    joined: impl IntoIterator<Item = &'a RoomId>,
    asked: impl IntoIterator<Item = &'a RoomId>,
) -> HashSet<&'a RoomId> {
    let counts = |room: &&RoomId| !room.is_everyone() && room.inbox_owner().is_none();
    let mut rooms: HashSet<&RoomId> = joined.into_iter().filter(counts).collect();
    let mut beyond = HashSet::new();
    for room in asked.into_iter().filter(counts) {
        if rooms.contains(room) {
            continue;
        }
        if rooms.len() < limits::ROOMS_PER_CONNECTION {
            rooms.insert(room);
        } else {
            beyond.insert(room);
        }
    }
    beyond
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rooms(numbers: impl IntoIterator<Item = usize>) -> Vec<RoomId> {
        numbers.into_iter().map(|n| RoomId::parse(format!("r{n}")).unwrap()).collect()
    }

    #[test]
    fn inbox_and_everyone_take_no_place() {
        let mut joined = rooms(0..100);
        let always = [RoomId::everyone(), RoomId::parse("@ada").unwrap()];
        assert!(too_many(&joined, &always).is_empty());
        joined.pop();
        joined.extend(always);
        assert!(too_many(&joined, &rooms([200])).is_empty());
        assert_eq!(too_many(&joined, &rooms([200, 201])).len(), 1);
    }

    proptest! {
        #[test]
        fn nobody_is_let_into_more_rooms_than_allowed_and_nobody_is_refused_before(
            joined in prop::collection::hash_set(0_usize..300, 0..150),
            asked in prop::collection::vec(0_usize..300, 0..150),
        ) {
            let (joined, asked) = (rooms(joined), rooms(asked));
            let beyond = too_many(&joined, &asked);
            let mut after: HashSet<&RoomId> = joined.iter().collect();
            after.extend(asked.iter().filter(|room| !beyond.contains(room)));
            let most = limits::ROOMS_PER_CONNECTION.max(joined.len());
            prop_assert!(after.len() <= most);
            prop_assert!(beyond.is_empty() || after.len() == most, "there still was a place");
            prop_assert!(beyond.iter().all(|room| !joined.contains(room)));
        }
    }
}
