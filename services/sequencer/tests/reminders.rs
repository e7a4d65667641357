//! Jobs wait while the shards of their room are far behind, and none is forgotten.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use domain::ports::{Clock, Rooms, Submissions};
use domain::{Job, Limits, Range, Sequence, Shard, Submission, limits};
use lambda_kit::batch::Message;
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Batches;
use sequencer::Sequencer;
use telemetry::Summary;
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::{World, samples};

const ROOM: &str = "lobby";
/// A shard may lack one publication.
const LIMITS: fn() -> Limits = || Limits { jobs_per_room: 1, ..Limits::default() };

/// Works off all messages that the queue gives out at this moment. Returns the number of those that
/// came back.
async fn run(world: &World, plan: Plan) -> usize {
    let tables = Faulty::new(world.store.clone(), plan.clone());
    let queues = Faulty::new(world.queues.clone(), plan);
    let sequencer = Sequencer::new(tables, queues, world.clock.clone(), world.chance.clone()).with_limits(LIMITS());
    let taken = world.queues.publications.take();
    let messages = taken.iter().map(|taken| Message {
        id: taken.id.clone(),
        receipt: taken.receipt.clone(),
        group: taken.group.clone(),
        receives: taken.receive_count,
        first_received_at: taken.first_taken_at.unwrap(),
        attributes: std::collections::BTreeMap::new(),
        body: protocol::queue::encode(&taken.body).unwrap(),
    });
    let mut groups: Vec<Vec<Message>> = Vec::new();
    for message in messages {
        match groups.iter_mut().find(|group| group[0].group == message.group) {
            Some(group) => group.push(message),
            None => groups.push(vec![message]),
        }
    }
    let deadline = Deadline::at(world.clock.now().plus(Duration::from_secs(5)));
    let failed = sequencer.handle(groups, deadline, &mut Summary::new("sequencer")).await;
    for message in taken {
        match failed.iter().find(|failed| failed.message.id == message.id) {
            Some(failed) => world.queues.publications.show_after(&message.receipt, failed.retry_after.unwrap()),
            None => world.queues.publications.finish(&message.receipt),
        };
    }
    failed.len()
}

async fn publish(world: &World, ids: &[&str], plan: Plan) {
    world.queues.submit(&samples::submission(ROOM, "ada", ids)).await.unwrap();
    run(world, plan).await;
}

/// A room whose only shard has a job for two publications, and no progress.
async fn room_behind() -> World {
    let world = World::new();
    publish(&world, &["a", "b"], Plan::new()).await;
    assert_eq!(ranges(&world), [(0, 2)]);
    world
}

/// Stores that the shard was delivered everything through a sequence.
async fn deliver(world: &World, through: u64) {
    let room = samples::room(ROOM);
    let epoch = world.store.head(&room).await.unwrap().unwrap().epoch;
    let range = Range { epoch, after: Sequence::ZERO, through: Sequence::new(through) };
    world.store.mark_delivered(&room, Shard::FIRST, &range, world.clock.now()).await.unwrap();
}

fn ranges(world: &World) -> Vec<(u64, u64)> {
    let range = |job: &Job| job.work.range().map(|range| (range.after.get(), range.through.get())).unwrap();
    world.queues.deliveries.bodies().iter().map(range).collect()
}

fn reminders(world: &World) -> usize {
    let is_reminder = |submission: &Submission| submission.reminder.is_some();
    world.queues.publications.bodies().iter().filter(|submission| is_reminder(submission)).count()
}

#[tokio::test]
async fn a_room_whose_shard_is_far_behind_gets_its_jobs_when_the_shard_has_caught_up() {
    let world = room_behind().await;
    publish(&world, &["c"], Plan::new()).await;
    publish(&world, &["d", "e"], Plan::new()).await;
    assert_eq!((ranges(&world), reminders(&world)), (vec![(0, 2)], 2));
    world.clock.advance(limits::REMINDER_PAUSE);
    assert_eq!(run(&world, Plan::new()).await, 2, "the shard is still behind");
    deliver(&world, 1).await;
    world.clock.advance(limits::REMINDER_PAUSE);
    assert_eq!(run(&world, Plan::new()).await, 0);
    assert_eq!((ranges(&world), reminders(&world)), (vec![(0, 2), (2, 5)], 0));
}

#[tokio::test]
async fn a_reminder_whose_jobs_are_queued_by_then_is_done() {
    let world = room_behind().await;
    publish(&world, &["c"], Plan::new()).await;
    assert_eq!(run(&world, Plan::new()).await, 1);
    deliver(&world, 2).await;
    publish(&world, &["d"], Plan::new()).await;
    assert_eq!((ranges(&world), reminders(&world)), (vec![(0, 2), (2, 4)], 1));
    world.clock.advance(limits::REMINDER_PAUSE);
    assert_eq!(run(&world, Plan::new()).await, 0);
    assert_eq!((ranges(&world), reminders(&world)), (vec![(0, 2), (2, 4)], 0));
}

#[tokio::test]
async fn a_shard_that_never_catches_up_costs_its_room_5_s() {
    let world = room_behind().await;
    publish(&world, &["c"], Plan::new()).await;
    world.clock.advance(limits::SHARDS_WAIT - Duration::from_secs(1));
    assert_eq!(run(&world, Plan::new()).await, 1);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(run(&world, Plan::new()).await, 0);
    assert_eq!((ranges(&world), reminders(&world)), (vec![(0, 2), (2, 3)], 0));
}

#[tokio::test]
async fn jobs_are_queued_at_once_if_the_progress_cannot_be_read_or_the_reminder_not_be_sent() {
    for operation in [Operation::Delivered, Operation::Submit] {
        for how in [How::Unavailable, How::Refused] {
            let world = room_behind().await;
            publish(&world, &["c"], Plan::new().always(operation, Fault::Before(how))).await;
            assert_eq!((ranges(&world), reminders(&world)), (vec![(0, 2), (2, 3)], 0), "{operation:?} {how:?}");
        }
    }
}

#[tokio::test]
async fn a_reminder_that_fails_returns_whatever_the_reason_and_its_jobs_are_queued_then() {
    for operation in [Operation::Head, Operation::Dispatch] {
        let world = room_behind().await;
        publish(&world, &["c"], Plan::new()).await;
        deliver(&world, 2).await;
        for _ in 0..2 * limits::RECEIVES_IF_REFUSED {
            world.clock.advance(limits::LONGEST_RETRY_PAUSE);
            assert_eq!(run(&world, Plan::new().always(operation, Fault::Before(How::Refused))).await, 1);
        }
        world.clock.advance(limits::LONGEST_RETRY_PAUSE);
        assert_eq!(run(&world, Plan::new()).await, 0);
        assert_eq!((ranges(&world), reminders(&world)), (vec![(0, 2), (2, 3)], 0), "{operation:?}");
    }
}

#[tokio::test]
async fn a_batch_that_died_after_its_append_leaves_a_reminder_when_it_comes_again() {
    let world = room_behind().await;
    let (room, now) = (samples::room(ROOM), world.clock.now());
    let head = world.store.head(&room).await.unwrap().unwrap();
    let append = samples::append(&room, &head, &[samples::data("1")], now);
    world.store.append(&append).await.unwrap();
    publish(&world, &["p3"], Plan::new()).await;
    assert_eq!((ranges(&world), reminders(&world)), (vec![(0, 2)], 1));
}
