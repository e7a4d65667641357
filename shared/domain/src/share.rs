//! Shares: how publishers share the rate of a room.
//!
//! A room has one rate for all publishers. Without shares, a few that publish as fast as they may
//! fill the room, and every other publisher is refused. So the head of the room also records how
//! much each publisher has used lately, as a point in time at the rate [`PUBLISHER_SHARE`]. The
//! more of its share a publisher has used, the less it finds of the burst of the room: the whole
//! burst at first, and half of it once its share is used up. So there is always a part of the burst
//! left for a publisher that has used less than the others, however many of them publish as fast as
//! they may. A publisher in a room that is not full notices nothing.
//!
//! An inbox has one owner and is often quiet. Other users may only use their share of it, also
//! while it is quiet.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::limits::{LEFT_TO_OTHERS, PUBLISHER_SHARE, PUBLISHERS_RECORDED, ROOM_RATE};
use crate::name::RoomId;
use crate::publication::{Publisher, digest};
use crate::timestamp::Timestamp;

/// Hexadecimal digits of the hash that stands for a publisher.
const HASH_DIGITS: usize = 16;

/// The publishers of a room that have used up a part of their share: for each the time until which
/// its publications use the share up. At most [`PUBLISHERS_RECORDED`], those that used most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shares(BTreeMap<String, Timestamp>);

impl Shares {
    /// Records one publication for each of `publishers`. Forgets publishers whose share is free
    /// again. Backends have no share.
    #[must_use]
    pub fn note<'a>(&self, publishers: impl IntoIterator<Item = &'a Publisher>, now: Timestamp) -> Self {
        let mut counts: BTreeMap<&Publisher, u32> = BTreeMap::new();
        for publisher in publishers.into_iter().filter(|publisher| !publisher.is_backend()) {
            *counts.entry(publisher).or_default() += 1;
        }
        let mut shares = self.0.clone();
        for (publisher, count) in counts {
            let until = shares.entry(hash(publisher)).or_default();
            *until = PUBLISHER_SHARE.note(*until, count, now);
        }
        let mut used: Vec<(String, Timestamp)> = shares.into_iter().filter(|(_, until)| *until > now).collect();
        used.sort_by(|(_, one), (_, other)| other.cmp(one));
        used.truncate(PUBLISHERS_RECORDED);
        Self(used.into_iter().collect())
    }

    /// The time until which the publications of a publisher use its share up.
    fn of(&self, publisher: &Publisher) -> Timestamp {
        self.0.get(&hash(publisher)).copied().unwrap_or_default()
    }

    /// True if no publisher has used a part of its share.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The shares as text without spaces at its ends: `<hash>:<milliseconds> …`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let shares = self.0.iter().map(|(hash, until)| format!("{hash}:{}", until.as_ms()));
        shares.collect::<Vec<_>>().join(" ")
    }

    /// Parses the text of [`Shares::to_text`]. `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let share = |word: &str| {
            let (hash, until) = word.split_once(':')?;
            Some((hash.to_owned(), Timestamp::from_ms(until.parse().ok()?)))
        };
        text.split_whitespace().map(share).collect::<Option<BTreeMap<_, _>>>().map(Self)
    }
}

/// How much of the rate of a room is used up, and by which publishers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Load {
    /// The time until which publications use up the rate.
    pub busy_until: Timestamp,
    /// The publishers that used it.
    pub shares: Shares,
}

impl Load {
    /// A load by publishers without a share.
    #[must_use]
    pub fn until(busy_until: Timestamp) -> Self {
        Self { busy_until, shares: Shares::default() }
    }

    /// Accepts `count` publications of a client, or refuses all.
    ///
    /// # Errors
    /// The pause after which they would be accepted, if no others are meanwhile; at least 1 ms.
    pub fn admit(&self, room: &RoomId, publisher: &Publisher, count: u32, now: Timestamp) -> Result<(), Duration> {
        let used_until = self.shares.of(publisher);
        let is_inbox_of_another = room.inbox_owner().is_some_and(|owner| owner != publisher.as_str());
        let fits = |pause_ms: u64| {
            let now = now.plus(Duration::from_millis(pause_ms));
            let is_within_share = PUBLISHER_SHARE.charge(used_until, count, now).is_ok();
            let latest = ROOM_RATE.latest(count, now).minus(left_to_others(used_until.since(now)));
            self.busy_until <= latest && (is_within_share || !is_inbox_of_another)
        };
        if fits(0) {
            return Ok(());
        }
        // The longer the pause, the less is used. At the end of this one nothing is.
        let (mut short_ms, mut long_ms) = (0, self.busy_until.max(used_until).since(now).as_millis() as u64);
        while long_ms - short_ms > 1 {
            let middle_ms = short_ms.midpoint(long_ms);
            if fits(middle_ms) { long_ms = middle_ms } else { short_ms = middle_ms }
        }
        Err(Duration::from_millis(long_ms))
    }
}

/// The part of the burst of a room, as a duration at its rate, that a publisher leaves to others
/// which has used so much of its share.
fn left_to_others(used: Duration) -> Duration {
    let share = PUBLISHER_SHARE.takes(PUBLISHER_SHARE.burst());
    let most = ROOM_RATE.takes(LEFT_TO_OTHERS);
    Duration::from_millis((most.as_millis() * used.min(share).as_millis() / share.as_millis()) as u64)
}

fn hash(publisher: &Publisher) -> String {
    let mut hash = digest(&[publisher.as_str()]);
    hash.truncate(HASH_DIGITS);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CONNECTION_RATE;
    use crate::name::UserId;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

    fn publisher(name: &str) -> Publisher {
        Publisher::user(&UserId::parse(name).unwrap())
    }

    fn at(ms: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(ms))
    }

    /// A room that is told of each publication at once.
    struct Room {
        room: RoomId,
        load: Load,
    }

    impl Room {
        fn named(name: &str) -> Self {
            Self { room: RoomId::parse(name).unwrap(), load: Load::default() }
        }

        fn publish(&mut self, publisher: &Publisher, count: u32, now: Timestamp) -> Result<(), Duration> {
            self.load.admit(&self.room, publisher, count, now)?;
            let busy_until = ROOM_RATE.note(self.load.busy_until, count, now);
            let shares = self.load.shares.note((0..count).map(|_| publisher), now);
            self.load = Load { busy_until, shares };
            Ok(())
        }
    }

    #[test]
    fn a_publisher_alone_in_a_room_uses_more_than_its_share() {
        let (mut room, ada) = (Room::named("lobby"), publisher("ada"));
        let burst = (0..CONNECTION_RATE.burst()).map(|_| 0);
        let then = (1..200).map(|n| n * 50);
        for ms in burst.chain(then) {
            assert_eq!(room.publish(&ada, 1, at(ms)), Ok(()), "{ms}");
        }
    }

    #[test]
    fn a_sender_uses_its_share_of_the_inbox_of_another_and_no_more_and_the_owner_is_free() {
        let (mut room, eve, ada) = (Room::named("@ada"), publisher("eve"), publisher("ada"));
        let accepted = (0..10_000).filter(|ms| room.publish(&eve, 1, at(*ms)).is_ok()).count();
        assert_eq!(accepted, 20 + 5 * 10 - 1);
        assert_eq!(room.publish(&publisher("bob"), 10, at(10_000)), Ok(()));
        for _ in 0..40 {
            assert_eq!(room.publish(&ada, 1, at(10_000)), Ok(()));
        }
    }

    #[test]
    fn backends_have_no_share_and_fill_the_room_for_all() {
        let mut room = Room::named("lobby");
        let shares = room.load.shares.note([&Publisher::events(), &Publisher::outbox()], NOW);
        assert!(shares.is_empty());
        room.load = Load::until(NOW.plus(Duration::from_secs(2)));
        assert_eq!(room.publish(&publisher("ada"), 1, NOW), Err(Duration::from_millis(20)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Each of some publishers publishes as fast as it is accepted. Another one keeps within
        /// its share.
        #[test]
        fn a_publisher_within_its_share_is_accepted_however_many_others_flood(
            floods in 1_usize..12,
            pauses in prop::collection::vec(0_u64..100, 30),
        ) {
            let mut room = Room::named("lobby");
            let others: Vec<Publisher> = (0..floods).map(|n| publisher(&format!("u{n}"))).collect();
            let (ada, mut now) = (publisher("ada"), NOW);
            for pause in pauses {
                let next = now.plus(Duration::from_millis(200 + pause));
                while now < next {
                    now = now.plus(Duration::from_millis(40));
                    for other in &others {
                        let _ = room.publish(other, 1, now);
                    }
                }
                prop_assert_eq!(room.publish(&ada, 1, now), Ok(()));
            }
        }

        #[test]
        fn what_was_refused_is_accepted_after_its_pause_and_not_before(
            busy in 0_u64..4_000,
            used in 0_u32..100,
            count in 1_u32..=10,
            room in prop::sample::select(vec!["lobby", "@bob", "@ada"]),
        ) {
            let (room, ada) = (RoomId::parse(room).unwrap(), publisher("ada"));
            let shares = Shares::default().note((0..used).map(|_| &ada), NOW);
            let load = Load { busy_until: at(busy), shares };
            if let Err(pause) = load.admit(&room, &ada, count, NOW) {
                let ms = Duration::from_millis(1);
                prop_assert!(pause >= ms);
                prop_assert_eq!(load.admit(&room, &ada, count, NOW.plus(pause)), Ok(()));
                prop_assert_eq!(load.admit(&room, &ada, count, NOW.plus(pause - ms)), Err(ms));
            }
        }

        #[test]
        fn few_publishers_are_recorded_those_that_used_most_and_survive_their_text(
            counts in prop::collection::vec(1_u32..60, 1..40),
        ) {
            let publishers: Vec<Publisher> = (0..counts.len()).map(|n| publisher(&format!("u{n}"))).collect();
            let each = publishers.iter().zip(&counts);
            let all = each.flat_map(|(publisher, count)| (0..*count).map(move |_| publisher));
            let shares = Shares::default().note(all, NOW);
            prop_assert_eq!(shares.0.len(), counts.len().min(PUBLISHERS_RECORDED));
            let least = shares.0.values().min().copied().unwrap();
            for (publisher, count) in publishers.iter().zip(&counts) {
                let until = PUBLISHER_SHARE.note(Timestamp::default(), *count, NOW);
                prop_assert!(until <= least || shares.0.get(&hash(publisher)) == Some(&until));
            }
            prop_assert_eq!(Shares::parse(&shares.to_text()), Some(shares.clone()));
            prop_assert!(shares.note([], at(8_000)).is_empty());
        }
    }
}
