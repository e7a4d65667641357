//! Promises of [`domain::flow::enter`] over the ports: a connection that is gone, or has another
//! token, enters no room.

use std::collections::HashMap;
use std::time::Duration;

use domain::flow::{Entered, Entrance, Joiner, enter, forget};
use domain::ports::{Clock, Connections, Memberships, Presences, Renewals, Rooms};
use domain::{Connection, Holding, Identity, RoomId, Shard, limits};
use futures::future::join as join_both;

use crate::chance::Seeded;
use crate::contracts::StoreFixture;
use crate::contracts::scene::{insist, join, open, opened, put, unique_connection, unique_room, walk_shows};
use crate::samples;

/// More rooms than are counted one by one.
const MANY_ROOMS: usize = 40;

pub async fn rooms_are_entered_and_their_heads_created(fixture: &impl StoreFixture<Store: Presences>) {
    let connection = opened(fixture).await;
    let rooms: Vec<RoomId> = (0..MANY_ROOMS).map(|_| unique_room()).collect();
    let stands = fixture.store().create(&rooms[0], &samples::epoch("k7Qf"), fixture.clock().now()).await.unwrap();
    for new in [true, false] {
        let entered = entered(fixture, &connection, &rooms).await;
        assert_eq!(entered.len(), MANY_ROOMS);
        assert_eq!(entered[&rooms[0]].head, stands);
        let heads = fixture.store().heads(&rooms).await.unwrap();
        for room in &rooms {
            assert_eq!((&entered[room].head, entered[room].new), (&heads[room], new), "{room}");
        }
    }
    assert_eq!(fixture.store().rooms_of(&connection.id).await.unwrap().len(), MANY_ROOMS + 1);
}

pub async fn a_full_shard_makes_its_room_grow_before_it_is_entered(fixture: &impl StoreFixture<Store: Presences>) {
    let room = unique_room();
    fixture.store().create(&room, &samples::epoch("k7Qf"), fixture.clock().now()).await.unwrap();
    let most = usize::try_from(limits::MEMBERS_PER_SHARD).unwrap_or_default();
    let mut members = crate::contracts::scene::crowd(fixture, &room, Shard::FIRST, most).await;
    members.truncate(0);
    crate::contracts::scene::eventually(fixture.clock(), "a full shard", async || {
        (fixture.store().count(&room, Shard::FIRST).await.unwrap() == limits::MEMBERS_PER_SHARD).then_some(())
    })
    .await;
    let connection = opened(fixture).await;
    let entered = entered(fixture, &connection, std::slice::from_ref(&room)).await;
    assert!(entered[&room].grown);
    assert_eq!(entered[&room].head.shards.get(), 2);
    walk_shows(fixture, &room, Shard::new(1), &[Connection { sees_members: true, ..connection }]).await;
}

pub async fn who_is_not_connected_enters_nothing(fixture: &impl StoreFixture<Store: Presences>) {
    let stranger = unique_connection(fixture.clock().now());
    let buried = opened(fixture).await;
    fixture.store().bury(&buried.id, fixture.clock().now()).await.unwrap();
    for connection in [stranger, buried] {
        let rooms = [unique_room(), unique_room()];
        let before = fixture.store().rooms_of(&connection.id).await.unwrap();
        for rooms in [&rooms[..1], &rooms[..], &[RoomId::everyone()]] {
            let entrance = enter_all(fixture, &connection, rooms).await;
            assert!(matches!(entrance, Entrance::NotConnected), "{entrance:?}");
        }
        assert_eq!(fixture.store().rooms_of(&connection.id).await.unwrap(), before);
    }
}

/// The removal of a connection writes the tombstone, then lists its rooms and leaves them.
/// Afterwards the connection is in no room, whether the removal or the join was first.
pub async fn an_entrance_at_the_moment_of_a_burial_leaves_nothing(fixture: &impl StoreFixture<Store: Presences>) {
    for rooms in [1, 1, 1, 3, 3, 12] {
        let connection = opened(fixture).await;
        let rooms: Vec<RoomId> = (0..rooms).map(|_| unique_room()).collect();
        let forget = async || forget(fixture.store(), &connection.id, connection.connected_at).await;
        join_both(enter_all(fixture, &connection, &rooms), insist(fixture.clock(), forget)).await;
        assert_eq!(fixture.store().rooms_of(&connection.id).await.unwrap(), []);
    }
}

pub async fn a_token_that_was_replaced_enters_nothing(fixture: &impl StoreFixture<Store: Presences>) {
    let connection = expiring(fixture).await;
    let (held, rooms) = (unique_room(), [unique_room(), unique_room()]);
    join(fixture, &connection, &held, Shard::FIRST).await;
    let renewed = renew(fixture, &connection).await;
    let before = fixture.store().holdings(&connection.id).await.unwrap();
    for rooms in [&rooms[..1], &rooms[..], &[held]] {
        let entrance = enter_all(fixture, &connection, rooms).await;
        assert!(matches!(entrance, Entrance::Replaced), "{entrance:?}");
        assert_eq!(fixture.store().holdings(&connection.id).await.unwrap(), before);
    }
    let judged_anew = Connection { expires_at: renewed.expires_at, ..connection };
    let entered = entered(fixture, &judged_anew, &rooms).await;
    assert!(rooms.iter().all(|room| entered[room].new));
}

pub async fn what_a_backend_gives_follows_a_token_that_was_replaced(fixture: &impl StoreFixture<Store: Presences>) {
    let connection = expiring(fixture).await;
    let room = unique_room();
    let renewed = renew(fixture, &connection).await;
    let joiner = Joiner { identity: None, ..joiner(&connection) };
    let entrance = enter_as(fixture, &joiner, std::slice::from_ref(&room)).await;
    assert!(matches!(&entrance, Entrance::Rooms(rooms) if rooms[&room].is_ok()), "{entrance:?}");
    let held = fixture.store().holdings(&connection.id).await.unwrap();
    let held = held.into_iter().find(|held| held.room == room).unwrap();
    assert_eq!((held.granted, held.expires_at, held.sees_members), (true, renewed.expires_at, false));
}

pub async fn a_membership_that_expires_otherwise_is_extended(fixture: &impl StoreFixture<Store: Presences>) {
    let connection = expiring(fixture).await;
    let room = unique_room();
    put(fixture, &samples::membership(&connection, &room, Shard::FIRST)).await.unwrap();
    let renewed = renew(fixture, &connection).await;
    let judged_anew = Connection { expires_at: renewed.expires_at, ..connection.clone() };
    // Once as a request that did not see the membership yet, and once as a request that did.
    for held in [HashMap::new(), held(fixture, &connection).await] {
        let (chance, now) = (Seeded::new(1), fixture.clock().now());
        let rooms = std::slice::from_ref(&room);
        let entrance =
            enter(fixture.store(), &chance, &joiner(&judged_anew), rooms, &held, Some(u64::MAX), now).await.unwrap();
        assert!(matches!(&entrance, Entrance::Rooms(rooms) if !rooms[&room].as_ref().unwrap().new), "{entrance:?}");
        let held = fixture.store().holdings(&connection.id).await.unwrap();
        let held = held.into_iter().find(|held| held.room == room).unwrap();
        assert_eq!((held.granted, held.expires_at, held.sees_members), (false, renewed.expires_at, true));
    }
}

async fn entered(
    fixture: &impl StoreFixture<Store: Presences>,
    connection: &Connection,
    rooms: &[RoomId],
) -> HashMap<RoomId, Entered> {
    match enter_all(fixture, connection, rooms).await {
        Entrance::Rooms(entered) => entered.into_iter().map(|(room, entered)| (room, entered.unwrap())).collect(),
        other => panic!("{other:?}"),
    }
}

async fn enter_all(
    fixture: &impl StoreFixture<Store: Presences>,
    connection: &Connection,
    rooms: &[RoomId],
) -> Entrance {
    enter_as(fixture, &joiner(connection), rooms).await
}

async fn enter_as(fixture: &impl StoreFixture<Store: Presences>, joiner: &Joiner, rooms: &[RoomId]) -> Entrance {
    let held: HashMap<RoomId, Holding> = {
        let holdings = fixture.store().holdings(&joiner.member.connection).await.unwrap();
        holdings.into_iter().map(|held| (held.room.clone(), held)).collect()
    };
    let (chance, now) = (Seeded::new(7), fixture.clock().now());
    enter(fixture.store(), &chance, joiner, rooms, &held, Some(u64::MAX), now).await.unwrap()
}

async fn held(fixture: &impl StoreFixture, connection: &Connection) -> HashMap<RoomId, Holding> {
    let holdings = fixture.store().holdings(&connection.id).await.unwrap();
    let before = |held: Holding| Holding { expires_at: connection.expires_at, ..held };
    holdings.into_iter().map(|held| (held.room.clone(), before(held))).collect()
}

fn joiner(connection: &Connection) -> Joiner {
    let identity = Some(samples::identity(connection));
    Joiner { member: connection.member(), user: connection.user.clone(), identity }
}

/// Opens a connection whose token expires in an hour.
async fn expiring(fixture: &impl StoreFixture) -> Connection {
    let now = fixture.clock().now();
    let connection = Connection { expires_at: Some(now.plus(Duration::from_secs(3_600))), ..unique_connection(now) };
    open(fixture, &connection).await;
    connection
}

/// Gives a connection a token that expires an hour later.
async fn renew(fixture: &impl StoreFixture, connection: &Connection) -> Identity {
    let expires_at = connection.expires_at.map(|at| at.plus(Duration::from_secs(3_600)));
    let renewed = Identity { expires_at, ..samples::identity(connection) };
    fixture.store().renew(&connection.id, &renewed, fixture.clock().now()).await.unwrap();
    renewed
}
