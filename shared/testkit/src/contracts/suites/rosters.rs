//! Promises of [`Rosters`]: the users in a room, read consistently.

use std::collections::BTreeSet;

use domain::ports::{Connections, Memberships, Occupant, Rosters};
use domain::{Connection, ConnectionId, RoomId, Shard};

use crate::contracts::StoreFixture;
use crate::contracts::scene::{crowd, join, open, opened, unique, unique_connection, unique_room};
use crate::samples;

pub async fn an_occupant_is_told_as_it_joined(fixture: &impl StoreFixture<Store: Rosters>) {
    let (connection, room) = (opened(fixture).await, unique_room());
    join(fixture, &connection, &room, Shard::new(3)).await;
    let expected = Occupant {
        connection: connection.id.clone(),
        user: connection.user.clone(),
        joined_at: samples::membership(&connection, &room, Shard::FIRST).joined_at,
    };
    assert_eq!(occupants(fixture, &room, &[connection.id]).await, [expected]);
}

pub async fn occupants_among_many_are_those_that_are_members_now(fixture: &impl StoreFixture<Store: Rosters>) {
    let room = unique_room();
    let mut members = crowd(fixture, &room, Shard::FIRST, 125).await;
    let others = crowd(fixture, &unique_room(), Shard::FIRST, 5).await;
    let left = members.pop().unwrap();
    fixture.store().leave(&left.id, std::slice::from_ref(&room)).await.unwrap();
    let never_was = samples::connection_id(&unique("c"));
    let mut asked: Vec<ConnectionId> = members.iter().chain(&others).map(|one| one.id.clone()).collect();
    asked.extend([left.id, never_was]);
    let found: BTreeSet<ConnectionId> =
        occupants(fixture, &room, &asked).await.into_iter().map(|occupant| occupant.connection).collect();
    assert_eq!(found, members.into_iter().map(|member| member.id).collect());
    assert_eq!(occupants(fixture, &room, &[]).await, []);
}

pub async fn nobody_occupies_everyone(fixture: &impl StoreFixture<Store: Rosters>) {
    let connection = opened(fixture).await;
    assert_eq!(occupants(fixture, &RoomId::everyone(), &[connection.id]).await, []);
}

pub async fn devices_are_told_of_those_that_have_one_and_are_there(fixture: &impl StoreFixture<Store: Rosters>) {
    let device = domain::Device::parse("phone").unwrap();
    let now = domain::ports::Clock::now(fixture.clock());
    let with = Connection { device: Some(device.clone()), ..unique_connection(now) };
    let gone = Connection { device: Some(device.clone()), ..unique_connection(now) };
    let without = unique_connection(now);
    for connection in [&with, &gone, &without] {
        open(fixture, connection).await;
    }
    fixture.store().bury(&gone.id, now).await.unwrap();
    let asked = [with.id.clone(), gone.id, without.id, samples::connection_id(&unique("c"))];
    let devices = fixture.store().devices(&asked).await.unwrap();
    assert_eq!(devices, [(with.id, device)].into());
    assert!(fixture.store().devices(&[]).await.unwrap().is_empty());
}

async fn occupants(
    fixture: &impl StoreFixture<Store: Rosters>,
    room: &RoomId,
    connections: &[ConnectionId],
) -> Vec<Occupant> {
    fixture.store().occupants(room, connections).await.unwrap()
}
