//! The announcements that rooms receive.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ports::{Clock, Connections, Memberships, Presences, Rooms};
use domain::{Check, Line, Shard, Shards, Work, limits};
use futures::future::join;
use telemetry::metric;
use testkit::faults::Plan;
use testkit::memory::Lag;
use testkit::{World, samples};

use crate::scene::{Scene, message, names};
use lambda_kit::start::Batches;
use telemetry::Summary;

async fn world_with_room(room: &str, shards: u16) -> World {
    let world = World::new();
    let room = samples::room(room);
    let head = world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    world.store.grow(&room, head.shards, Shards::new(shards)).await.unwrap();
    world
}

async fn scene() -> Scene {
    Scene::with(world_with_room("lobby", 1).await, Plan::new())
}

#[tokio::test]
async fn a_small_room_is_told_who_came_and_who_went() {
    let scene = scene().await;
    let ada = scene.joined("c1", "ada", "lobby").await;
    scene.settle().await;
    scene.world.clock.advance(Duration::from_secs(1));
    scene.joined("c2", "bob", "lobby").await;
    scene.settle().await;
    scene.leave(&ada, "lobby").await;
    scene.settle().await;
    let told = scene.announced();
    let said: Vec<_> = told.iter().map(|told| (told.members, names(&told.came), names(&told.went))).collect();
    assert_eq!(said, [(1, vec!["ada"], vec![]), (2, vec!["bob"], vec![]), (1, vec![], vec!["ada"])]);
}

#[tokio::test]
async fn two_tabs_of_a_user_come_once_and_go_once() {
    let scene = scene().await;
    scene.joined("c0", "eve", "lobby").await;
    scene.settle().await;
    scene.world.clock.advance(Duration::from_secs(1));
    let first = scene.joined("c1", "ada", "lobby").await;
    scene.settle().await;
    let second = scene.joined("c2", "ada", "lobby").await;
    scene.settle().await;
    for tab in [first, second] {
        scene.leave(&tab, "lobby").await;
        scene.settle().await;
    }
    let said: Vec<_> = scene
        .announced()
        .into_iter()
        .map(|told| (told.members, told.users, told.came.len(), told.went.len()))
        .collect();
    assert_eq!(
        said,
        [(1, Some(1), 1, 0), (2, Some(2), 1, 0), (3, Some(2), 0, 0), (2, Some(2), 0, 0), (1, Some(1), 0, 1)]
    );
}

#[tokio::test]
async fn whatever_ends_a_connection_its_memberships_go_and_its_room_is_told() {
    let scene = scene().await;
    scene.joined("c0", "eve", "lobby").await;
    let buried = scene.joined("c1", "ada", "lobby").await;
    let expired = scene.joined("c2", "bob", "lobby").await;
    scene.settle().await;
    // The function that wrote the tombstone died before it removed the memberships.
    scene.world.store.bury(&buried.id, scene.world.clock.now()).await.unwrap();
    scene.settle().await;
    assert!(scene.world.store.rooms_of(&buried.id).await.unwrap().is_empty());
    assert_eq!(scene.believed().1, BTreeSet::from(["bob".to_owned(), "eve".to_owned()]));
    scene.world.clock.advance(limits::CONNECTION_TTL);
    let late = scene.joined("c3", "ann", "lobby").await;
    scene.world.store.sweep_expired();
    scene.settle().await;
    assert!(scene.world.store.rooms_of(&expired.id).await.unwrap().is_empty());
    assert_eq!(scene.believed(), (1, BTreeSet::from([late.user.to_string()])));
}

#[tokio::test]
async fn a_room_of_more_than_100_members_is_only_counted_and_named_again_when_it_is_small() {
    let scene = scene().await;
    let mut members = Vec::new();
    for n in 0..101 {
        members.push(scene.joined(&format!("c{n}"), &format!("u{n}"), "lobby").await);
    }
    scene.settle().await;
    let told = scene.announced();
    assert_eq!((told.len(), told[0].members, told[0].users, told[0].came.len()), (1, 101, None, 0));
    scene.leave(&members[0], "lobby").await;
    scene.settle().await;
    scene.leave(&members[1], "lobby").await;
    scene.settle().await;
    let told = scene.announced();
    assert_eq!((told[1].members, told[1].users, told[1].went.len()), (100, Some(100), 0), "no users were listed");
    assert_eq!((told[2].members, names(&told[2].went)), (99, vec!["u1"]));
}

#[tokio::test]
async fn a_count_that_the_index_did_not_know_is_corrected_when_it_has_settled() {
    let scene = scene().await;
    scene.world.store.set_lag(Lag::Time(Duration::from_secs(4)));
    scene.joined("c1", "ada", "lobby").await;
    scene.stream().await;
    assert_eq!(scene.announced(), []);
    let took = scene.settle().await;
    assert_eq!(scene.believed().0, 1);
    assert!(took < limits::PRESENCE_TRUE, "{took:?}");
}

#[tokio::test]
async fn a_member_that_the_index_listed_late_is_sent_the_names_that_changed_meanwhile() {
    let scene = scene().await;
    let ada = scene.joined("c1", "ada", "lobby").await;
    scene.settle().await;
    scene.world.store.set_lag(Lag::Time(Duration::from_secs(4)));
    scene.joined("c2", "bob", "lobby").await;
    scene.stream().await;
    scene.world.clock.advance(Duration::from_secs(2));
    scene.leave(&ada, "lobby").await;
    scene.settle().await;
    let last = scene.announced().pop().unwrap();
    assert_eq!((names(&last.came), names(&last.went)), (vec!["bob"], vec!["ada"]));
}

#[tokio::test]
async fn a_count_that_the_index_did_not_know_for_longer_is_corrected_after_30_s_or_five_minutes() {
    for (lag_s, corrected_within_s) in [(20, 31), (200, 311)] {
        let scene = scene().await;
        let ada = scene.joined("c1", "ada", "lobby").await;
        scene.settle().await;
        scene.world.store.set_lag(Lag::Time(Duration::from_secs(lag_s)));
        scene.joined("c2", "bob", "lobby").await;
        scene.leave(&ada, "lobby").await;
        let changed = scene.world.clock.now();
        scene.settle().await;
        assert!(!scene.believed().1.contains("bob"), "the index lags {lag_s} s, longer than a shard takes to settle");
        while scene.world.clock.now() < changed.plus(Duration::from_secs(corrected_within_s)) {
            scene.world.clock.advance(Duration::from_secs(1));
            scene.checks().await;
            scene.stream().await;
        }
        let last = scene.announced().pop().unwrap();
        assert_eq!((last.members, last.users), (1, Some(1)), "the index lags {lag_s} s");
        assert!(scene.believed().1.contains("bob"), "the index lags {lag_s} s");
    }
}

#[tokio::test]
async fn a_comparison_that_finds_nothing_writes_nothing() {
    let scene = scene().await;
    scene.joined("c1", "ada", "lobby").await;
    scene.settle().await;
    let room = samples::room("lobby");
    let version = scene.world.store.presence(&room).await.unwrap().version;
    assert_eq!(scene.world.queues.checks.waiting().len(), limits::PRESENCE_COMPARED.len());
    scene.settle_and_compare().await;
    assert_eq!(scene.world.store.presence(&room).await.unwrap().version, version);
}

#[tokio::test]
async fn many_changes_at_once_are_one_block_and_changes_in_a_row_at_most_one_a_second() {
    let scene = scene().await;
    for n in 0..50 {
        scene.joined(&format!("c{n}"), &format!("u{n}"), "lobby").await;
    }
    scene.stream().await;
    assert_eq!(scene.announced().len(), 1);
    for n in 0..50 {
        scene.joined(&format!("d{n}"), &format!("v{n}"), "lobby").await;
        scene.world.clock.advance(Duration::from_millis(100));
        scene.stream().await;
        scene.checks().await;
    }
    assert!(scene.announced().len() <= 1 + 5 + 1, "{} blocks in 5 s", scene.announced().len());
    scene.settle().await;
    assert_eq!(scene.believed().0, 100);
    scene.settle_and_compare().await;
    assert!(scene.world.queues.checks.waiting().is_empty());
}

#[tokio::test]
async fn five_thousand_joins_and_leaves_are_a_bounded_number_of_blocks_and_a_true_count() {
    let scene = Scene::with(world_with_room("lobby", 8).await, Plan::new());
    scene.world.store.set_lag(Lag::Time(Duration::from_millis(900)));
    let mut members = Vec::new();
    for n in 0..200 {
        members.push(scene.world.connect(&format!("c{n}"), &format!("u{n}")).await);
    }
    let begun = scene.world.clock.now();
    for round in 0..5_000 / 200 {
        for (n, member) in members.iter().enumerate() {
            match (round + n) % 3 {
                0 => scene.leave(member, "lobby").await,
                _ => drop(scene.world.join(member, "lobby").await),
            }
        }
        scene.world.clock.advance(Duration::from_millis(800));
        scene.stream().await;
        scene.checks().await;
    }
    let took = scene.settle().await;
    let (mut true_count, room) = (0, samples::room("lobby"));
    for member in &members {
        true_count += u64::from(scene.world.store.membership(&member.id, &room).is_some());
    }
    let known = scene.world.store.presence(&room).await.unwrap();
    assert_eq!((known.members(), known.owed), (true_count, None));
    assert!(took < limits::PRESENCE_TRUE, "{took:?}");
    let seconds = scene.world.clock.now().since(begun).as_secs() as usize;
    let most = known.census.len().max(8) * (seconds / 5 + 3);
    assert!(scene.announced().len() <= most, "{} jobs in {seconds} s", scene.announced().len());
}

#[tokio::test]
async fn a_wide_room_is_told_through_the_wide_queue_and_only_where_there_are_members() {
    let scene = Scene::with(world_with_room("arena", 32).await, Plan::new());
    let connection = scene.world.connect("c1", "ada").await;
    let shard = scene.world.join(&connection, "arena").await.shard;
    scene.settle().await;
    let jobs = scene.world.queues.line(Line::Wide).bodies();
    let told: Vec<Shard> =
        jobs.iter().filter(|job| matches!(job.work, Work::Presence { .. })).map(|job| job.shard).collect();
    assert_eq!(told, [shard]);
    assert!(scene.world.queues.line(Line::Narrow).bodies().is_empty());
}

#[tokio::test]
async fn inboxes_and_everyone_are_told_nothing() {
    let scene = Scene::new();
    scene.world.connect("c1", "ada").await;
    scene.settle().await;
    assert_eq!(scene.announced(), []);
    for room in ["@ada", "*"] {
        assert!(scene.world.store.members_counted(&[samples::room(room)]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_the_stream_repeats_tells_nothing_new() {
    let scene = scene().await;
    scene.joined("c1", "ada", "lobby").await;
    let records = scene.records();
    for _ in 0..3 {
        scene.hand_over(records.clone()).await;
        scene.settle().await;
    }
    assert_eq!(scene.announced().len(), 1);
}

#[tokio::test]
async fn two_looks_at_the_same_moment_tell_once() {
    let scene = scene().await;
    scene.joined("c1", "ada", "lobby").await;
    let records = scene.records();
    let ((one, _), (other, _)) = join(scene.hand_over(records.clone()), scene.hand_over(records)).await;
    assert!(one.is_empty() && other.is_empty());
    scene.settle().await;
    assert_eq!(scene.announced().len(), 1);
}

#[tokio::test]
async fn a_check_that_comes_twice_or_is_poison_does_no_harm() {
    let scene = scene().await;
    scene.joined("c1", "ada", "lobby").await;
    scene.settle().await;
    let check = message(&Check::at(&samples::room("lobby"), samples::NOW));
    let poison = lambda_kit::batch::Message { body: "{}".to_owned(), ..check.clone() };
    let mut summary = Summary::new("presence");
    let failed = scene.function.handle(vec![vec![check, poison.clone()]], scene.deadline(), &mut summary).await;
    assert_eq!(failed, [poison.retry_after(Duration::ZERO)]);
    assert_eq!((scene.announced().len(), summary.counted(metric::MESSAGES_POISONOUS)), (1, 1));
}
