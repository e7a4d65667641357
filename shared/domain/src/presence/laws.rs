//! Properties of presence under any sequence of changes. The model has an index that lags, a stream
//! that batches, and a queue of checks.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// The maximum lag of the index for which the count must be correct in time.
const LAG_MS: u64 = 4_000;
/// The maximum delay of the stream: four reads a second, and the batch window.
const STREAM_MS: u64 = 1_250;
/// The maximum delay of a check, since queues count whole seconds.
const CHECK_MS: u64 = 1_000;
const SHARDS: u16 = 4;

/// A connection that joins or leaves.
#[derive(Debug, Clone)]
struct Toggle {
    at_ms: u64,
    connection: u16,
    lag_ms: u64,
    stream_ms: u64,
    check_ms: u64,
}

#[derive(Debug, Default)]
struct Model {
    presence: Presence,
    /// The changes of each connection, with the time at which the index shows them.
    index: BTreeMap<u16, Vec<(u64, bool)>>,
    /// When each connection joined and left.
    truth: BTreeMap<u16, Vec<(u64, bool)>>,
    /// Pending changes from the stream, and pending checks.
    due: BTreeSet<(u64, u64, Due)>,
    queued: u64,
    /// The names that each connection knows, from `who` at its join and the blocks since. A block
    /// reaches the connections that the index lists.
    believed: BTreeMap<u16, BTreeSet<UserId>>,
    /// Joins that have not happened yet, in order of time.
    joining: BTreeSet<(u64, u16)>,
    members: u64,
    blocks: Vec<u64>,
    checks: usize,
    check_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Changed(u16),
    Check(u64),
}

fn user(connection: u16) -> UserId {
    // Each user has two connections.
    UserId::parse(format!("u{}", connection / 2)).unwrap()
}

impl Model {
    fn push(&mut self, at_ms: u64, due: Due) {
        self.queued += 1;
        self.due.insert((at_ms, self.queued, due));
    }

    fn joins(&mut self, toggles: &[Toggle]) {
        let mut present: BTreeMap<u16, bool> = BTreeMap::new();
        for toggle in toggles {
            let is_in = present.entry(toggle.connection).or_default();
            *is_in = !*is_in;
            let known = self.index.entry(toggle.connection).or_default();
            // Changes of one item arrive in order.
            let at = (toggle.at_ms + toggle.lag_ms).max(known.last().map_or(0, |(at, _)| *at));
            known.push((at, *is_in));
            self.truth.entry(toggle.connection).or_default().push((toggle.at_ms, *is_in));
            if *is_in {
                self.joining.insert((toggle.at_ms, toggle.connection));
            }
            self.push(toggle.at_ms + toggle.stream_ms, Due::Changed(toggle.connection % SHARDS));
            self.check_ms = toggle.check_ms;
        }
    }

    /// The members that the index lists.
    fn seen(&self, shard: u16, now_ms: u64) -> Vec<u16> {
        let here = self.index.iter().filter(|(connection, known)| *connection % SHARDS == shard && at(known, now_ms));
        here.map(|(connection, _)| *connection).collect()
    }

    /// Those of them that are members: names are read by key.
    fn named(&self, shard: u16, now_ms: u64) -> Vec<u16> {
        let seen = self.seen(shard, now_ms).into_iter();
        seen.filter(|connection| at(&self.truth[connection], now_ms)).collect()
    }

    /// The clients that joined by now ask `who`.
    fn join_until(&mut self, now_ms: u64) {
        while let Some((at_ms, connection)) = self.joining.pop_first() {
            if at_ms > now_ms {
                self.joining.insert((at_ms, connection));
                break;
            }
            let who = self.who(connection, at_ms);
            self.believed.insert(connection, who);
        }
    }

    /// The answer to `who`, with the asking client itself.
    fn who(&self, connection: u16, at_ms: u64) -> BTreeSet<UserId> {
        (0..SHARDS).flat_map(|shard| self.named(shard, at_ms)).chain([connection]).map(user).collect()
    }

    fn run(&mut self) -> u64 {
        let mut last_ms = 0;
        while let Some((now_ms, _, due)) = self.due.pop_first() {
            last_ms = now_ms;
            let now = Timestamp::from_ms(now_ms);
            self.join_until(now_ms);
            match due {
                Due::Changed(shard) => self.presence.heard([Shard::new(shard)], now),
                Due::Check(at_ms) => {
                    if !self.presence.woken(Timestamp::from_ms(at_ms), now) {
                        continue;
                    }
                }
            }
            self.look(now);
            let waiting = self.due.iter().filter(|(at, _, due)| matches!(due, Due::Check(_)) && *at > now_ms);
            self.checks = self.checks.max(waiting.count());
        }
        last_ms
    }

    fn look(&mut self, now: Timestamp) {
        if self.presence.step(now) == Step::Count {
            let shards: Vec<Shard> = self.presence.dirty.keys().copied().collect();
            let count = |shard: &Shard| (*shard, self.seen(shard.get(), now.as_ms()).len() as u64);
            let counts: BTreeMap<Shard, u64> = shards.iter().map(count).collect();
            let named = self.presence.to_name(&counts);
            let mut fresh: BTreeMap<Shard, Census> =
                counts.into_iter().map(|(shard, members)| (shard, Census { members, users: None })).collect();
            let mut joined_at = BTreeMap::new();
            for shard in named {
                let here = self.named(shard.get(), now.as_ms());
                for connection in &here {
                    let joined = |(at, is_in): &(u64, bool)| (*is_in && *at <= now.as_ms()).then_some(*at);
                    let at = self.truth[connection].iter().rev().find_map(joined).unwrap_or_default();
                    let first = joined_at.entry(user(*connection)).or_insert(Timestamp::from_ms(at));
                    *first = (*first).min(Timestamp::from_ms(at));
                }
                let users = Some(here.iter().copied().map(user).collect());
                fresh.insert(shard, Census { members: here.len() as u64, users });
            }
            self.presence = self.presence.counted_with(fresh, &joined_at, now);
            if let Some(Owed { told, .. }) = self.presence.owed.take() {
                self.blocks.push(now.as_ms());
                self.members = told.members;
                let listed: BTreeSet<u16> = (0..SHARDS).flat_map(|shard| self.seen(shard, now.as_ms())).collect();
                let clients: Vec<u16> =
                    self.believed.keys().filter(|client| listed.contains(client)).copied().collect();
                for client in clients {
                    let mut names = self.believed.remove(&client).unwrap_or_default();
                    names.extend(told.came.iter().cloned());
                    names.retain(|user| !told.went.contains(user));
                    // PROTOCOL.md: a client whose names are not as many as the block counts asks
                    // again.
                    if told.users.is_some_and(|users| users != names.len() as u64) {
                        names = self.who(client, now.as_ms());
                    }
                    self.believed.insert(client, names);
                }
            }
        }
        if let Some(at) = self.presence.ask_for_check(now) {
            self.push(at.as_ms() + self.check_ms, Due::Check(at.as_ms()));
        }
        self.presence.version += 1;
    }

    fn outcome(&self) -> (u64, BTreeSet<UserId>) {
        let here = self.present();
        (here.len() as u64, here.into_iter().map(user).collect())
    }

    fn present(&self) -> Vec<u16> {
        (0..SHARDS).flat_map(|shard| self.seen(shard, u64::MAX)).collect()
    }
}

/// Whether a connection was a member at a moment.
fn at(known: &[(u64, bool)], now_ms: u64) -> bool {
    known.iter().rev().find(|(at, _)| *at <= now_ms).is_some_and(|(_, is)| *is)
}

fn toggles(connections: u16, count: usize, apart_ms: u64) -> impl Strategy<Value = Vec<Toggle>> {
    let one = (0..apart_ms, 0..connections, 0..LAG_MS, 0..STREAM_MS, 0..CHECK_MS);
    prop::collection::vec(one, 1..count).prop_map(|all| {
        let mut at_ms = 1_764_000_000_000;
        let toggle = |(apart, connection, lag_ms, stream_ms, check_ms)| {
            at_ms += apart;
            Toggle { at_ms, connection, lag_ms, stream_ms, check_ms }
        };
        all.into_iter().map(toggle).collect()
    })
}

/// Users with one device each. A second device that the index does not list yet is not named when
/// it is counted.
fn toggles_of_single_devices(users: u16, count: usize, apart_ms: u64) -> impl Strategy<Value = Vec<Toggle>> {
    toggles(users, count, apart_ms).prop_map(|mut toggles| {
        toggles.iter_mut().for_each(|toggle| toggle.connection *= 2);
        toggles
    })
}

fn check(toggles: &[Toggle]) -> Result<Model, TestCaseError> {
    let mut model = Model::default();
    model.joins(toggles);
    let settled_ms = model.run();
    let last_ms = toggles.last().map_or(0, |toggle| toggle.at_ms);
    prop_assert_eq!(model.members, model.outcome().0, "the last word is true");
    prop_assert!(settled_ms <= last_ms + 10_000, "{} ms after the last change", settled_ms - last_ms);
    prop_assert!(model.presence.dirty.is_empty() && model.checks <= 6, "{} checks wait", model.checks);
    Ok(model)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_last_word_of_a_small_room_is_true_within_10_s_of_the_last_change(toggles in toggles_of_single_devices(20, 120, 3_000)) {
        let model = check(&toggles)?;
        for connection in model.present() {
            prop_assert_eq!(&model.believed[&connection], &model.outcome().1, "the names that {} knows", connection);
        }
        let too_soon = model.blocks.windows(2).filter(|pair| pair[1] - pair[0] < 1_000).count();
        prop_assert_eq!(too_soon, 0, "one a second");
    }

    #[test]
    fn the_last_word_of_a_room_that_grows_and_shrinks_is_true_within_10_s(toggles in toggles(300, 900, 60)) {
        check(&toggles)?;
    }
}

#[test]
fn five_thousand_joins_and_leaves_produce_a_bounded_number_of_blocks_and_a_true_count() {
    let toggle = |n: u64| Toggle {
        at_ms: 1_764_000_000_000 + n * 10,
        connection: (n % 2_500) as u16,
        lag_ms: n * 7 % LAG_MS,
        stream_ms: n * 13 % STREAM_MS,
        check_ms: n * 3 % CHECK_MS,
    };
    // 2,500 connections join, and all but 50 of them leave.
    let toggles: Vec<Toggle> = (0..4_950).map(toggle).collect();
    let model = check(&toggles).unwrap();
    assert_eq!(model.members, 50);
    let seconds = 50 + 10;
    assert!(model.blocks.len() <= seconds / 5 + 2 * 10, "{} blocks in {seconds} s", model.blocks.len());
}

proptest! {
    #[test]
    fn two_announcements_in_one_say_what_both_say(
        there in prop::collection::btree_set(0_u8..6, 0..6),
        next in prop::collection::btree_set(0_u8..6, 0..6),
        last in prop::collection::btree_set(0_u8..6, 0..6),
    ) {
        let names = |set: &BTreeSet<u8>| -> BTreeSet<UserId> { set.iter().map(|n| user(u16::from(*n) * 2)).collect() };
        let (there, next, last) = (names(&there), names(&next), names(&last));
        let step = |from: &BTreeSet<UserId>, to: &BTreeSet<UserId>| Announcement {
            members: to.len() as u64,
            users: Some(to.len() as u64),
            came: to.difference(from).cloned().collect(),
            went: from.difference(to).cloned().collect(),
        };
        let both = step(&there, &next).then(step(&next, &last));
        let mut believed: BTreeSet<UserId> = there.iter().cloned().chain(both.came).collect();
        believed.retain(|name| !both.went.contains(name));
        prop_assert_eq!(believed, last);
    }
}
