//! Every member receives each publication once and in order, and waits for no slow or gone member.

use std::time::Duration;

use domain::ports::{Clock, Memberships};
use domain::{Connection, Delivery, Format, limits};
use telemetry::metric;
use testkit::memory::Behaviour;
use testkit::samples;

use crate::scene::Scene;

#[tokio::test]
async fn a_range_is_one_frame_per_connection() {
    let scene = Scene::with(3).await;
    let members = scene.members(40).await;
    scene.world.store.set_page_size(7);
    scene.world.store.set_empty_pages(true);
    scene.queue(0, 3).await;
    let (failed, summary) = scene.run().await;
    assert!(failed.is_empty());
    for member in &members {
        let heard = scene.world.heard(&member.id);
        assert_eq!(heard.len(), 1);
        assert!(heard[0].starts_with(r#"{"b":[{"room":"lobby","ep":"k7Qf","seq":1,"m":["#), "{}", heard[0]);
    }
    assert_eq!(summary.counted(metric::POSTS_DELIVERED), 40);
    assert!(scene.world.gateway.most_in_flight() <= limits::POSTS_IN_FLIGHT);
}

#[tokio::test]
async fn jobs_that_waited_together_are_one_range() {
    let scene = Scene::with(5).await;
    let members = scene.members(2).await;
    for (after, through) in [(0, 2), (2, 3), (2, 5)] {
        scene.queue(after, through).await;
    }
    scene.run().await;
    assert_eq!(scene.world.heard(&members[0].id).len(), 1);
}

#[tokio::test]
async fn a_classic_member_gets_one_flat_frame_per_publication_in_order() {
    let scene = Scene::with(3).await;
    let classic = scene.world.connect_as("old", "eve", Format::Classic).await;
    scene.world.join(&classic, "lobby").await;
    scene.queue(0, 3).await;
    scene.run().await;
    let sequences: Vec<u64> = scene
        .world
        .heard(&classic.id)
        .iter()
        .map(|frame| serde_json::from_str::<serde_json::Value>(frame).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, [1, 2, 3]);
}

#[tokio::test]
async fn a_gone_connection_is_forgotten_at_the_first_410_and_nobody_else_is() {
    let scene = Scene::with(1).await;
    let members = scene.members(3).await;
    scene.world.gateway.hang_up(&members[1].id);
    scene.queue(0, 1).await;
    let (_, summary) = scene.run().await;
    assert_eq!(summary.counted(metric::CONNECTIONS_GONE), 1);
    assert!(scene.world.store.is_buried(&members[1].id));
    assert!(scene.world.store.rooms_of(&members[1].id).await.unwrap().is_empty());
    for alive in [&members[0], &members[2]] {
        assert!(!scene.world.store.is_buried(&alive.id));
        assert_eq!(scene.world.heard(&alive.id).len(), 1);
    }
}

#[tokio::test]
async fn a_410_right_after_connecting_is_late_and_not_the_end() {
    let scene = Scene::with(1).await;
    let members = scene.members(1).await;
    let new = scene.world.connect("new", "eve").await;
    scene.world.join(&new, "lobby").await;
    scene.world.gateway.answer_next(&new.id, [Delivery::Gone]);
    scene.queue(0, 1).await;
    scene.run().await;
    assert!(!scene.world.store.is_buried(&new.id));
    assert_eq!((scene.world.heard(&members[0].id).len(), scene.late_jobs()), (1, 1));
    scene.world.clock.advance(Duration::from_secs(2));
    scene.run().await;
    assert_eq!((scene.world.heard(&new.id).len(), scene.late_jobs()), (1, 0));
}

#[tokio::test]
async fn a_slow_member_goes_late_and_delays_nobody() {
    let scene = Scene::with(1).await;
    let members = scene.members(20).await;
    scene.world.gateway.behave(&members[3].id, Behaviour::Hangs);
    scene.queue(0, 1).await;
    let begun = scene.world.clock.now();
    let (failed, summary) = scene.run().await;
    assert!(failed.is_empty());
    assert!(scene.world.clock.now().since(begun) < Duration::from_millis(1_000));
    assert_eq!((summary.counted(metric::POSTS_DELIVERED), summary.counted(metric::MEMBERS_LATE)), (19, 1));
}

#[tokio::test]
async fn a_late_job_that_is_not_due_comes_back_when_it_is() {
    let scene = Scene::with(1).await;
    let members = scene.members(1).await;
    scene.world.gateway.behave(&members[0].id, Behaviour::Hangs);
    scene.queue(0, 1).await;
    scene.run().await;
    let (failed, _) = scene.run().await;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].retry_after.unwrap() <= Duration::from_secs(1));
}

#[tokio::test]
async fn three_full_buffers_close_a_connection_so_that_it_returns_and_syncs() {
    let scene = Scene::with(1).await;
    let members = scene.members(2).await;
    scene.world.gateway.behave(&members[0].id, Behaviour::BufferFull);
    scene.queue(0, 1).await;
    for _ in 0..4 {
        scene.run().await;
        scene.world.clock.advance(Duration::from_secs(10));
    }
    assert!(!scene.world.gateway.is_open(&members[0].id) && scene.world.store.is_buried(&members[0].id));
    assert!(scene.world.gateway.is_open(&members[1].id));
    assert_eq!(scene.late_jobs(), 0);
}

#[tokio::test]
async fn a_throttled_account_paces_everybody_and_counts_against_nobody() {
    let scene = Scene::with(1).await;
    let members = scene.members(30).await;
    scene.world.gateway.throttle_next(200);
    scene.queue(0, 1).await;
    for _ in 0..40 {
        scene.run().await;
        scene.world.clock.advance(Duration::from_secs(10));
    }
    for member in &members {
        assert!(scene.world.gateway.is_open(&member.id));
        assert_eq!(scene.world.heard(&member.id).len(), 1);
    }
}

#[tokio::test]
async fn a_member_that_left_while_it_was_late_hears_nothing_more() {
    let scene = Scene::with(1).await;
    let members = scene.members(1).await;
    scene.world.gateway.behave(&members[0].id, Behaviour::Hangs);
    scene.queue(0, 1).await;
    scene.run().await;
    scene.world.gateway.behave(&members[0].id, Behaviour::Takes);
    scene.world.store.leave(&members[0].id, &[samples::room("lobby")]).await.unwrap();
    scene.world.clock.advance(Duration::from_secs(2));
    scene.run().await;
    assert!(scene.world.heard(&members[0].id).is_empty());
}

#[tokio::test]
async fn a_member_whose_token_expired_hears_nothing_more_live_or_late() {
    let scene = Scene::with(2).await;
    let world = &scene.world;
    let expires_at = Some(world.clock.now().plus(Duration::from_secs(60)));
    let slow = world.open(Connection { expires_at, ..samples::connection("c1", "ada", world.clock.now()) }).await;
    world.join(&slow, "lobby").await;
    world.clock.advance(Duration::from_secs(50));
    world.gateway.behave(&slow.id, Behaviour::Hangs);
    scene.queue(0, 1).await;
    scene.run().await;
    assert_eq!(scene.late_jobs(), 1);
    world.gateway.behave(&slow.id, Behaviour::Takes);
    world.clock.advance(Duration::from_secs(10));
    scene.queue(1, 2).await;
    scene.run().await;
    assert!(world.heard(&slow.id).is_empty());
    assert_eq!(scene.late_jobs(), 0, "nothing is owed to it any more");
}
