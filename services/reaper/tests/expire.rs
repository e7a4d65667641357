//! A connection whose token has expired is notified and closed, and no renewed connection is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use domain::ports::{Bans, Clock, Memberships, Renewals};
use domain::{Ban, BanScope, Connection, Format, Identity, Permissions, Timestamp, TokenStamp, limits};
use lambda_kit::Deadline;
use reaper::Reaper;
use telemetry::{Summary, metric};
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::memory::Lag;
use testkit::{World, samples};

const MINUTE: Duration = Duration::from_secs(60);

async fn run_with(world: &World, plan: Plan, left: Duration) -> Summary {
    let tables = Faulty::new(world.store.clone(), plan.clone());
    let gateway = Faulty::new(world.gateway.clone(), plan);
    let reaper = Reaper::new(tables, gateway, world.clock.clone(), limits::STALE);
    let mut summary = Summary::new("reaper");
    reaper.run(Deadline::at(world.clock.now().plus(left)), &mut summary).await.unwrap();
    summary
}

async fn run(world: &World) -> u64 {
    run_with(world, Plan::new(), Duration::from_secs(50)).await.counted(metric::CONNECTIONS_EXPIRED)
}

/// A connection whose token is good for a minute.
async fn connect(world: &World, id: &str, format: Format) -> Connection {
    let expires_at = Some(world.clock.now().plus(MINUTE));
    world.open(Connection { format, expires_at, ..samples::connection(id, "ada", world.clock.now()) }).await
}

async fn renew(world: &World, connection: &Connection, expires_at: Option<Timestamp>) {
    let (user, permissions) = (connection.user.clone(), Permissions::all());
    let renewed = Identity {
        user,
        device: None,
        guest: false,
        admin: false,
        expires_at,
        permissions,
        stamp: TokenStamp::default(),
    };
    world.store.renew(&connection.id, &renewed, world.clock.now()).await.unwrap();
}

#[tokio::test]
async fn a_connection_with_an_expired_token_is_told_closed_and_forgotten_and_no_other() {
    let world = World::new();
    let expired = connect(&world, "expired", Format::RoomsV1).await;
    let classic = connect(&world, "classic", Format::Classic).await;
    let endless = world.connect("endless", "bob").await;
    world.clock.advance(Duration::from_secs(1));
    let later = connect(&world, "later", Format::RoomsV1).await;
    world.clock.advance(MINUTE - Duration::from_secs(2));
    assert_eq!(run(&world).await, 0, "not yet");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(run(&world).await, 2);
    for gone in [&expired, &classic] {
        assert!(world.store.is_buried(&gone.id) && !world.gateway.is_open(&gone.id));
        assert_eq!(world.store.rooms_of(&gone.id).await.unwrap(), []);
    }
    assert_eq!(world.gateway.frames(&expired.id), [r#"{"sys":"bye","code":"expired","retry":"never"}"#]);
    assert!(world.gateway.frames(&classic.id).is_empty(), "it has no words for that");
    for stays in [&endless, &later] {
        assert!(!world.store.is_buried(&stays.id) && world.gateway.is_open(&stays.id));
    }
}

#[tokio::test]
async fn what_a_recent_ban_keeps_out_is_closed_and_forgotten_and_no_other() {
    let world = World::new();
    let banned = world.connect("banned", "ada").await;
    let other = world.connect("other", "bob").await;
    let until = world.clock.now().plus(10 * MINUTE);
    let ban = Ban { user: banned.user.clone(), scope: BanScope::User, until };
    world.store.ban(&ban, world.clock.now()).await.unwrap();
    let lifted = Ban { user: other.user.clone(), ..ban.clone() };
    world.store.ban(&lifted, world.clock.now()).await.unwrap();
    world.store.ban(&Ban { until: world.clock.now(), ..lifted }, world.clock.now()).await.unwrap();
    let closed = run_with(&world, Plan::new(), Duration::from_secs(50)).await.counted(metric::CONNECTIONS_BANNED);
    assert_eq!(closed, 1);
    assert!(world.store.is_buried(&banned.id) && !world.gateway.is_open(&banned.id));
    assert_eq!(world.gateway.frames(&banned.id), [r#"{"sys":"bye","code":"kicked","retry":"never"}"#]);
    assert!(!world.store.is_buried(&other.id) && world.gateway.is_open(&other.id));
}

#[tokio::test]
async fn a_connection_with_a_revoked_token_is_closed_by_the_reaper_and_one_with_a_newer_token_is_not() {
    let world = World::new();
    let now = world.clock.now();
    let issued = |id: &str, before| {
        let stamp = samples::stamp(id, now.minus(before));
        world.open(Connection { stamp, ..samples::connection(id, "ada", now) })
    };
    let (old, young, renewed) =
        (issued("old", MINUTE).await, issued("young", Duration::ZERO).await, issued("renewed", MINUTE).await);
    let undated = world.connect("undated", "ada").await;
    let stamp = samples::stamp("renewed", now);
    world.store.renew(&renewed.id, &Identity { stamp, ..samples::identity(&renewed) }, now).await.unwrap();
    let ban = Ban { user: old.user.clone(), scope: BanScope::IssuedBefore(now), until: limits::BAN_WITHOUT_END };
    world.store.ban(&ban, now).await.unwrap();
    let closed = run_with(&world, Plan::new(), Duration::from_secs(50)).await.counted(metric::CONNECTIONS_BANNED);
    assert_eq!(closed, 2);
    for gone in [&old, &undated] {
        assert!(world.store.is_buried(&gone.id) && !world.gateway.is_open(&gone.id));
        assert_eq!(world.gateway.frames(&gone.id), [r#"{"sys":"bye","code":"revoked","retry":"never"}"#]);
    }
    for stays in [&young, &renewed] {
        assert!(!world.store.is_buried(&stays.id) && world.gateway.is_open(&stays.id));
    }
}

#[tokio::test]
async fn a_connection_that_was_renewed_stays_even_if_the_index_does_not_know_yet() {
    let world = World::new();
    let connection = connect(&world, "c1", Format::RoomsV1).await;
    world.store.set_lag(Lag::Time(MINUTE));
    world.clock.advance(MINUTE);
    renew(&world, &connection, Some(world.clock.now().plus(MINUTE))).await;
    assert_eq!(run(&world).await, 0);
    assert!(world.gateway.is_open(&connection.id) && world.gateway.frames(&connection.id).is_empty());
    world.clock.advance(MINUTE);
    assert_eq!(run(&world).await, 1);
}

#[tokio::test]
async fn what_fails_on_the_way_is_done_by_the_next_run() {
    for operation in [Operation::Find, Operation::Close, Operation::Bury, Operation::RoomsOf, Operation::Leave] {
        for fault in [Fault::Before(How::Throttled), Fault::After(How::Unavailable)] {
            let world = World::new();
            let connection = connect(&world, "c1", Format::RoomsV1).await;
            world.clock.advance(MINUTE);
            run_with(&world, Plan::new().nth(operation, 1, fault), Duration::from_secs(50)).await;
            run(&world).await;
            assert!(world.store.is_buried(&connection.id) && !world.gateway.is_open(&connection.id), "{operation:?}");
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_before_the_deadline_is_left_for_the_next_run() {
    let world = World::new();
    let connection = connect(&world, "c1", Format::RoomsV1).await;
    world.clock.advance(MINUTE);
    run_with(&world, Plan::new(), Duration::from_secs(5)).await;
    assert!(world.gateway.is_open(&connection.id));
    assert_eq!(run(&world).await, 1);
}
