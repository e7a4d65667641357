//! A connection's place in a room.

use std::collections::HashSet;

use crate::connection::Member;
use crate::limits;
use crate::name::{RoomId, UserId};
use crate::shard::Shard;
use crate::timestamp::Timestamp;

/// A connection's place in a room, as stored at join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Which room.
    pub room: RoomId,
    /// Which slice of it; kept as long as the membership lasts.
    pub shard: Shard,
    /// The member.
    pub member: Member,
    /// Whose connection it is.
    pub user: UserId,
    /// Since when.
    pub joined_at: Timestamp,
    /// Whether a backend gave it, whatever the token says.
    pub granted: bool,
}

/// Those of the rooms `asked` for that are too many for a connection that is in `joined`: it may be in
/// [`limits::ROOMS_PER_CONNECTION`]. Where it is already it may ask again, and `*` and its inbox are not counted.
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
