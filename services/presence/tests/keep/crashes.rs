//! Any call may fail: the work is repeated, and nothing is lost.

use std::collections::BTreeSet;

use domain::ports::{Memberships, Presences, Rooms};
use domain::{Check, ConnectionId, Kind};
use lambda_kit::start::Batches;
use telemetry::{Summary, metric};
use testkit::faults::{Fault, How, Operation, Plan};
use testkit::{World, samples};

use crate::scene::{Scene, message};

const CALLS: [Operation; 12] = [
    Operation::MembersAmong,
    Operation::RoomsOf,
    Operation::Leave,
    Operation::Presence,
    Operation::Count,
    Operation::Page,
    Operation::Occupants,
    Operation::CheckAfter,
    Operation::WritePresence,
    Operation::Head,
    Operation::Dispatch,
    Operation::Tell,
];

#[tokio::test]
async fn whichever_call_fails_the_last_word_is_true_and_everybody_is_told() {
    for (operation, number) in CALLS.into_iter().flat_map(|call| (1..=6).map(move |number| (call, number))) {
        for how in [
            Fault::Before(How::Unavailable),
            Fault::Before(How::Refused),
            Fault::Halfway(How::Throttled),
            Fault::After(How::Unavailable),
        ] {
            let world = World::new();
            world.store.create(&samples::room("lobby"), &samples::epoch("e"), samples::NOW).await.unwrap();
            let scene = Scene::with(world, Plan::new().nth(operation, number, how));
            let ada = scene.joined("c1", "ada", "lobby").await;
            scene.settle().await;
            scene.joined("c2", "bob", "lobby").await;
            scene.settle().await;
            domain::ports::Connections::bury(&scene.world.store, &ada.id, samples::NOW).await.unwrap();
            scene.settle().await;
            let when = format!("{operation:?} {number} {how:?}");
            assert_eq!(scene.believed(), (1, BTreeSet::from(["bob".to_owned()])), "{when}");
            let known = scene.world.store.presence(&samples::room("lobby")).await.unwrap();
            assert!(known.owed.is_none() && known.dirty.is_empty(), "{when}: {known:?}");
            assert!(scene.world.store.rooms_of(&ada.id).await.unwrap().is_empty(), "{when}");
            let told = scene.world.topic.told();
            let told: BTreeSet<_> = told.iter().map(|one| (one.kind, one.id.clone())).collect();
            let count = |kind| told.iter().filter(|(told, _)| *told == kind).count();
            let of_each = [Kind::ConnectionUp, Kind::ConnectionDown, Kind::MemberJoined, Kind::MemberLeft].map(count);
            assert_eq!(of_each, [2, 1, 2, 1], "{when}: inboxes cause no activity");
            assert_eq!(count(Kind::RoomOccupied), 1, "{when}");
        }
    }
}

#[tokio::test]
async fn one_rooms_failure_does_not_hold_up_the_stream_and_the_others_are_done() {
    let world = World::new();
    for room in ["a", "b", "c"] {
        world.store.create(&samples::room(room), &samples::epoch("e"), samples::NOW).await.unwrap();
    }
    let scene = Scene::with(world, Plan::new().nth(Operation::WritePresence, 1, Fault::Before(How::Unavailable)));
    let connection = scene.world.connect("c1", "ada").await;
    scene.stream().await;
    for room in ["a", "b", "c"] {
        scene.world.join(&connection, room).await;
    }
    let records = scene.records();
    let (failed, summary) = scene.hand_over(records).await;
    assert!(failed.is_empty(), "it is looked at again from the queue of checks");
    assert_eq!(summary.counted(metric::PRESENCE_ANNOUNCED), 2);
    scene.settle().await;
    assert_eq!(scene.announced().len(), 3);
}

#[tokio::test]
async fn a_room_that_no_look_helps_does_not_hold_up_the_stream_and_is_looked_at_again() {
    let world = World::new();
    for room in ["a", "b"] {
        world.store.create(&samples::room(room), &samples::epoch("e"), samples::NOW).await.unwrap();
    }
    let scene = Scene::with(world, Plan::new().nth(Operation::WritePresence, 1, Fault::Before(How::Refused)));
    let connection = scene.world.connect("c1", "ada").await;
    scene.stream().await;
    for room in ["a", "b"] {
        scene.world.join(&connection, room).await;
    }
    let (failed, summary) = scene.hand_over(scene.records()).await;
    assert!(failed.is_empty());
    assert_eq!(summary.counted(metric::PRESENCE_ANNOUNCED), 1);
    scene.settle().await;
    assert_eq!(scene.announced().len(), 2);
}

#[tokio::test]
async fn what_is_refused_for_ever_does_not_hold_up_the_stream_and_a_check_names_what_is_missing() {
    for operation in [Operation::Leave, Operation::RoomsOf, Operation::MembersAmong, Operation::Tell] {
        let world = World::new();
        world.store.create(&samples::room("lobby"), &samples::epoch("e"), samples::NOW).await.unwrap();
        let scene = Scene::with(world, Plan::new().always(operation, Fault::Before(How::Refused)));
        let ada = scene.joined("c1", "ada", "lobby").await;
        if operation != Operation::Tell {
            domain::ports::Connections::bury(&scene.world.store, &ada.id, samples::NOW).await.unwrap();
        }
        let (failed, _) = scene.hand_over(scene.records()).await;
        assert!(failed.is_empty(), "{operation:?}: {failed:?}");
        let checks = scene.world.queues.checks.waiting();
        let ended = checks.iter().any(|(_, check)| check.ended.contains(&ada.id));
        let untold: Vec<Kind> =
            checks.iter().flat_map(|(_, check)| &check.untold).map(|activity| activity.kind).collect();
        if operation == Operation::Tell {
            assert!(untold.contains(&Kind::MemberJoined) && untold.contains(&Kind::RoomOccupied), "{untold:?}");
            assert_eq!(scene.announced().len(), 1, "members do not wait for backends");
        } else {
            assert!(ended, "{operation:?}: {checks:?}");
        }
    }
}

#[tokio::test]
async fn one_connection_that_is_refused_again_keeps_no_other_from_its_cleanup() {
    let plan = Plan::new().nth(Operation::Leave, 1, Fault::Before(How::Refused));
    let scene = Scene::with(World::new(), plan.nth(Operation::Leave, 2, Fault::Before(How::Refused)));
    let mut ended = BTreeSet::new();
    for id in ["c1", "c2", "c3"] {
        let connection = scene.joined(id, id, "lobby").await;
        domain::ports::Connections::bury(&scene.world.store, &connection.id, samples::NOW).await.unwrap();
        ended.insert(connection.id);
    }
    let live = scene.joined("c4", "ada", "lobby").await;
    ended.insert(live.id.clone());
    let check = message(&Check::for_connections(ended.clone(), samples::NOW));
    let work = async || {
        let mut summary = Summary::new("presence");
        scene.function.handle(vec![vec![check.clone()]], scene.deadline(), &mut summary).await
    };
    let is_left = |id: &&ConnectionId| scene.world.store.membership(id, &samples::room("lobby")).is_some();
    let left = || ended.iter().filter(is_left).cloned().collect::<Vec<_>>();
    assert_eq!(work().await.len(), 1, "it returns to the queue");
    assert_eq!(left().len(), 3, "one of three was cleaned up after");
    assert!(work().await.is_empty());
    assert_eq!(left(), [live.id], "a connection that lives keeps its memberships");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_passed_over() {
    let scene = Scene::new();
    scene.joined("c1", "ada", "lobby").await;
    let mut records = scene.records();
    let mut unreadable = records[0].clone();
    unreadable.keys.clear();
    records.insert(0, unreadable);
    let (failed, summary) = scene.hand_over(records).await;
    assert!(failed.is_empty());
    assert_eq!((summary.counted(metric::MESSAGES_POISONOUS), summary.counted(metric::PRESENCE_ANNOUNCED)), (1, 1));
}
