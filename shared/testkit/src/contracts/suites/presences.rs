//! Promises of [`Presences`]: a presence is read as it was written, and a stale write never
//! replaces it.

use std::collections::{BTreeSet, HashMap};

use domain::ports::{Presences, Rooms, Written};
use domain::{Announcement, Census, Owed, Presence, RoomId, Shard, UserId, limits};
use futures::future::join_all;

use crate::contracts::StoreFixture;
use crate::contracts::scene::{certain, eventually, unique_room};
use crate::samples;

pub async fn nobody_was_ever_in_a_room_that_nothing_is_known_of(fixture: &impl StoreFixture<Store: Presences>) {
    let room = unique_room();
    assert_eq!(fixture.store().presence(&room).await.unwrap(), Presence::default());
    assert!(fixture.store().members_counted(std::slice::from_ref(&room)).await.unwrap().is_empty());
}

pub async fn a_presence_is_read_as_it_was_written(fixture: &impl StoreFixture<Store: Presences>) {
    let room = unique_room();
    let written = small();
    write(fixture, &room, &written).await;
    assert_eq!(read(fixture, &room).await, Presence { version: 1, ..written });
    let emptied = Presence { version: 1, counted_at: samples::NOW, ..Presence::default() };
    write(fixture, &room, &emptied).await;
    assert_eq!(read(fixture, &room).await, Presence { version: 2, ..emptied });
}

pub async fn the_presence_of_the_largest_room_is_read_as_it_was_written(fixture: &impl StoreFixture<Store: Presences>) {
    let room = unique_room();
    let shards = || (0..limits::SHARDS_PER_ROOM).map(Shard::new);
    let census = |shard| (shard, Census { members: limits::MEMBERS_PER_SHARD, users: None });
    let written = Presence {
        census: shards().map(census).collect(),
        dirty: shards().map(|shard| (shard, samples::NOW)).collect(),
        counted_at: samples::NOW,
        ..Presence::default()
    };
    write(fixture, &room, &written).await;
    assert_eq!(read(fixture, &room).await, Presence { version: 1, ..written });
}

pub async fn the_longest_names_are_read_as_they_were_written(fixture: &impl StoreFixture<Store: Presences>) {
    let room = unique_room();
    let names = |from: u64| (from..from + limits::PRESENCE_NAMED_MEMBERS).map(|n| samples::user(&format!("{n:0>127}")));
    let here: BTreeSet<UserId> = names(0).collect();
    let census = Census { members: limits::PRESENCE_NAMED_MEMBERS, users: Some(here) };
    let before = Presence { census: [(Shard::FIRST, census)].into(), ..Presence::default() };
    let others: BTreeSet<UserId> = names(limits::PRESENCE_NAMED_MEMBERS).collect();
    let fresh = Census { members: limits::PRESENCE_NAMED_MEMBERS, users: Some(others) };
    let written = before.counted([(Shard::FIRST, fresh)].into(), samples::NOW);
    write(fixture, &room, &written).await;
    assert_eq!(read(fixture, &room).await, Presence { version: 1, ..written });
}

pub async fn a_presence_that_somebody_else_wrote_meanwhile_is_not_written_over(
    fixture: &impl StoreFixture<Store: Presences>,
) {
    let room = unique_room();
    let (first, second) = (small(), Presence::default());
    write(fixture, &room, &first).await;
    assert_eq!(fixture.store().write_presence(&room, &second).await.unwrap(), Written::Stale);
    let ahead = Presence { version: 2, ..second };
    assert_eq!(fixture.store().write_presence(&room, &ahead).await.unwrap(), Written::Stale);
    assert_eq!(read(fixture, &room).await, Presence { version: 1, ..first });
}

pub async fn of_writers_at_the_same_moment_one_is_heard(fixture: &impl StoreFixture<Store: Presences>) {
    let room = unique_room();
    let presences: Vec<Presence> =
        (1..=4).map(|n| Presence { dirty: [(Shard::new(n), samples::NOW)].into(), ..Presence::default() }).collect();
    let answers = join_all(presences.iter().map(|presence| fixture.store().write_presence(&room, presence))).await;
    let stored = answers.into_iter().filter_map(certain).filter(|written| *written == Written::Stored).count();
    assert_eq!(stored, 1);
    let stands = read(fixture, &room).await;
    assert!(presences.iter().any(|presence| presence.dirty == stands.dirty), "{stands:?}");
    assert_eq!(stands.version, 1);
}

pub async fn the_members_counted_are_known_some_time_after(fixture: &impl StoreFixture<Store: Presences>) {
    let room = unique_room();
    write(fixture, &room, &small()).await;
    let rooms = [unique_room(), room.clone()];
    let counted = async || {
        let counts = fixture.store().members_counted(&rooms).await.unwrap();
        (counts == HashMap::from([(room.clone(), 3)])).then_some(())
    };
    eventually(fixture.clock(), "three members counted", counted).await;
}

pub async fn a_presence_is_no_head(fixture: &impl StoreFixture<Store: Presences>) {
    let room = unique_room();
    write(fixture, &room, &small()).await;
    assert_eq!(fixture.store().head(&room).await.unwrap(), None);
}

/// The presence of three connections of two users, with every field set.
fn small() -> Presence {
    let user = samples::user;
    let told = Announcement { members: 3, users: Some(2), came: vec![user("bob")], went: vec![user("eve")] };
    Presence {
        version: 0,
        census: [
            (Shard::new(0), Census { members: 2, users: Some([user("ada"), user("bob")].into()) }),
            (Shard::new(7), Census { members: 1, users: Some([user("ada")].into()) }),
        ]
        .into(),
        dirty: [(Shard::new(7), samples::NOW)].into(),
        counted_at: samples::NOW,
        checks: [samples::NOW, samples::NOW.plus(limits::PRESENCE_SETTLES)].into(),
        recent: [(user("bob"), samples::NOW), (user("eve"), samples::NOW)].into(),
        owed: Some(Owed { version: 1, at: samples::NOW, before: 0, told }),
    }
}

async fn write(fixture: &impl StoreFixture<Store: Presences>, room: &RoomId, presence: &Presence) {
    assert_eq!(fixture.store().write_presence(room, presence).await.unwrap(), Written::Stored);
}

async fn read(fixture: &impl StoreFixture<Store: Presences>, room: &RoomId) -> Presence {
    fixture.store().presence(room).await.unwrap()
}
