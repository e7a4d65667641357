//! The activity that backends receive.

use domain::ports::{Clock, Connections, Rooms};
use domain::{Activity, Kind};
use testkit::samples;

use crate::scene::Scene;

fn story(told: &[Activity]) -> Vec<(Kind, Option<&str>, Option<u64>)> {
    told.iter().map(|one| (one.kind, one.user.as_ref().map(AsRef::as_ref), one.members)).collect()
}

#[tokio::test]
async fn backends_are_told_the_story_of_a_room_from_occupied_to_vacated() {
    let scene = Scene::new();
    scene.world.store.create(&samples::room("lobby"), &samples::epoch("e"), samples::NOW).await.unwrap();
    let ada = scene.joined("c1", "ada", "lobby").await;
    scene.settle().await;
    let bob = scene.joined("c2", "bob", "lobby").await;
    scene.settle().await;
    scene.leave(&ada, "lobby").await;
    scene.world.store.bury(&bob.id, scene.world.clock.now()).await.unwrap();
    scene.settle().await;
    let told = scene.world.topic.told();
    let of =
        |kinds: &[Kind]| -> Vec<Activity> { told.iter().filter(|one| kinds.contains(&one.kind)).cloned().collect() };
    assert_eq!(
        story(&of(&[Kind::RoomOccupied, Kind::RoomVacated])),
        [(Kind::RoomOccupied, None, Some(1)), (Kind::RoomVacated, None, Some(0))]
    );
    assert_eq!(
        story(&of(&[Kind::MemberJoined, Kind::MemberLeft])),
        [
            (Kind::MemberJoined, Some("ada"), None),
            (Kind::MemberJoined, Some("bob"), None),
            (Kind::MemberLeft, Some("ada"), None),
            (Kind::MemberLeft, Some("bob"), None),
        ]
    );
    assert_eq!(
        story(&of(&[Kind::ConnectionUp, Kind::ConnectionDown])),
        [
            (Kind::ConnectionUp, Some("ada"), None),
            (Kind::ConnectionUp, Some("bob"), None),
            (Kind::ConnectionDown, Some("bob"), None),
        ]
    );
    assert!(told.iter().all(|one| one.room.is_some() != matches!(one.kind, Kind::ConnectionUp | Kind::ConnectionDown)));
}

#[tokio::test]
async fn what_is_told_again_has_the_same_id() {
    let scene = Scene::new();
    scene.joined("c1", "ada", "lobby").await;
    let records = scene.records();
    scene.hand_over(records.clone()).await;
    let first = scene.world.topic.take();
    scene.hand_over(records).await;
    let again = scene.world.topic.take();
    let ids = |told: &[Activity]| told.iter().map(|one| (one.kind, one.id.clone())).collect::<Vec<_>>();
    let of_records =
        |told: &[Activity]| ids(told).into_iter().filter(|(kind, _)| *kind != Kind::RoomOccupied).collect::<Vec<_>>();
    assert_eq!(of_records(&first), of_records(&again));
    assert!(first.len() == 3 && again.len() == 2, "the room was occupied once");
}

#[tokio::test]
async fn only_the_kinds_that_are_switched_on_are_told() {
    let mut scene = Scene::new();
    scene.function = scene.function.telling("room_vacated".parse().unwrap());
    let ada = scene.joined("c1", "ada", "lobby").await;
    scene.settle().await;
    scene.leave(&ada, "lobby").await;
    scene.settle().await;
    assert_eq!(story(&scene.world.topic.told()), [(Kind::RoomVacated, None, Some(0))]);
}
