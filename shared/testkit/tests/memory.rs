//! The choices of tests in memory: pages, lag, and the behaviour of connections.

use std::time::Duration;

use domain::ports::{Clock, Gateway, Joined, Memberships, Opened, Retries, Submissions};
use domain::ports::{Connections, Error};
use domain::{Delivery, Member, Probe, Shard, limits};
use futures::future::join_all;
use testkit::memory::{Behaviour, Lag, VISIBILITY};
use testkit::{World, samples};

#[tokio::test]
async fn a_full_page_names_a_next_one_even_if_nothing_follows() {
    let world = World::new();
    for n in 0..4 {
        let connection = world.connect(&format!("c{n}"), "ada").await;
        world.join(&connection, "lobby").await;
    }
    world.store.set_page_size(2);
    let (room, mut after, mut sizes) = (samples::room("lobby"), None, Vec::new());
    loop {
        let page = world.store.page(&room, Shard::FIRST, after.as_ref()).await.unwrap();
        sizes.push(page.members.len());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 0]);
}

#[tokio::test]
async fn every_page_may_come_after_an_empty_one() {
    let world = World::new();
    let connection = world.connect("c1", "ada").await;
    world.join(&connection, "lobby").await;
    world.store.set_empty_pages(true);
    let room = samples::room("lobby");
    let empty = world.store.page(&room, Shard::FIRST, None).await.unwrap();
    assert_eq!(empty.members, []);
    let page = world.store.page(&room, Shard::FIRST, empty.next.as_ref()).await.unwrap();
    let member = Member { sees_members: true, ..connection.member() };
    assert_eq!((page.members, page.next), (vec![member], None));
}

#[tokio::test]
async fn an_index_that_lags_by_writes_does_not_know_the_last_of_them() {
    let world = World::new();
    world.store.set_lag(Lag::Writes(1));
    let room = samples::room("lobby");
    let connection = world.connect("c1", "ada").await;
    world.join(&connection, "lobby").await;
    assert_eq!(world.store.count(&room, Shard::FIRST).await.unwrap(), 0);
    assert_eq!(world.store.members_among(&room, &[connection.id]).await.unwrap().len(), 1);
    world.connect("c2", "bob").await;
    assert_eq!(world.store.count(&room, Shard::FIRST).await.unwrap(), 1);
}

#[tokio::test]
async fn an_index_that_lags_by_time_still_lists_who_left_just_now() {
    let world = World::new();
    let room = samples::room("lobby");
    let connection = world.connect("c1", "ada").await;
    world.join(&connection, "lobby").await;
    world.store.set_lag(Lag::Time(Duration::from_secs(1)));
    world.store.leave(&connection.id, std::slice::from_ref(&room)).await.unwrap();
    let count = async || world.store.count(&room, Shard::FIRST).await.unwrap();
    assert_eq!(count().await, 1);
    world.clock.advance(Duration::from_millis(999));
    assert_eq!(count().await, 1);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(count().await, 0);
    world.join(&connection, "lobby").await;
    assert_eq!(count().await, 0);
    world.store.catch_up();
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn what_has_expired_goes_when_the_test_sweeps() {
    let world = World::new();
    let (early, room) = (world.connect("c1", "ada").await, samples::room("lobby"));
    world.join(&early, "lobby").await;
    world.store.bury(&samples::connection_id("c0"), world.clock.now()).await.unwrap();
    world.clock.advance(limits::CONNECTION_TTL - Duration::from_secs(1));
    let late = world.connect("c2", "bob").await;
    world.store.sweep_expired();
    assert_eq!(world.store.connections(), [early.clone(), late.clone()]);
    world.clock.advance(Duration::from_secs(1));
    world.store.sweep_expired();
    assert_eq!(world.store.connections(), std::slice::from_ref(&late));
    assert_eq!(world.store.count(&room, Shard::FIRST).await.unwrap(), 0);
    assert!(!world.store.is_buried(&samples::connection_id("c0")));
    assert_eq!(world.store.open(&early, &[]).await.unwrap(), Opened::Stored);
}

#[tokio::test]
async fn a_retry_of_a_message_that_is_not_in_flight_is_refused() {
    let world = World::new();
    world.queues.submit(&samples::submission("lobby", "ada", &["p1"])).await.unwrap();
    let taken = world.queues.publications.take();
    world.clock.advance(VISIBILITY);
    let answer = world.queues.retry_after(&taken[0].receipt, Duration::ZERO).await;
    assert!(matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_peer_behaves_as_it_is_told() {
    let world = World::new();
    let peer = world.connect("c1", "ada").await;
    let mut expected = Vec::new();
    for (behaviour, delivery, arrives) in [
        (Behaviour::Takes, Delivery::Delivered, true),
        (Behaviour::BufferFull, Delivery::Throttled, false),
        (Behaviour::Hangs, Delivery::Failed, false),
        (Behaviour::LosesAnswers, Delivery::Failed, true),
        (Behaviour::Takes, Delivery::Delivered, true),
    ] {
        world.gateway.behave(&peer.id, behaviour);
        let frame = format!("{behaviour:?}");
        let start = world.clock.now();
        assert_eq!(world.gateway.post(&peer.endpoint, &peer.id, frame.clone().into()).await, delivery);
        let waited = world.clock.now().since(start);
        let timed_out = delivery == Delivery::Failed;
        assert_eq!(waited, if timed_out { limits::POST_TIMEOUT } else { Duration::ZERO });
        expected.extend(arrives.then_some(frame));
        let probe = world.gateway.probe(&peer.endpoint, &peer.id).await.unwrap();
        assert!(matches!(probe, Probe::Alive { .. }));
    }
    assert_eq!(world.heard(&peer.id), expected);
}

#[tokio::test]
async fn the_next_posts_are_answered_as_scripted() {
    let world = World::new();
    let peer = world.connect("c1", "ada").await;
    let script = [Delivery::NotReady, Delivery::Gone, Delivery::Delivered];
    world.gateway.answer_next(&peer.id, script);
    let mut deliveries = Vec::new();
    for frame in ["1", "2", "3", "4"] {
        deliveries.push(world.gateway.post(&peer.endpoint, &peer.id, frame.into()).await);
    }
    assert_eq!(deliveries, [&script[..], &[Delivery::Delivered]].concat());
    assert_eq!(world.heard(&peer.id), ["3", "4"]);
    let posted: Vec<Delivery> = world.gateway.posts().iter().map(|post| post.delivery).collect();
    assert_eq!(posted, deliveries);
}

#[tokio::test]
async fn a_throttled_account_throttles_every_call_to_anybody() {
    let world = World::new();
    let (one, other) = (world.connect("c1", "ada").await, world.connect("c2", "bob").await);
    world.gateway.throttle_next(3);
    assert_eq!(world.gateway.post(&one.endpoint, &one.id, "1".into()).await, Delivery::Throttled);
    assert_eq!(world.gateway.probe(&other.endpoint, &other.id).await.unwrap(), Probe::Throttled);
    assert!(world.gateway.close(&other.endpoint, &other.id).await.is_err());
    assert_eq!(world.gateway.post(&other.endpoint, &other.id, "1".into()).await, Delivery::Delivered);
}

#[tokio::test]
async fn posts_overlap_when_answers_take_time() {
    let world = World::new();
    let peer = world.connect("c1", "ada").await;
    world.gateway.set_latency(Duration::from_millis(30));
    let start = world.clock.now();
    join_all((0..8).map(|n| world.gateway.post(&peer.endpoint, &peer.id, n.to_string().into()))).await;
    assert_eq!(world.gateway.most_in_flight(), 8);
    assert_eq!(world.clock.now().since(start), Duration::from_millis(30));
}

#[tokio::test]
async fn a_world_connects_and_joins_like_the_functions() {
    let world = World::new();
    let connection = world.connect("c1", "ada").await;
    let membership = world.join(&connection, "lobby").await;
    let again = world.store.join(std::slice::from_ref(&membership)).await.remove(0).unwrap();
    let Member { expires_at, sees_members, .. } = membership.member;
    assert_eq!(again, Joined::Already { expires_at, began_at: None, sees_members });
    let rooms = world.store.rooms_of(&connection.id).await.unwrap();
    assert_eq!(rooms, [samples::room("@ada"), samples::room("lobby")]);
    assert!(world.gateway.is_open(&connection.id));
}
