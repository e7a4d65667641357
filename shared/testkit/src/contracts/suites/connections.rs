//! Promises of [`Connections`]: a connection is opened once, closed for good, and listed when
//! silent.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ports::{Clock, Connections, Directory, Known, Memberships, Opened};
use domain::{
    Connection, ConnectionId, Device, Enlisted, Format, LIVENESS_SHARDS, RoomId, Shard, Shards, Suspect, Timestamp,
    limits, liveness_shard,
};
use futures::future::join;

use crate::contracts::StoreFixture;
use crate::contracts::scene::{
    certain, eventually, insist, listed, open, opened, unique, unique_connection, unique_room,
};
use crate::samples;

/// More connections than any test leaves silent in one shard.
const MANY: usize = 10_000;

pub async fn a_connection_is_found_as_it_was_opened(fixture: &impl StoreFixture) {
    let now = fixture.clock().now();
    let plain = opened(fixture).await;
    let full = Connection {
        device: Some(Device::parse("phone").unwrap()),
        expires_at: Some(now.plus(Duration::from_millis(3_600_123))),
        format: Format::Classic,
        stamp: samples::stamp("0b6c5f0e-token", now.minus(Duration::from_secs(60))),
        last_seen_at: now.plus(Duration::from_millis(7)),
        ..unique_connection(now)
    };
    open(fixture, &full).await;
    for connection in [plain, full] {
        assert_eq!(fixture.store().find(&connection.id).await.unwrap(), Some(connection));
    }
}

pub async fn a_connection_opens_once(fixture: &impl StoreFixture) {
    let first = opened(fixture).await;
    let second = Connection { user: samples::user("eve"), ..first.clone() };
    assert_eq!(fixture.store().open(&second, &[]).await.unwrap(), Opened::Refused);
    assert_eq!(fixture.store().find(&first.id).await.unwrap(), Some(first));
}

pub async fn a_refused_open_stores_no_membership(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let room = unique_room();
    let place = samples::membership(&connection, &room, Shard::FIRST);
    assert_eq!(fixture.store().open(&connection, &[place]).await.unwrap(), Opened::Refused);
    let members = fixture.store().members_among(&room, &[connection.id]).await.unwrap();
    assert_eq!(members, []);
}

pub async fn a_buried_connection_cannot_be_opened_again(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    bury(fixture, &connection.id).await;
    assert_eq!(fixture.store().open(&connection, &[]).await.unwrap(), Opened::Refused);
    assert_eq!(fixture.store().find(&connection.id).await.unwrap(), None);
}

pub async fn a_connection_buried_before_it_opened_is_refused(fixture: &impl StoreFixture) {
    let connection = unique_connection(fixture.clock().now());
    bury(fixture, &connection.id).await;
    assert_eq!(fixture.store().open(&connection, &[]).await.unwrap(), Opened::Refused);
}

pub async fn a_buried_connection_is_not_found(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    bury(fixture, &connection.id).await;
    let never_was = samples::connection_id(&unique("c"));
    for id in [connection.id, never_was] {
        assert_eq!(fixture.store().find(&id).await.unwrap(), None);
    }
}

pub async fn burying_twice_is_no_error(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    bury(fixture, &connection.id).await;
    bury(fixture, &connection.id).await;
    assert_eq!(fixture.store().find(&connection.id).await.unwrap(), None);
}

pub async fn what_a_connection_joins_at_open_is_stored_with_it(fixture: &impl StoreFixture) {
    let connection = unique_connection(fixture.clock().now());
    let (room, shard) = (unique_room(), Shard::new(3));
    let inbox = samples::inbox(&connection);
    let place = samples::membership(&connection, &room, shard);
    let first = [inbox.clone(), place, samples::everyone(&connection)];
    assert_eq!(fixture.store().open(&connection, &first).await.unwrap(), Opened::Stored);
    let mut rooms = fixture.store().rooms_of(&connection.id).await.unwrap();
    rooms.sort();
    assert_eq!(rooms, [inbox.room, room.clone()]);
    listed(fixture, &room, shard, &connection.id, true).await;
}

pub async fn an_open_connection_is_a_member_of_everyone_in_the_shard_it_was_given(fixture: &impl StoreFixture) {
    let connection = unique_connection(fixture.clock().now());
    let (everyone, default) = everyone(&connection.id);
    let other = Shard::new((default.get() + 1) % limits::SHARDS_OF_EVERYONE);
    let place = samples::membership(&connection, &everyone, other);
    assert_eq!(fixture.store().open(&connection, &[place]).await.unwrap(), Opened::Stored);
    listed(fixture, &everyone, other, &connection.id, true).await;
    listed(fixture, &everyone, default, &connection.id, false).await;
}

pub async fn an_open_connection_is_a_member_of_everyone_even_if_it_was_given_no_shard(fixture: &impl StoreFixture) {
    let connection = unique_connection(fixture.clock().now());
    let (everyone, default) = everyone(&connection.id);
    assert_eq!(fixture.store().open(&connection, &[]).await.unwrap(), Opened::Stored);
    listed(fixture, &everyone, default, &connection.id, true).await;
}

pub async fn a_buried_connection_is_no_member_of_everyone(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let (everyone, shard) = everyone(&connection.id);
    listed(fixture, &everyone, shard, &connection.id, true).await;
    bury(fixture, &connection.id).await;
    listed(fixture, &everyone, shard, &connection.id, false).await;
}

pub async fn a_touch_soon_after_the_last_is_not_written(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let soon = connection.last_seen_at.plus(limits::TOUCH - Duration::from_secs(1));
    assert_eq!(fixture.store().touch(&connection.id, soon).await.unwrap(), Known::Yes);
    assert_eq!(fixture.store().find(&connection.id).await.unwrap(), Some(connection));
}

pub async fn a_touch_long_after_the_last_is_written(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let late = connection.last_seen_at.plus(limits::TOUCH + Duration::from_secs(1));
    assert_eq!(fixture.store().touch(&connection.id, late).await.unwrap(), Known::Yes);
    let touched = Connection { last_seen_at: late, ..connection };
    assert_eq!(fixture.store().find(&touched.id).await.unwrap(), Some(touched));
}

pub async fn a_touch_knows_no_buried_connection_and_revives_none(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    bury(fixture, &connection.id).await;
    let never_was = samples::connection_id(&unique("c"));
    let late = connection.last_seen_at.plus(2 * limits::TOUCH);
    for id in [&connection.id, &never_was] {
        assert_eq!(fixture.store().touch(id, late).await.unwrap(), Known::No);
        assert_eq!(fixture.store().find(id).await.unwrap(), None);
    }
    let fresh = Connection { id: never_was, ..connection.clone() };
    assert_eq!(fixture.store().open(&fresh, &[]).await.unwrap(), Opened::Stored);
    assert_eq!(fixture.store().open(&connection, &[]).await.unwrap(), Opened::Refused);
}

pub async fn a_suspect_is_told_as_it_was_opened(fixture: &impl StoreFixture) {
    let long_ago = Timestamp::from_ms(1_000);
    let connection = Connection { format: Format::Classic, ..silent(fixture, 0, long_ago) };
    open(fixture, &connection).await;
    let expected = Suspect {
        connection: connection.id.clone(),
        endpoint: connection.endpoint.clone(),
        connected_at: connection.connected_at,
        last_seen_at: long_ago,
        format: Format::Classic,
    };
    let shown = async || suspects(fixture, 0, 1_001).await.into_iter().find(|one| one.connection == connection.id);
    assert_eq!(eventually(fixture.clock(), "a suspect", shown).await, expected);
    bury(fixture, &connection.id).await;
}

pub async fn silent_connections_come_longest_silent_first(fixture: &impl StoreFixture) {
    let expected = silent_at(fixture, 1, [900, 1_000, 1_100]).await;
    let mut others = Vec::new();
    let shown = async || {
        let suspects = suspects(fixture, 1, 1_101).await;
        assert!(suspects.is_sorted_by_key(|suspect| suspect.last_seen_at));
        others = suspects.into_iter().map(|suspect| suspect.connection).collect();
        others.retain(|id| expected.contains(id));
        (others.len() == expected.len()).then_some(())
    };
    eventually(fixture.clock(), "three suspects", shown).await;
    assert_eq!(others, expected);
    bury_all(fixture, &expected).await;
}

pub async fn silent_connections_are_at_most_the_limit_and_the_longest_silent(fixture: &impl StoreFixture) {
    let all = silent_at(fixture, 2, [3, 2, 1]).await;
    let (before, limit) = (Timestamp::from_ms(1_000), 2);
    let whole = async || (suspects(fixture, 2, 1_000).await.len() >= all.len()).then_some(());
    eventually(fixture.clock(), "three suspects", whole).await;
    let some = fixture.store().silent(2, before, limit).await.unwrap();
    assert_eq!(some.len(), limit);
    assert!(some.iter().all(|suspect| suspect.connection != all[0]), "the least silent is not among the first");
    bury_all(fixture, &all).await;
}

pub async fn a_connection_seen_since_is_not_silent(fixture: &impl StoreFixture) {
    let all = silent_at(fixture, 3, [999, 1_000, 1_001]).await;
    let among = async |before: u64| {
        let suspects = suspects(fixture, 3, before).await;
        all.iter().filter(|id| suspects.iter().any(|one| one.connection == **id)).count()
    };
    eventually(fixture.clock(), "three suspects", async || (among(1_002).await == 3).then_some(())).await;
    assert_eq!((among(999).await, among(1_000).await, among(1_001).await), (0, 1, 2));
    bury_all(fixture, &all).await;
}

pub async fn a_touched_connection_is_silent_no_more(fixture: &impl StoreFixture) {
    let [id] = silent_at(fixture, 4, [1_000]).await;
    suspected(fixture, 4, &id, true).await;
    let now = fixture.clock().now();
    assert_eq!(fixture.store().touch(&id, now).await.unwrap(), Known::Yes);
    suspected(fixture, 4, &id, false).await;
    bury(fixture, &id).await;
}

pub async fn a_buried_connection_is_silent_no_more(fixture: &impl StoreFixture) {
    let [id] = silent_at(fixture, 5, [1_000]).await;
    suspected(fixture, 5, &id, true).await;
    bury(fixture, &id).await;
    suspected(fixture, 5, &id, false).await;
}

pub async fn a_silent_connection_is_in_its_shard_alone(fixture: &impl StoreFixture) {
    let [id] = silent_at(fixture, 6, [1_000]).await;
    suspected(fixture, 6, &id, true).await;
    for shard in (0..LIVENESS_SHARDS).filter(|shard| *shard != 6) {
        let suspects = suspects(fixture, shard, 1_001).await;
        assert!(suspects.iter().all(|one| one.connection != id), "{id} is in shard {shard} as well");
    }
    bury(fixture, &id).await;
}

pub async fn an_open_at_the_moment_of_a_burial_leaves_it_buried(fixture: &impl StoreFixture) {
    for _ in 0..8 {
        let connection = unique_connection(fixture.clock().now());
        let first = [samples::everyone(&connection)];
        let bury = async || fixture.store().bury(&connection.id, connection.connected_at).await;
        let (opened, ()) = join(fixture.store().open(&connection, &first), insist(fixture.clock(), bury)).await;
        certain(opened);
        assert_eq!(fixture.store().find(&connection.id).await.unwrap(), None);
        assert_eq!(fixture.store().open(&connection, &first).await.unwrap(), Opened::Refused);
    }
}

async fn bury(fixture: &impl StoreFixture, id: &ConnectionId) {
    fixture.store().bury(id, fixture.clock().now()).await.unwrap();
}

async fn bury_all(fixture: &impl StoreFixture, ids: &[ConnectionId]) {
    for id in ids {
        bury(fixture, id).await;
    }
}

/// The room `*`, and the default shard of a connection there.
fn everyone(id: &ConnectionId) -> (RoomId, Shard) {
    let room = RoomId::everyone();
    let shard = Shards::initial(&room).place(id);
    (room, shard)
}

/// A connection in this shard of the liveness index, opened now and last seen at `last_seen_at`.
/// Times in 1970 separate it from everything else in the index.
fn silent(fixture: &impl StoreFixture, shard: u16, last_seen_at: Timestamp) -> Connection {
    loop {
        let connection = unique_connection(fixture.clock().now());
        if liveness_shard(&connection.id) == shard {
            return Connection { last_seen_at, ..connection };
        }
    }
}

/// Opens a connection in this shard for each of these times.
async fn silent_at<const N: usize>(fixture: &impl StoreFixture, shard: u16, ms: [u64; N]) -> [ConnectionId; N] {
    let connections = ms.map(|ms| silent(fixture, shard, Timestamp::from_ms(ms)));
    for connection in &connections {
        open(fixture, connection).await;
    }
    connections.map(|connection| connection.id)
}

async fn suspects(fixture: &impl StoreFixture, shard: u16, before_ms: u64) -> Vec<Suspect> {
    fixture.store().silent(shard, Timestamp::from_ms(before_ms), MANY).await.unwrap()
}

async fn suspected(fixture: &impl StoreFixture, shard: u16, id: &ConnectionId, is: bool) {
    let what = format!("{id} {} silent", if is { "is" } else { "is not" });
    let look = async || {
        let suspects = suspects(fixture, shard, 1_001).await;
        (suspects.iter().any(|one| one.connection == *id) == is).then_some(())
    };
    eventually(fixture.clock(), &what, look).await;
}

pub async fn the_connections_of_a_user_are_listed_at_once_until_they_cannot_live(
    fixture: &impl StoreFixture<Store: Connections + Directory>,
) {
    let (user, other) = (samples::user(&unique("u")), samples::user(&unique("u")));
    let now = fixture.clock().now();
    let ids: BTreeSet<ConnectionId> = (0..3).map(|_| samples::connection_id(&unique("c"))).collect();
    for id in &ids {
        let entry = Enlisted { at: now, connection: id.clone(), device: None };
        fixture.store().enlist(&user, &entry).await.unwrap();
        fixture.store().enlist(&user, &entry).await.unwrap();
    }
    let listed = async |user, at| -> BTreeSet<ConnectionId> {
        fixture.store().connections_of(user, at).await.unwrap().into_iter().collect()
    };
    assert_eq!(listed(&user, now).await, ids);
    assert_eq!(listed(&other, now).await, BTreeSet::new());
    assert_eq!(listed(&user, now.plus(limits::CONNECTION_TTL)).await, BTreeSet::new());
}

pub async fn a_connection_that_left_the_directory_is_not_listed(
    fixture: &impl StoreFixture<Store: Connections + Directory>,
) {
    let (user, now) = (samples::user(&unique("u")), fixture.clock().now());
    let device = Device::parse("phone").ok();
    let entry = |device| Enlisted { at: now, connection: samples::connection_id(&unique("c")), device };
    let (gone, there) = (entry(None), entry(device));
    for entry in [&gone, &there] {
        fixture.store().enlist(&user, entry).await.unwrap();
    }
    for _ in 0..2 {
        fixture.store().delist(&user, &gone.connection).await.unwrap();
        assert_eq!(fixture.store().entries_of(&user, now).await.unwrap(), std::slice::from_ref(&there));
    }
}
