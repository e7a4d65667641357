//! Late jobs: all rows of their range, page by page, and only to the members that still need them.

use std::time::Duration;

use domain::{ConnectionId, Limits};
use protocol::block::AnyBlock;
use protocol::server::ServerFrame;
use testkit::World;
use testkit::memory::Behaviour;

use crate::scene::Scene;

/// Limits under which four rows are a page of the log.
fn small_pages() -> Limits {
    Limits { log_page_rows: 4, log_rows_along: 2, ..Limits::default() }
}

/// Positions that were posted to a member, in order.
fn positions(world: &World, member: &ConnectionId) -> Vec<u64> {
    let frames = world.heard(member);
    let blocks = frames.iter().flat_map(|frame| match ServerFrame::parse(frame) {
        Ok(ServerFrame::Blocks(blocks)) => blocks,
        other => panic!("{other:?}"),
    });
    let runs = blocks.filter_map(AnyBlock::into_run);
    runs.flat_map(|run| (0..run.m.len() as u64).map(move |n| run.seq.get() + n)).collect()
}

/// A room of ten publications and two members, with a job for all ten. The first member is late for
/// all of them.
async fn late_for_ten() -> (Scene, ConnectionId) {
    let scene = Scene::with(10).await;
    let members = scene.members(2).await;
    scene.world.gateway.behave(&members[0].id, Behaviour::Hangs);
    scene.queue(0, 10).await;
    // All rows are one page here, so one late job has all of them.
    scene.run().await;
    assert_eq!(scene.late_jobs(), 1);
    scene.world.clock.advance(Duration::from_secs(2));
    (scene, members[0].id.clone())
}

#[tokio::test]
async fn a_late_job_delivers_every_page_of_its_range() {
    let (scene, slow) = late_for_ten().await;
    scene.world.gateway.behave(&slow, Behaviour::Takes);
    let (failed, _) = scene.run_within(small_pages()).await;
    assert!(failed.is_empty() && scene.late_jobs() == 0);
    assert_eq!(positions(&scene.world, &slow), (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_member_that_fails_at_a_later_page_is_late_for_the_rest_and_no_more() {
    let (scene, slow) = late_for_ten().await;
    scene.world.gateway.behave(&slow, Behaviour::Takes);
    scene.world.gateway.answer_next(&slow, [domain::Delivery::Delivered, domain::Delivery::Failed]);
    scene.run_within(small_pages()).await;
    assert_eq!(scene.late_jobs(), 1);
    scene.world.clock.advance(Duration::from_secs(10));
    scene.run_within(small_pages()).await;
    assert_eq!(scene.late_jobs(), 0);
    assert_eq!(scene.world.heard(&slow).len(), 3, "each page once");
}

#[tokio::test]
async fn a_late_job_that_runs_out_of_time_goes_on_where_it_was_and_counts_against_nobody() {
    let (scene, slow) = late_for_ten().await;
    scene.world.gateway.behave(&slow, Behaviour::Takes);
    scene.world.gateway.set_latency(Duration::from_millis(390));
    // There is time for one page only.
    let short = Limits { hand_over: Duration::from_millis(4_700), ..small_pages() };
    for _ in 0..3 {
        let (failed, _) = scene.run_within(short).await;
        assert!(failed.is_empty());
    }
    assert_eq!(scene.late_jobs(), 0);
    assert_eq!(positions(&scene.world, &slow), (1..=10).collect::<Vec<_>>());
    assert!(scene.world.gateway.is_open(&slow));
}

#[tokio::test]
async fn late_jobs_that_wait_for_their_time_are_never_dead_letters() {
    let scene = Scene::with(1).await;
    let members = scene.members(2).await;
    scene.world.gateway.behave(&members[0].id, Behaviour::Hangs);
    scene.queue(0, 1).await;
    scene.run().await;
    // Before the job is due, it is received far more often than a refused message may be.
    for _ in 0..50 {
        let (failed, _) = scene.run().await;
        failed.iter().for_each(|failed| assert!(failed.retry_after.unwrap() <= Duration::from_secs(1)));
        for message in &failed {
            scene.world.queues.deliveries.show_after(&message.message.receipt, Duration::ZERO);
        }
    }
    scene.world.gateway.behave(&members[0].id, Behaviour::Takes);
    scene.world.clock.advance(Duration::from_secs(2));
    scene.run().await;
    assert!(scene.letters().is_empty() && scene.late_jobs() == 0);
    assert_eq!(positions(&scene.world, &members[0].id), [1]);
}
