//! Bugs of joins that no simulated run is long enough to show: each is found here, by name.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use domain::flow::{Joiner, enter};
use domain::ports::{Clock, Connections, Memberships, Renewals};
use domain::{Holding, RoomId};
use std::collections::HashMap;
use testkit::chance::Seeded;
use testkit::memory::Bug;
use testkit::{World, samples};

/// The rooms of a connection that was removed during its request to join one.
async fn rooms_of_a_removed_connection(bug: Option<Bug>) -> Vec<RoomId> {
    let world = World::new();
    let connection = world.connect("c1", "ada").await;
    let store = world.store.with_bug(bug);
    let holdings = store.holdings(&connection.id).await.unwrap();
    let held: HashMap<RoomId, Holding> = holdings.into_iter().map(|held| (held.room.clone(), held)).collect();
    world.store.bury(&connection.id, world.clock.now()).await.unwrap();
    let inbox = world.store.rooms_of(&connection.id).await.unwrap();
    world.store.leave(&connection.id, &inbox).await.unwrap();
    let identity = Some(samples::identity(&connection));
    let joiner = Joiner { member: connection.member(), user: connection.user.clone(), identity };
    let rooms = [samples::room("lobby")];
    enter(&store, &Seeded::new(7), &joiner, &rooms, &held, None, world.clock.now()).await.unwrap();
    world.store.rooms_of(&connection.id).await.unwrap()
}

#[tokio::test]
async fn a_connection_that_is_removed_while_it_joins_is_in_no_room() {
    assert_eq!(rooms_of_a_removed_connection(None).await, []);
}

#[tokio::test]
async fn a_join_that_does_not_look_after_it_wrote_or_does_not_take_back_is_found() {
    for bug in [Bug::JoinWithoutLook, Bug::JoinNotTakenBack, Bug::ConnectionReadBeforeJoin] {
        assert_eq!(rooms_of_a_removed_connection(Some(bug)).await, [samples::room("lobby")], "{bug:?}");
    }
}
