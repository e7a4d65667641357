//! Promises of [`Memberships`]: a room is joined once, left for good, and listed completely.

use domain::ports::{Clock, Connections, Joined, Memberships, Renewals};
use domain::{Connection, ConnectionId, Format, Identity, Member, Membership, Permissions, RoomId, Shard, Shards};
use futures::future::join_all;
use std::time::Duration;

use crate::contracts::StoreFixture;
use crate::contracts::scene::{
    certain, crowd, eventually, extensions, insist, join, listed, open, opened, put, unique, unique_connection,
    unique_room, walk, walk_after, walk_shows,
};
use crate::samples;

/// More than one `BatchWriteItem` (25) and one `BatchGetItem` (100) take.
const MANY_ROOMS: usize = 130;
/// More than one page of 1 MB holds with items of full size, and twice the members that a shard
/// should have.
const CROWD: usize = 1_050;
/// The result for a stored membership of a guest: it never expires.
const ALREADY: Joined = Joined::Already { expires_at: None, began_at: None, sees_members: false };

pub async fn a_room_is_joined_once(fixture: &impl StoreFixture) {
    let (connection, room) = (opened(fixture).await, unique_room());
    assert_eq!(join(fixture, &connection, &room, Shard::FIRST).await, Joined::New);
    assert_eq!(join(fixture, &connection, &room, Shard::FIRST).await, ALREADY);
    walk_shows(fixture, &room, Shard::FIRST, &[connection]).await;
}

pub async fn a_second_join_keeps_the_first_shard(fixture: &impl StoreFixture) {
    let (connection, room) = (opened(fixture).await, unique_room());
    assert_eq!(join(fixture, &connection, &room, Shard::new(1)).await, Joined::New);
    assert_eq!(join(fixture, &connection, &room, Shard::new(0)).await, ALREADY);
    walk_shows(fixture, &room, Shard::new(1), &[connection]).await;
    walk_shows(fixture, &room, Shard::new(0), &[]).await;
}

pub async fn joins_at_the_same_moment_store_one_membership(fixture: &impl StoreFixture) {
    let (connection, room) = (opened(fixture).await, unique_room());
    let membership = samples::membership(&connection, &room, Shard::FIRST);
    let answers = join_all((0..4).map(|_| put(fixture, &membership))).await;
    let new = answers.into_iter().filter_map(certain).filter(|joined| *joined == Joined::New).count();
    assert!(new <= 1, "{new} joins stored the same membership");
    insist(fixture.clock(), async || put(fixture, &membership).await).await;
    walk_shows(fixture, &room, Shard::FIRST, &[connection]).await;
}

pub async fn several_rooms_are_joined_at_once_with_an_outcome_for_each(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let rooms: Vec<RoomId> = (0..5).map(|_| unique_room()).collect();
    for room in [&rooms[1], &rooms[4]] {
        join(fixture, &connection, room, Shard::new(3)).await;
    }
    let memberships: Vec<Membership> =
        rooms.iter().map(|room| samples::membership(&connection, room, Shard::FIRST)).collect();
    let joined = fixture.store().join(&memberships).await;
    let joined: Vec<Joined> = joined.into_iter().map(Result::unwrap).collect();
    assert_eq!(joined, [Joined::New, ALREADY, Joined::New, Joined::New, ALREADY]);
    let expected = sorted(rooms.iter().cloned().chain([samples::inbox(&connection).room]));
    assert_eq!(sorted(fixture.store().rooms_of(&connection.id).await.unwrap()), expected);
    walk_shows(fixture, &rooms[0], Shard::FIRST, std::slice::from_ref(&connection)).await;
    walk_shows(fixture, &rooms[1], Shard::new(3), &[connection]).await;
}

pub async fn a_hundred_rooms_are_joined_at_once(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let memberships: Vec<Membership> =
        (0..100).map(|_| samples::membership(&connection, &unique_room(), Shard::FIRST)).collect();
    for expected in [Joined::New, ALREADY] {
        let joined = fixture.store().join(&memberships).await;
        assert_eq!(joined.len(), 100);
        assert!(joined.into_iter().all(|joined| joined.unwrap() == expected));
    }
    assert_eq!(fixture.store().rooms_of(&connection.id).await.unwrap().len(), 101);
    assert!(fixture.store().join(&[]).await.is_empty());
}

pub async fn many_rooms_joined_twice_at_the_same_moment_are_joined_once(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let memberships: Vec<Membership> =
        (0..10).map(|_| samples::membership(&connection, &unique_room(), Shard::FIRST)).collect();
    let joins = [&memberships[..7], &memberships[3..], &memberships[5..6]];
    let joined = join_all(joins.map(|memberships| fixture.store().join(memberships))).await;
    let joined: Vec<Joined> = joined.into_iter().flatten().map(Result::unwrap).collect();
    assert_eq!(joined.iter().filter(|joined| **joined == Joined::New).count(), 10, "{joined:?}");
    assert_eq!(joined.iter().filter(|joined| **joined == ALREADY).count(), 5, "{joined:?}");
}

pub async fn what_was_joined_is_taken_back_but_not_what_was_extended_or_given_since(fixture: &impl StoreFixture) {
    let expires = |seconds| Some(fixture.clock().now().plus(Duration::from_secs(seconds)));
    let connection = Connection { expires_at: expires(60), ..unique_connection(fixture.clock().now()) };
    open(fixture, &connection).await;
    let [taken_back, extended, given] = [0; 3].map(|_| unique_room());
    let membership = |room: &RoomId| samples::membership(&connection, room, Shard::FIRST);
    let memberships = [&taken_back, &extended, &given].map(membership);
    fixture.store().join(&memberships).await.into_iter().for_each(|joined| assert_eq!(joined.unwrap(), Joined::New));
    put(fixture, &Membership { granted: true, ..membership(&given) }).await.unwrap();
    let renewed = Identity {
        user: connection.user.clone(),
        device: None,
        guest: false,
        admin: false,
        expires_at: expires(120),
        permissions: Permissions::all(),
        stamp: domain::TokenStamp::default(),
    };
    fixture.store().renew(&connection.id, &renewed, fixture.clock().now()).await.unwrap();
    let extensions = extensions(std::slice::from_ref(&extended));
    fixture.store().extend(&connection.id, &extensions, renewed.expires_at).await.unwrap();
    for _ in 0..2 {
        fixture.store().take_back(&memberships).await.unwrap();
    }
    let expected = sorted([extended.clone(), given.clone(), samples::inbox(&connection).room]);
    assert_eq!(sorted(fixture.store().rooms_of(&connection.id).await.unwrap()), expected);
    let guest = opened(fixture).await;
    let membership = samples::membership(&guest, &taken_back, Shard::FIRST);
    put(fixture, &membership).await.unwrap();
    fixture.store().take_back(std::slice::from_ref(&membership)).await.unwrap();
    walk_shows(fixture, &taken_back, Shard::FIRST, &[]).await;
}

pub async fn nobody_leaves_everyone(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let (everyone, shard) = everyone(&connection.id);
    fixture.store().leave(&connection.id, std::slice::from_ref(&everyone)).await.unwrap();
    assert_eq!(fixture.store().find(&connection.id).await.unwrap().as_ref(), Some(&connection));
    assert_eq!(among(fixture, &everyone, std::slice::from_ref(&connection.id)).await, [connection.member()]);
    listed(fixture, &everyone, shard, &connection.id, true).await;
}

pub async fn leaving_takes_the_rooms_named_and_no_other(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let [kept, one, other, never_joined] = [0; 4].map(|_| unique_room());
    for room in [&kept, &one, &other] {
        join(fixture, &connection, room, Shard::FIRST).await;
    }
    let neighbour = opened(fixture).await;
    join(fixture, &neighbour, &one, Shard::FIRST).await;
    fixture.store().leave(&connection.id, &[one.clone(), other, never_joined]).await.unwrap();
    let expected = sorted([kept, samples::inbox(&connection).room]);
    assert_eq!(sorted(fixture.store().rooms_of(&connection.id).await.unwrap()), expected);
    assert_eq!(among(fixture, &one, &[connection.id, neighbour.id.clone()]).await, [neighbour.member()]);
}

pub async fn leaving_twice_is_no_error(fixture: &impl StoreFixture) {
    let (connection, room) = (opened(fixture).await, unique_room());
    join(fixture, &connection, &room, Shard::FIRST).await;
    for _ in 0..2 {
        fixture.store().leave(&connection.id, std::slice::from_ref(&room)).await.unwrap();
    }
    fixture.store().leave(&connection.id, &[]).await.unwrap();
    assert_eq!(among(fixture, &room, &[connection.id]).await, []);
}

pub async fn a_room_left_may_be_joined_again_in_another_shard(fixture: &impl StoreFixture) {
    let (connection, room) = (opened(fixture).await, unique_room());
    join(fixture, &connection, &room, Shard::new(0)).await;
    fixture.store().leave(&connection.id, std::slice::from_ref(&room)).await.unwrap();
    assert_eq!(join(fixture, &connection, &room, Shard::new(1)).await, Joined::New);
    walk_shows(fixture, &room, Shard::new(0), &[]).await;
    walk_shows(fixture, &room, Shard::new(1), &[connection]).await;
}

pub async fn a_hundred_and_thirty_rooms_are_all_listed_and_all_left(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let inbox = samples::inbox(&connection).room;
    let joined: Vec<RoomId> = (0..MANY_ROOMS).map(|_| unique_room()).collect();
    for room in &joined {
        assert_eq!(join(fixture, &connection, room, Shard::FIRST).await, Joined::New);
    }
    let expected = sorted(joined.iter().cloned().chain([inbox.clone()]));
    assert_eq!(sorted(fixture.store().rooms_of(&connection.id).await.unwrap()), expected);
    fixture.store().leave(&connection.id, &joined).await.unwrap();
    assert_eq!(fixture.store().rooms_of(&connection.id).await.unwrap(), [inbox]);
}

pub async fn the_rooms_of_a_buried_connection_are_still_listed(fixture: &impl StoreFixture) {
    let (connection, room) = (opened(fixture).await, unique_room());
    join(fixture, &connection, &room, Shard::FIRST).await;
    bury(fixture, &connection.id).await;
    let expected = sorted([room.clone(), samples::inbox(&connection).room]);
    assert_eq!(sorted(fixture.store().rooms_of(&connection.id).await.unwrap()), expected);
    fixture.store().leave(&connection.id, &expected).await.unwrap();
    walk_shows(fixture, &room, Shard::FIRST, &[]).await;
}

pub async fn the_rooms_of_nobody_are_none(fixture: &impl StoreFixture) {
    let never_was = samples::connection_id(&unique("c"));
    assert_eq!(fixture.store().rooms_of(&never_was).await.unwrap(), []);
}

pub async fn a_member_is_listed_as_it_joined(fixture: &impl StoreFixture) {
    let (now, room) = (fixture.clock().now(), unique_room());
    let plain = unique_connection(now);
    let full = Connection {
        format: Format::Classic,
        expires_at: Some(now.plus(Duration::from_millis(3_600_123))),
        endpoint: domain::Endpoint::new("https://abc.execute-api.eu-central-1.amazonaws.com/prod"),
        ..unique_connection(now)
    };
    for connection in [&plain, &full] {
        open(fixture, connection).await;
        join(fixture, connection, &room, Shard::FIRST).await;
        assert_eq!(among(fixture, &room, std::slice::from_ref(&connection.id)).await, [connection.member()]);
    }
    let mut both = [plain, full];
    both.sort_by(|one, other| one.id.cmp(&other.id));
    walk_shows(fixture, &room, Shard::FIRST, &both).await;
}

pub async fn a_shard_of_a_thousand_is_walked_whole_and_without_repeats(fixture: &impl StoreFixture) {
    let room = unique_room();
    // Names with a common beginning: no shard or room may be read as another.
    let neighbour = samples::room(&format!("{room}.1"));
    let shard = Shard::new(1);
    let members = crowd(fixture, &room, shard, CROWD).await;
    crowd(fixture, &room, Shard::new(0), 5).await;
    crowd(fixture, &room, Shard::new(10), 5).await;
    crowd(fixture, &neighbour, shard, 5).await;
    walk_shows(fixture, &room, shard, &members).await;
    counts(fixture, &room, shard, CROWD).await;
}

pub async fn a_walk_goes_on_after_a_member_that_has_left(fixture: &impl StoreFixture) {
    let (room, shard) = (unique_room(), Shard::FIRST);
    let members = crowd(fixture, &room, shard, 9).await;
    walk_shows(fixture, &room, shard, &members).await;
    let left = members[3].id.clone();
    fixture.store().leave(&left, std::slice::from_ref(&room)).await.unwrap();
    listed(fixture, &room, shard, &left, false).await;
    let rest: Vec<Member> = members[4..].iter().map(Connection::member).collect();
    assert_eq!(walk_after(fixture, &room, shard, Some(left)).await, rest);
}

pub async fn a_member_that_left_is_listed_no_more(fixture: &impl StoreFixture) {
    let (room, shard) = (unique_room(), Shard::FIRST);
    let mut members = crowd(fixture, &room, shard, 3).await;
    walk_shows(fixture, &room, shard, &members).await;
    let left = members.remove(1);
    fixture.store().leave(&left.id, std::slice::from_ref(&room)).await.unwrap();
    walk_shows(fixture, &room, shard, &members).await;
    counts(fixture, &room, shard, 2).await;
}

pub async fn a_shard_counts_what_its_pages_hold(fixture: &impl StoreFixture) {
    let room = unique_room();
    for (shard, members) in [(0, 3), (1, 0), (2, 30)] {
        crowd(fixture, &room, Shard::new(shard), members).await;
        counts(fixture, &room, Shard::new(shard), members).await;
        let walked = async || (walk(fixture, &room, Shard::new(shard)).await.len() == members).then_some(());
        eventually(fixture.clock(), "pages that hold what was counted", walked).await;
    }
}

pub async fn an_empty_shard_has_one_last_page(fixture: &impl StoreFixture) {
    let room = unique_room();
    assert_eq!(walk(fixture, &room, Shard::FIRST).await, []);
    assert_eq!(fixture.store().count(&room, Shard::FIRST).await.unwrap(), 0);
}

pub async fn members_among_many_are_those_that_are_members_now(fixture: &impl StoreFixture) {
    let room = unique_room();
    let mut members = crowd(fixture, &room, Shard::FIRST, 125).await;
    let others = crowd(fixture, &unique_room(), Shard::FIRST, 125).await;
    let left = members.pop().unwrap();
    fixture.store().leave(&left.id, std::slice::from_ref(&room)).await.unwrap();
    let never_was = samples::connection_id(&unique("c"));
    let mut asked: Vec<ConnectionId> = members.iter().chain(&others).map(|one| one.id.clone()).collect();
    asked.extend([left.id, never_was]);
    let expected: Vec<Member> = members.iter().map(Connection::member).collect();
    assert_eq!(among(fixture, &room, &asked).await, expected);
    assert_eq!(among(fixture, &room, &[]).await, []);
}

pub async fn members_of_everyone_are_those_connected_now(fixture: &impl StoreFixture) {
    let (here, buried) = (opened(fixture).await, opened(fixture).await);
    bury(fixture, &buried.id).await;
    let never_was = samples::connection_id(&unique("c"));
    let asked = [buried.id, here.id.clone(), never_was];
    assert_eq!(among(fixture, &RoomId::everyone(), &asked).await, [here.member()]);
}

async fn bury(fixture: &impl StoreFixture, id: &ConnectionId) {
    fixture.store().bury(id, fixture.clock().now()).await.unwrap();
}

/// Members in the order of their ids.
async fn among(fixture: &impl StoreFixture, room: &RoomId, asked: &[ConnectionId]) -> Vec<Member> {
    let mut members = fixture.store().members_among(room, asked).await.unwrap();
    members.sort_by(|one, other| one.connection.cmp(&other.connection));
    members
}

async fn counts(fixture: &impl StoreFixture, room: &RoomId, shard: Shard, members: usize) {
    let what = format!("a count of {members} in shard {shard} of {room}");
    let counted = async || {
        let count = fixture.store().count(room, shard).await.unwrap();
        (count == members as u64).then_some(())
    };
    eventually(fixture.clock(), &what, counted).await;
}

fn everyone(id: &ConnectionId) -> (RoomId, Shard) {
    let room = RoomId::everyone();
    let shard = Shards::initial(&room).place(id);
    (room, shard)
}

fn sorted(rooms: impl IntoIterator<Item = RoomId>) -> Vec<RoomId> {
    let mut rooms: Vec<RoomId> = rooms.into_iter().collect();
    rooms.sort();
    rooms
}
