//! `PRESENCE#<room>` / `PRESENCE`: the last counted members of a room, and the announcement that
//! they are owed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Census, Owed, Presence, RoomId, Shard, Timestamp, UserId, limits};

use crate::attributes::{Item, ItemBuilder, Read, Unreadable, n, s};
use crate::keys;

/// The number of writes of the item.
pub(crate) const VERSION: &str = "version";
/// The number of members that were counted, in all shards together.
pub(crate) const MEMBERS: &str = "members";
const COUNTS: &str = "counts";
const USERS: &str = "users";
const DIRTY: &str = "dirty";
const COUNTED_AT: &str = "counted_at";
const CHECKS: &str = "checks";
const RECENT: &str = "recent";
const OWED: &str = "owed";

/// Builds the item. The item of an empty room that has settled expires.
pub(crate) fn to_item(room: &RoomId, presence: &Presence) -> Result<Item, serde_json::Error> {
    let owed = presence.owed.as_ref().map(serde_json::to_string).transpose()?;
    let users = |(shard, census): (&Shard, &Census)| {
        let names = census.users.as_ref()?.iter().map(|user| s(user.as_ref())).collect();
        Some((shard.to_string(), AttributeValue::L(names)))
    };
    let counts = |(shard, census): (&Shard, &Census)| (shard.to_string(), n(census.members));
    let recent = presence.recent.iter().map(|(user, at)| (user.to_string(), n(at.as_ms()))).collect();
    let is_over = presence.census.is_empty() && presence.dirty.is_empty();
    let ttl = presence.counted_at.plus(limits::RETENTION).as_s();
    let item = ItemBuilder::default()
        .set(VERSION, n(presence.version))
        .set(MEMBERS, n(presence.members()))
        .set(COUNTS, AttributeValue::M(presence.census.iter().map(counts).collect()))
        .set(USERS, AttributeValue::M(presence.census.iter().filter_map(users).collect()))
        .set(DIRTY, AttributeValue::M(presence.dirty.iter().map(|(at, ms)| (at.to_string(), n(ms.as_ms()))).collect()))
        .set(COUNTED_AT, n(presence.counted_at.as_ms()))
        .set(CHECKS, AttributeValue::L(presence.checks.iter().map(|at| n(at.as_ms())).collect()))
        .maybe(RECENT, (!presence.recent.is_empty()).then_some(AttributeValue::M(recent)))
        .maybe(OWED, owed.map(s))
        .maybe(keys::TTL, is_over.then(|| n(ttl)));
    let mut item = item.build();
    item.extend(keys::presence(room));
    Ok(item)
}

/// Reads the presence of an item.
pub(crate) fn from_item(item: &Item) -> Result<Presence, Unreadable> {
    let mut names = shards(item, USERS, users)?;
    let counts = shards(item, COUNTS, |value| number(COUNTS, value))?;
    let census = |(shard, members)| (shard, Census { members, users: names.remove(&shard) });
    let owed = item.maybe_text(OWED).map(serde_json::from_str::<Owed>).transpose();
    let checks = item.get(CHECKS).and_then(|value| value.as_l().ok()).ok_or(Unreadable::Missing(CHECKS))?;
    let moment = |value: &AttributeValue| number(CHECKS, value).map(Timestamp::from_ms);
    Ok(Presence {
        version: item.number(VERSION)?,
        census: counts.into_iter().map(census).collect(),
        dirty: shards(item, DIRTY, |value| number(DIRTY, value).map(Timestamp::from_ms))?,
        counted_at: item.moment(COUNTED_AT)?,
        checks: checks.iter().map(moment).collect::<Result<_, _>>()?,
        recent: item.get(RECENT).map_or(Ok(BTreeMap::new()), recent)?,
        owed: owed.map_err(|error| Unreadable::Invalid(OWED, error.to_string()))?,
    })
}

/// Reads a map whose keys are shards.
fn shards<T>(
    item: &Item,
    name: &'static str,
    read: impl Fn(&AttributeValue) -> Result<T, Unreadable>,
) -> Result<BTreeMap<Shard, T>, Unreadable> {
    let map: &HashMap<String, AttributeValue> =
        item.get(name).and_then(|value| value.as_m().ok()).ok_or(Unreadable::Missing(name))?;
    let entry = |(shard, value): (&String, &AttributeValue)| {
        let number = shard.parse().map_err(|_| Unreadable::Invalid(name, format!("{shard:?} is no shard")))?;
        Ok((Shard::new(number), read(value)?))
    };
    map.iter().map(entry).collect()
}

fn users(value: &AttributeValue) -> Result<BTreeSet<UserId>, Unreadable> {
    let names = value.as_l().map_err(|_| Unreadable::Missing(USERS))?;
    let user = |value: &AttributeValue| {
        let name = value.as_s().map_err(|_| Unreadable::Missing(USERS))?;
        UserId::parse(name.as_str()).map_err(|error| Unreadable::Invalid(USERS, error.to_string()))
    };
    names.iter().map(user).collect()
}

fn recent(value: &AttributeValue) -> Result<BTreeMap<UserId, Timestamp>, Unreadable> {
    let map = value.as_m().map_err(|_| Unreadable::Missing(RECENT))?;
    let entry = |(name, at): (&String, &AttributeValue)| {
        let user = UserId::parse(name.as_str()).map_err(|error| Unreadable::Invalid(RECENT, error.to_string()))?;
        Ok((user, Timestamp::from_ms(number(RECENT, at)?)))
    };
    map.iter().map(entry).collect()
}

fn number(name: &'static str, value: &AttributeValue) -> Result<u64, Unreadable> {
    let text = value.as_n().map_err(|_| Unreadable::Missing(name))?;
    text.parse().map_err(|_| Unreadable::Invalid(name, format!("{text:?} is no whole number")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Announcement;
    use proptest::prelude::*;

    fn users() -> impl Strategy<Value = BTreeSet<UserId>> {
        prop::collection::btree_set("[a-z]{1,5}".prop_map(|name| UserId::parse(name).unwrap()), 0..4)
    }

    fn census() -> impl Strategy<Value = Census> {
        (1_u64.., prop::option::of(users())).prop_map(|(members, users)| Census { members, users })
    }

    fn at() -> impl Strategy<Value = Timestamp> {
        (0_u64..1 << 53).prop_map(Timestamp::from_ms)
    }

    fn owed() -> impl Strategy<Value = Owed> {
        (any::<u64>(), at(), any::<u32>(), users()).prop_map(|(version, at, members, names)| {
            let (members, came) = (u64::from(members), names.into_iter().collect());
            Owed { version, at, before: members / 2, told: Announcement { members, users: None, came, went: vec![] } }
        })
    }

    proptest! {
        #[test]
        fn a_presence_survives_its_item(
            version in any::<u64>(),
            census in prop::collection::btree_map(0_u16..1_024, census(), 0..5),
            dirty in prop::collection::btree_map(0_u16..1_024, at(), 0..5),
            counted_at in at(),
            checks in prop::collection::btree_set(at(), 0..3),
            recent in users().prop_flat_map(|names| {
                let len = names.len();
                (Just(names), prop::collection::vec(at(), len)).prop_map(|(names, at)| names.into_iter().zip(at).collect())
            }),
            owed in prop::option::of(owed()),
        ) {
            let shard = |n: u16| Shard::new(n);
            // The sum of the counts must fit a number too.
            let few = |census: Census| Census { members: census.members >> 8, ..census };
            let presence = Presence {
                version,
                census: census.into_iter().map(|(n, census)| (shard(n), few(census))).collect(),
                dirty: dirty.into_iter().map(|(n, at)| (shard(n), at)).collect(),
                counted_at,
                checks,
                recent,
                owed,
            };
            let item = to_item(&RoomId::parse("lobby").unwrap(), &presence).unwrap();
            let is_over = presence.census.is_empty() && presence.dirty.is_empty();
            prop_assert_eq!(item.contains_key(keys::TTL), is_over);
            prop_assert_eq!(from_item(&item).unwrap(), presence);
        }
    }
}
