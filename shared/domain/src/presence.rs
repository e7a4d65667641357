//! Presence: the members of a room, and the announcements of changes.
//!
//! Members are counted, and a count is never incremented: streams repeat, and a change that is
//! missed once would stay wrong for ever. So presence is level-triggered. A change only names the
//! shard to count, and an announcement is the difference between two counts. An index lags behind
//! its table, so a changed shard is counted once more after it had time to settle. That last count
//! makes the result correct. Each counting function writes the count *and the announcement that it
//! owes* in one conditional write, and makes the announcement afterwards. After a crash in between,
//! the next count makes the owed announcement. Of two concurrent counts only one is written and
//! announced.

#[cfg(test)]
mod laws;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::activity::Kind;
use crate::limits;
use crate::name::UserId;
use crate::shard::Shard;
use crate::timestamp::Timestamp;

/// The stored presence of a room: the last count, the pending work, and the owed announcement. The
/// default is a room without members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presence {
    /// The number of writes. The next write is conditioned on it.
    pub version: u64,
    /// The last count of each shard that has members. The members have received it, or are owed its
    /// announcement.
    pub census: BTreeMap<Shard, Census>,
    /// Shards that changed, with the time of the last change, until they have settled.
    pub dirty: BTreeMap<Shard, Timestamp>,
    /// The time of the last count.
    pub counted_at: Timestamp,
    /// Due times of the queued checks: one for the pace, one for settling, rarely one more.
    pub checks: BTreeSet<Timestamp>,
    /// Users that came or went in the last [`limits::PRESENCE_TRUE`], and when that was counted.
    /// Empty where names are not listed.
    pub recent: BTreeMap<UserId, Timestamp>,
    /// The announcement that members may not have received yet.
    pub owed: Option<Owed>,
}

/// The count of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Census {
    /// The number of connections.
    pub members: u64,
    /// The users of these connections, only in rooms that are small enough to name them.
    pub users: Option<BTreeSet<UserId>>,
}

/// A change of presence, in the form that members receive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Announcement {
    /// The number of connections in the room.
    pub members: u64,
    /// The number of users in the room, only in rooms that are small enough to name them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Users that arrived. A user with two devices arrives once. A name may be repeated, for
    /// members that missed it.
    #[serde(default, rename = "in", skip_serializing_if = "Vec::is_empty")]
    pub came: Vec<UserId>,
    /// Users that departed. A user with two devices departs with the last one. A name may be
    /// repeated, for members that missed it.
    #[serde(default, rename = "out", skip_serializing_if = "Vec::is_empty")]
    pub went: Vec<UserId>,
}

/// An announcement that must be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The first version of the presence with this announcement. Identifies the announcement for
    /// ever.
    pub version: u64,
    /// The time of the count.
    pub at: Timestamp,
    /// The number of members before the change.
    pub before: u64,
    /// The announcement for the members.
    pub told: Announcement,
}

/// The next step for a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do: every shard has settled.
    Nothing,
    /// Count again at this time.
    Wait(Timestamp),
    /// Count the dirty shards now.
    Count,
}

impl Presence {
    /// The number of connections at the last count.
    #[must_use]
    pub fn members(&self) -> u64 {
        self.census.values().map(|census| census.members).sum()
    }

    /// The users of these connections; `None` in a room that is too large to name them.
    #[must_use]
    pub fn users(&self) -> Option<BTreeSet<&UserId>> {
        if self.members() > limits::PRESENCE_NAMED_MEMBERS {
            return None;
        }
        let mut users = BTreeSet::new();
        for census in self.census.values() {
            users.extend(census.users.as_ref()?);
        }
        Some(users)
    }

    /// Records that members of these shards changed.
    pub fn heard(&mut self, changed: impl IntoIterator<Item = Shard>, now: Timestamp) {
        for shard in changed {
            let at = self.dirty.entry(shard).or_default();
            *at = now.max(*at);
        }
    }

    /// Handles a check that was due at `due`. Returns `false` if no such check is pending (a queue
    /// repeats) and another one is.
    pub fn woken(&mut self, due: Timestamp, now: Timestamp) -> bool {
        let waited_for = self.checks.remove(&due);
        self.checks.retain(|at| *at > now);
        waited_for || self.checks.is_empty()
    }

    /// Decides the next step. A change that was not counted yet waits for the pace of the room. A
    /// change that was counted waits for the index to settle. A settled room is counted whatever
    /// its pace, so that the last count is announced in time.
    #[must_use]
    pub fn step(&self, now: Timestamp) -> Step {
        let Some(last) = self.dirty.values().max() else { return Step::Nothing };
        let settles = left(*last, limits::PRESENCE_SETTLES, now);
        let seen = *last <= self.counted_at;
        let wait = if seen { settles } else { settles.min(left(self.counted_at, self.pace(), now)) };
        if wait.is_zero() { Step::Count } else { Step::Wait(now.plus(wait)) }
    }

    /// Selects the shards whose users must be listed, given new counts of the dirty shards. The set
    /// is empty if the room is too large.
    #[must_use]
    pub fn to_name(&self, counts: &BTreeMap<Shard, u64>) -> BTreeSet<Shard> {
        let rest = self.census.iter().filter(|(shard, _)| !counts.contains_key(shard));
        let others: u64 = rest.clone().map(|(_, census)| census.members).sum();
        if others + counts.values().sum::<u64>() > limits::PRESENCE_NAMED_MEMBERS {
            return BTreeSet::new();
        }
        let unnamed = rest.filter(|(_, census)| census.users.is_none()).map(|(shard, _)| *shard);
        counts.iter().filter(|(_, members)| **members > 0).map(|(shard, _)| *shard).chain(unnamed).collect()
    }

    /// Applies a count that began at `now`. Returns the new presence, with the announcement that it
    /// owes.
    #[must_use]
    pub fn counted(&self, fresh: BTreeMap<Shard, Census>, now: Timestamp) -> Self {
        self.counted_with(fresh, &BTreeMap::new(), now)
    }

    /// Applies a count, with the times at which users joined. If an earlier count missed a user,
    /// the announcement of the user repeats the names that changed since then: the index did not
    /// list the user's connections, so they did not receive these names.
    #[must_use]
    pub fn counted_with(
        &self,
        fresh: BTreeMap<Shard, Census>,
        joined_at: &BTreeMap<UserId, Timestamp>,
        now: Timestamp,
    ) -> Self {
        let mut next = Self { counted_at: now, ..self.clone() };
        next.census.extend(fresh);
        next.census.retain(|_, census| census.members > 0);
        if next.members() > limits::PRESENCE_NAMED_MEMBERS {
            next.census.values_mut().for_each(|census| census.users = None);
        }
        next.dirty.retain(|_, at| !left(*at, limits::PRESENCE_SETTLES, now).is_zero());
        next.recent.retain(|_, at| !left(*at, limits::PRESENCE_TRUE, now).is_zero());
        let announcement = next.announcement(self);
        next.remember(announcement.as_ref(), now);
        next.owed = announcement.map(|told| Owed {
            version: self.version + 1,
            at: now,
            before: self.members(),
            told: if told.came.iter().any(|user| self.missed(user, joined_at)) { next.repeated(told) } else { told },
        });
        next
    }

    /// The comparisons to queue before this presence is written, as due times and shards, where
    /// `before` was the presence before the count. They concern the shards that settled with this
    /// count. An index that lags longer than a shard takes to settle has hidden a change from every
    /// count so far.
    #[must_use]
    pub fn comparisons(&self, before: &Self, now: Timestamp) -> Vec<(Timestamp, BTreeSet<Shard>)> {
        let settled: BTreeSet<Shard> =
            before.dirty.keys().filter(|shard| !self.dirty.contains_key(shard)).copied().collect();
        if settled.is_empty() {
            return Vec::new();
        }
        limits::PRESENCE_COMPARED.iter().map(|pause| (now.plus(*pause), settled.clone())).collect()
    }

    /// Returns the shards whose new counts differ from the last ones.
    #[must_use]
    pub fn differing(&self, counts: &BTreeMap<Shard, u64>) -> BTreeSet<Shard> {
        let seen = |shard: &Shard| self.census.get(shard).map_or(0, |census| census.members);
        counts.iter().filter(|(shard, members)| seen(shard) != **members).map(|(shard, _)| *shard).collect()
    }

    /// Returns the due time of the check to queue before this presence is written, and records it.
    /// Returns `None` if an earlier check is queued already.
    pub fn ask_for_check(&mut self, now: Timestamp) -> Option<Timestamp> {
        let Step::Wait(until) = self.step(now) else { return None };
        self.checks.retain(|at| *at > now);
        let earlier = self.checks.first().is_some_and(|first| *first <= until);
        (!earlier && self.checks.insert(until)).then_some(until)
    }

    fn announcement(&self, before: &Self) -> Option<Announcement> {
        let users = self.users();
        let (mut came, mut went) = (Vec::new(), Vec::new());
        if let (Some(now), Some(then)) = (&users, before.users()) {
            came = now.difference(&then).map(|user| (*user).clone()).collect();
            went = then.difference(now).map(|user| (*user).clone()).collect();
        }
        let changed = self.members() != before.members() || !came.is_empty() || !went.is_empty();
        let users = users.map(|users| users.len() as u64);
        changed.then(|| Announcement { members: self.members(), users, came, went })
    }

    /// Returns true if the user had joined before the last count, which did not list it.
    fn missed(&self, user: &UserId, joined_at: &BTreeMap<UserId, Timestamp>) -> bool {
        joined_at.get(user).is_some_and(|at| *at < self.counted_at.plus(limits::PRESENCE_CLOCKS))
    }

    /// Adds the names of an announcement to the recent ones, the newest
    /// [`limits::PRESENCE_NAMED_MEMBERS`] at most.
    fn remember(&mut self, announcement: Option<&Announcement>, now: Timestamp) {
        if self.users().is_none() {
            return self.recent.clear();
        }
        let named = announcement.into_iter().flat_map(|told| told.came.iter().chain(&told.went));
        self.recent.extend(named.map(|user| (user.clone(), now)));
        while self.recent.len() as u64 > limits::PRESENCE_NAMED_MEMBERS {
            let oldest = self.recent.iter().min_by_key(|(_, at)| **at).map(|(user, _)| user.clone());
            oldest.map(|user| self.recent.remove(&user));
        }
    }

    /// The announcement with the recent names once more. A member that the index did not list yet
    /// was posted none of the announcements that named them, and the one that names it is its
    /// first.
    fn repeated(&self, told: Announcement) -> Announcement {
        let Some(users) = self.users() else { return told };
        let (present, absent): (Vec<_>, Vec<_>) = self.recent.keys().partition(|user| users.contains(user));
        let with = |names: Vec<UserId>, more: Vec<&UserId>| -> Vec<UserId> {
            let names: BTreeSet<UserId> = names.into_iter().chain(more.into_iter().cloned()).collect();
            names.into_iter().collect()
        };
        Announcement { came: with(told.came, present), went: with(told.went, absent), ..told }
    }

    fn pace(&self) -> Duration {
        if self.members() <= limits::PRESENCE_NAMED_MEMBERS {
            limits::PRESENCE_PACE
        } else {
            limits::PRESENCE_PACE_OF_A_LARGE_ROOM
        }
    }
}

impl Announcement {
    /// Combines two successive announcements into one.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        if later.users.is_none() {
            return later;
        }
        let came = merged(self.came, &later.came, &later.went);
        let went = merged(self.went, &later.went, &later.came);
        Self { came, went, ..later }
    }

    /// Returns what members receive that may not see the members of the room: no names, as in rooms
    /// that are too large to name their members.
    #[must_use]
    pub fn counts_only(self) -> Self {
        Self { members: self.members, ..Self::default() }
    }
}

/// The names of both lists, except those that the opposite later list takes back.
fn merged(before: Vec<UserId>, after: &[UserId], taken_back: &[UserId]) -> Vec<UserId> {
    let names: BTreeSet<UserId> = before.into_iter().chain(after.iter().cloned()).collect();
    names.into_iter().filter(|name| !taken_back.contains(name)).collect()
}

impl Owed {
    /// Returns the activity if the room became occupied or vacated.
    #[must_use]
    pub fn occupancy(&self) -> Option<Kind> {
        match (self.before, self.told.members) {
            (0, 1..) => Some(Kind::RoomOccupied),
            (1.., 0) => Some(Kind::RoomVacated),
            _ => None,
        }
    }
}

/// The remaining part of `wait` since `since`. It is zero for a time so far ahead that only a wrong
/// clock can have recorded it.
fn left(since: Timestamp, wait: Duration, now: Timestamp) -> Duration {
    if since > now.plus(wait) { Duration::ZERO } else { since.plus(wait).since(now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    fn census(names: &[&str]) -> Census {
        Census { members: names.len() as u64, users: Some(names.iter().map(|name| user(name)).collect()) }
    }

    fn after(ms: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(ms))
    }

    fn looked_at(names: &[&str]) -> Presence {
        Presence::default().counted([(Shard::FIRST, census(names))].into(), NOW)
    }

    #[test]
    fn the_first_change_is_looked_at_at_once_and_once_more_when_it_has_settled() {
        let mut presence = Presence::default();
        assert_eq!(presence.step(NOW), Step::Nothing);
        presence.heard([Shard::FIRST], NOW);
        assert_eq!(presence.step(NOW), Step::Count);
        let mut presence = presence.counted([(Shard::FIRST, census(&["ada"]))].into(), NOW);
        assert_eq!(presence.ask_for_check(NOW), Some(after(5_000)));
        assert_eq!(presence.step(after(5_000)), Step::Count);
        let settled = presence.counted([(Shard::FIRST, census(&["ada"]))].into(), after(5_000));
        assert_eq!((settled.step(after(5_000)), settled.owed), (Step::Nothing, None));
    }

    #[test]
    fn a_change_soon_after_a_look_waits_for_the_pace_and_asks_for_one_check() {
        let mut presence = looked_at(&["ada"]);
        presence.heard([Shard::FIRST], after(200));
        assert_eq!(presence.ask_for_check(after(200)), Some(after(1_000)));
        presence.heard([Shard::FIRST], after(400));
        assert_eq!(presence.ask_for_check(after(400)), None);
        assert_eq!(presence.step(after(1_000)), Step::Count);
    }

    #[test]
    fn a_large_room_has_another_pace_but_is_told_when_it_has_settled() {
        let many = Census { members: 101, users: None };
        let mut presence = Presence::default().counted([(Shard::FIRST, many)].into(), NOW);
        presence.heard([Shard::FIRST], after(1_000));
        assert_eq!(presence.step(after(1_000)), Step::Wait(after(5_000)));
        let mut presence =
            presence.counted([(Shard::FIRST, Census { members: 102, users: None })].into(), after(5_000));
        assert_eq!(presence.ask_for_check(after(5_000)), Some(after(6_000)));
        assert_eq!(presence.step(after(6_000)), Step::Count, "the last word is not kept back");
    }

    #[test]
    fn a_check_that_is_not_waited_for_looks_at_nothing() {
        let mut presence = looked_at(&["ada"]);
        presence.heard([Shard::FIRST], after(200));
        presence.ask_for_check(after(200));
        assert!(!presence.woken(after(900), after(900)));
        assert!(presence.woken(after(1_000), after(999)), "clocks differ a little");
        assert_eq!(presence.checks, [].into());
    }

    #[test]
    fn a_user_with_two_devices_comes_once_and_goes_with_the_last() {
        let came = looked_at(&["ada"]).owed.unwrap().told;
        assert_eq!((came.members, came.users, came.came), (1, Some(1), vec![user("ada")]));
        let both = Census { members: 2, ..census(&["ada"]) };
        let both = looked_at(&["ada"]).counted([(Shard::FIRST, both)].into(), after(1_000));
        let told = both.owed.clone().unwrap().told;
        assert_eq!((told.members, told.users, told.came, told.went), (2, Some(1), vec![], vec![]));
        let gone = both.counted([(Shard::FIRST, Census::default())].into(), after(2_000));
        assert_eq!(gone.owed.unwrap().told.went, [user("ada")]);
    }

    #[test]
    fn only_rooms_of_up_to_100_members_name_them() {
        let presence = looked_at(&["ada"]);
        let other = Shard::new(1);
        assert_eq!(presence.to_name(&[(other, 99)].into()), [other].into());
        assert_eq!(presence.to_name(&[(other, 100)].into()), [].into());
        let large = presence.counted([(other, Census { members: 100, users: None })].into(), after(1_000));
        assert_eq!(large.owed.as_ref().unwrap().told, Announcement { members: 101, ..Announcement::default() });
        assert_eq!(large.to_name(&[(other, 5)].into()), [Shard::FIRST, other].into(), "small again: all of it");
    }

    #[test]
    fn a_room_is_occupied_by_the_first_and_vacated_by_the_last() {
        let occupied = looked_at(&["ada"]);
        assert_eq!(occupied.owed.as_ref().unwrap().occupancy(), Some(Kind::RoomOccupied));
        let more = occupied.counted([(Shard::FIRST, census(&["ada", "bob"]))].into(), after(1_000));
        assert_eq!(more.owed.as_ref().unwrap().occupancy(), None);
        let vacated = more.counted([(Shard::FIRST, Census::default())].into(), after(2_000));
        assert_eq!(vacated.owed.as_ref().unwrap().occupancy(), Some(Kind::RoomVacated));
        assert_eq!(vacated.census, BTreeMap::new());
    }

    #[test]
    fn a_clock_that_was_far_ahead_makes_nobody_wait() {
        let mut presence = Presence { counted_at: after(600_000), ..looked_at(&["ada"]) };
        presence.dirty.insert(Shard::FIRST, after(600_001));
        assert_eq!(presence.step(NOW), Step::Count);
    }
}
