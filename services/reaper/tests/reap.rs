//! Dead connections are removed one period after they became stale, and no live connection is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use domain::ports::{Clock, Connections};
use domain::{Format, limits};
use lambda_kit::Deadline;
use reaper::Reaper;
use telemetry::{Summary, metric};
use testkit::World;
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::memory::{Bug, Lag};

async fn run(world: &World) -> Summary {
    let reaper = Reaper::new(world.store.clone(), world.gateway.clone(), world.clock.clone(), limits::STALE);
    let mut summary = Summary::new("reaper");
    let deadline = Deadline::at(world.clock.now().plus(Duration::from_secs(50)));
    reaper.run(deadline, &mut summary).await.unwrap();
    summary
}

#[tokio::test]
async fn a_silent_rooms_v1_connection_is_closed_and_forgotten() {
    let world = World::new();
    let ghost = world.connect("ghost", "ada").await;
    let alive = world.connect("alive", "bob").await;
    world.clock.advance(limits::STALE);
    world.store.touch(&alive.id, world.clock.now()).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(run(&world).await.counted(metric::CONNECTIONS_REAPED), 1);
    assert!(world.store.is_buried(&ghost.id) && !world.gateway.is_open(&ghost.id));
    assert!(!world.store.is_buried(&alive.id) && world.gateway.is_open(&alive.id));
}

#[tokio::test]
async fn a_silent_classic_connection_is_asked_after_and_stays_if_the_gateway_knows_it() {
    let world = World::new();
    let quiet = world.connect_as("quiet", "ada", Format::Classic).await;
    let gone = world.connect_as("gone", "bob", Format::Classic).await;
    world.gateway.hang_up(&gone.id);
    world.clock.advance(limits::STALE + Duration::from_secs(1));
    let summary = run(&world).await;
    assert_eq!((summary.counted(metric::CONNECTIONS_REAPED), summary.counted(metric::CONNECTIONS_PROBED)), (1, 1));
    assert!(world.store.is_buried(&gone.id) && !world.store.is_buried(&quiet.id));
    assert_eq!(run(&world).await.counted(metric::CONNECTIONS_PROBED), 0, "it left the front of the index");
}

#[tokio::test]
async fn nobody_outlives_two_hours_and_a_quarter() {
    let world = World::new();
    let old = world.connect_as("old", "ada", Format::Classic).await;
    world.clock.advance(limits::PROOF_OF_DEATH);
    run(&world).await;
    assert!(world.store.is_buried(&old.id));
}

#[tokio::test]
async fn a_throttled_probe_decides_nothing() {
    let world = World::new();
    let quiet = world.connect_as("quiet", "ada", Format::Classic).await;
    world.clock.advance(limits::STALE + Duration::from_secs(1));
    world.gateway.throttle_next(1);
    run(&world).await;
    assert!(!world.store.is_buried(&quiet.id));
}

#[tokio::test]
async fn a_run_clears_ten_thousand_ghosts_as_its_time_allows_and_the_next_one_the_rest() {
    let world = World::new();
    for n in 0..12_000 {
        world.connect(&format!("c{n}"), "ada").await;
    }
    world.clock.advance(limits::STALE + Duration::from_secs(1));
    assert_eq!(run(&world).await.counted(metric::CONNECTIONS_REAPED), 12_000, "500 a second for 45 s are enough");
    assert_eq!(run(&world).await.counted(metric::CONNECTIONS_REAPED), 0);
}

#[tokio::test]
async fn a_run_ends_before_its_deadline_and_the_next_one_goes_on() {
    let world = World::new();
    for n in 0..3_000 {
        world.connect(&format!("c{n}"), "ada").await;
    }
    world.clock.advance(limits::STALE + Duration::from_secs(1));
    let reaper = Reaper::new(world.store.clone(), world.gateway.clone(), world.clock.clone(), limits::STALE);
    let mut summary = Summary::new("reaper");
    let begun = world.clock.now();
    reaper.run(Deadline::at(begun.plus(Duration::from_secs(8))), &mut summary).await.unwrap();
    let first = summary.counted(metric::CONNECTIONS_REAPED);
    assert!((1_000..3_000).contains(&first), "{first} in 3 s");
    assert!(world.clock.now().since(begun) < Duration::from_secs(8));
    assert_eq!(first + run(&world).await.counted(metric::CONNECTIONS_REAPED), 3_000);
}

#[tokio::test]
async fn a_shard_that_cannot_be_read_costs_the_others_nothing() {
    let world = World::new();
    for n in 0..200 {
        world.connect(&format!("c{n}"), "ada").await;
    }
    world.clock.advance(limits::STALE + Duration::from_secs(1));
    let plan = Plan::new().nth(Operation::Silent, 1, Fault::Before(How::Unavailable));
    let tables = Faulty::new(world.store.clone(), plan);
    let reaper = Reaper::new(tables, world.gateway.clone(), world.clock.clone(), limits::STALE);
    let mut summary = Summary::new("reaper");
    let deadline = Deadline::at(world.clock.now().plus(Duration::from_secs(50)));
    assert!(reaper.run(deadline, &mut summary).await.is_err());
    let first = summary.counted(metric::CONNECTIONS_REAPED);
    assert!((100..200).contains(&first), "{first}");
    assert_eq!(first + run(&world).await.counted(metric::CONNECTIONS_REAPED), 200);
}

/// Whether a connection is reaped that has just spoken, while the index still shows it as silent.
async fn is_reaped_though_it_spoke(bug: Option<Bug>) -> bool {
    let world = World::new();
    let alive = world.connect("alive", "ada").await;
    world.store.set_lag(Lag::Time(limits::STALE));
    world.clock.advance(limits::STALE + Duration::from_secs(1));
    world.store.touch(&alive.id, world.clock.now()).await.unwrap();
    let store = world.store.with_bug(bug);
    let reaper = Reaper::new(store, world.gateway.clone(), world.clock.clone(), limits::STALE);
    let deadline = Deadline::at(world.clock.now().plus(Duration::from_secs(50)));
    reaper.run(deadline, &mut Summary::new("reaper")).await.unwrap();
    world.store.is_buried(&alive.id)
}

#[tokio::test]
async fn an_index_that_is_late_is_not_believed_and_a_reaper_that_trusts_it_is_found() {
    assert!(!is_reaped_though_it_spoke(None).await);
    assert!(is_reaped_though_it_spoke(Some(Bug::IndexTrusted)).await);
}
