//! The progress of a shard: waiting jobs go into one frame, however the queue hands them out, and a
//! delivered range is not delivered again.

use domain::ports::{Clock, Rooms};
use domain::{ConnectionId, Shard, limits};
use protocol::block::AnyBlock;
use protocol::server::ServerFrame;
use telemetry::metric;
use testkit::faults::{Fault, How, Operation, Plan};
use testkit::{World, samples};

use crate::scene::Scene;

#[tokio::test]
async fn what_follows_goes_into_the_same_frame_and_its_own_jobs_post_nothing() {
    let scene = Scene::with(5).await;
    let members = scene.members(3).await;
    scene.queue(0, 2).await;
    scene.run().await;
    for member in &members {
        assert_eq!(heard(&scene.world, &member.id), [(1, 5)]);
    }
    scene.queue(2, 3).await;
    scene.queue(3, 5).await;
    let (failed, summary) = scene.run().await;
    assert!(failed.is_empty());
    assert_eq!((summary.counted(metric::JOBS_REPEATED), summary.counted(metric::POSTS_SENT)), (1, 0));
}

#[tokio::test]
async fn a_job_that_comes_again_posts_nothing() {
    let scene = Scene::with(3).await;
    let members = scene.members(1).await;
    for _ in 0..2 {
        scene.queue(0, 3).await;
        scene.run().await;
        // The queue does not remember the job any more.
        scene.world.clock.advance(std::time::Duration::from_secs(600));
    }
    assert_eq!(heard(&scene.world, &members[0].id), [(1, 3)]);
}

#[tokio::test]
async fn an_old_job_that_nobody_had_done_is_done_and_nothing_behind_it_again() {
    let scene = Scene::with(9).await;
    let members = scene.members(1).await;
    done(&scene, 4, 9).await;
    scene.queue(0, 2).await;
    scene.run().await;
    assert_eq!(heard(&scene.world, &members[0].id), [(1, 2)]);
    scene.queue(2, 6).await;
    scene.run().await;
    assert_eq!(heard(&scene.world, &members[0].id), [(1, 2), (3, 2)], "of the second only what is missing");
    assert_eq!(
        scene
            .world
            .store
            .delivered(&samples::room("lobby"), Shard::FIRST, &scene.head.epoch)
            .await
            .unwrap()
            .unwrap()
            .through
            .get(),
        9
    );
}

#[tokio::test]
async fn what_could_not_be_noted_comes_again_and_nothing_is_lost() {
    let scene = Scene::with(3).await;
    let members = scene.members(1).await;
    scene.queue(0, 2).await;
    let plan = Plan::new().always(Operation::MarkDelivered, Fault::Before(How::Unavailable));
    let (failed, _) = scene.run_with(plan).await;
    assert!(failed.is_empty(), "it is done");
    scene.queue(2, 3).await;
    scene.run().await;
    assert_eq!(heard(&scene.world, &members[0].id), [(1, 3), (3, 1)]);
}

#[tokio::test]
async fn if_nobody_can_read_how_far_a_shard_is_its_members_are_told_all_the_same() {
    let scene = Scene::with(3).await;
    let members = scene.members(1).await;
    scene.queue(0, 3).await;
    let plan = Plan::new()
        .always(Operation::Delivered, Fault::Before(How::Refused))
        .always(Operation::MarkDelivered, Fault::Before(How::Refused));
    let (failed, _) = scene.run_with(plan).await;
    assert!(failed.is_empty() && scene.letters().is_empty());
    assert_eq!(heard(&scene.world, &members[0].id), [(1, 3)]);
}

#[tokio::test]
async fn what_follows_and_cannot_be_read_does_not_hold_up_a_job() {
    let scene = Scene::with(3).await;
    let members = scene.members(1).await;
    scene.queue(0, 2).await;
    let plan = Plan::new().nth(Operation::Log, 1, Fault::Before(How::Refused));
    let (failed, _) = scene.run_with(plan).await;
    assert!(failed.is_empty());
    assert_eq!(heard(&scene.world, &members[0].id), [(1, 2)]);
}

#[tokio::test]
async fn what_follows_never_costs_a_second_frame() {
    let scene = Scene::with(0).await;
    let large = samples::data(&format!("{:?}", "x".repeat(limits::FRAME_BYTES / 3)));
    let append = samples::append(&samples::room("lobby"), &scene.head, &vec![large; 6], scene.world.clock.now());
    scene.world.store.append(&append).await.unwrap();
    let members = scene.members(1).await;
    scene.queue(0, 1).await;
    scene.run().await;
    assert_eq!(heard(&scene.world, &members[0].id), [(1, 2)]);
    scene.queue(1, 3).await;
    scene.run().await;
    assert_eq!(heard(&scene.world, &members[0].id), [(1, 2), (3, 2)]);
}

async fn done(scene: &Scene, after: u64, through: u64) {
    let (room, range) = (samples::room("lobby"), samples::range(&scene.head.epoch, after, through));
    scene.world.store.mark_delivered(&room, Shard::FIRST, &range, scene.world.clock.now()).await.unwrap();
}

/// The first sequence and the length of each run that was posted to a member.
fn heard(world: &World, member: &ConnectionId) -> Vec<(u64, usize)> {
    let frames = world.heard(member);
    let blocks = frames.iter().flat_map(|frame| match ServerFrame::parse(frame) {
        Ok(ServerFrame::Blocks(blocks)) => blocks,
        other => panic!("{other:?}"),
    });
    blocks.filter_map(AnyBlock::into_run).map(|run| (run.seq.get(), run.m.len())).collect()
}
