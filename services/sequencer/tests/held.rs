//! Held publications are worked off at the rate of their room, behind what was submitted before.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ports::{Charges, Clock, Holds, Rooms, Submissions};
use domain::{Held, Hold, Sequence, Submission, Timestamp, limits};
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Batches;
use sequencer::Sequencer;
use telemetry::Summary;
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::memory::Fifo;
use testkit::{World, samples};

const ROOM: &str = "hot";

/// Works off one batch; the pauses of what returns. The clock stands still.
async fn run_with(world: &World, queue: &Fifo<Submission>, plan: Plan) -> Vec<Duration> {
    let message = |taken: testkit::memory::Message<Submission>| Message {
        id: taken.id,
        receipt: taken.receipt,
        group: taken.group,
        receives: taken.receive_count,
        first_received_at: taken.first_taken_at.unwrap(),
        attributes: BTreeMap::new(),
        body: protocol::queue::encode(&taken.body).unwrap(),
    };
    let batch: Vec<Message> = queue.take().into_iter().map(message).collect();
    let tables = Faulty::new(world.store.clone(), plan.clone());
    let queues = Faulty::new(world.queues.clone(), plan);
    let sequencer = Sequencer::new(tables, queues, world.clock.clone(), world.chance.clone());
    let deadline = Deadline::at(world.clock.now().plus(Duration::from_secs(5)));
    let failed = sequencer.handle(vec![batch.clone()], deadline, &mut Summary::new("sequencer")).await;
    for message in batch {
        match failed.iter().find(|failed| failed.message.id == message.id) {
            Some(failed) => queue.show_after(&message.receipt, failed.retry_after.unwrap()),
            None => queue.finish(&message.receipt),
        };
    }
    failed.into_iter().map(|Failed { retry_after, .. }| retry_after.unwrap()).collect()
}

async fn run(world: &World, queue: &Fifo<Submission>) -> Vec<Duration> {
    run_with(world, queue, Plan::new()).await
}

/// Holds one publication for each id, as one message.
async fn hold(world: &World, ids: &[&str]) {
    let count = u32::try_from(ids.len()).unwrap();
    let number = world.store.hold(&samples::room(ROOM), count, world.clock.now()).await.unwrap();
    let held = Submission { held: Some(Held::Number(number)), ..samples::submission(ROOM, "ada", ids) };
    world.queues.submit(&held).await.unwrap();
}

async fn pass(world: &World) {
    let began = state(world).await.began;
    world.store.pass_gate(&samples::room(ROOM), began).await.unwrap();
}

async fn state(world: &World) -> Hold {
    let room = samples::room(ROOM);
    world.store.intakes(std::slice::from_ref(&room)).await.unwrap()[&room].hold.unwrap()
}

async fn log(world: &World) -> Vec<String> {
    let room = samples::room(ROOM);
    let Some(head) = world.store.head(&room).await.unwrap() else { return Vec::new() };
    let range = domain::Range { epoch: head.epoch, after: Sequence::ZERO, through: head.sequence };
    let rows = world.store.log(&room, &range, 1_000, Timestamp::from_ms(0)).await.unwrap();
    rows.iter().map(|row| row.id.to_string()).collect()
}

#[tokio::test]
async fn held_publications_wait_until_everything_that_was_submitted_before_has_its_place() {
    let world = World::new();
    world.queues.submit(&samples::submission(ROOM, "ada", &["p1"])).await.unwrap();
    hold(&world, &["h1", "h2"]).await;
    let (open, held) = (world.queues.publications.clone(), world.queues.publications_held.clone());
    for _ in 1..limits::RECEIVES_BEFORE_GATE {
        assert_eq!(run(&world, &held).await, [limits::GATE_PAUSE]);
        assert_eq!(open.bodies().len(), 1, "functions that saw no hold may still be at work");
        world.clock.advance(limits::GATE_PAUSE);
    }
    for _ in 0..2 {
        let pause = run(&world, &held).await[0];
        assert_eq!(open.bodies().len(), 2, "the gate stands behind it, once");
        assert!(log(&world).await.is_empty());
        world.clock.advance(pause);
    }
    assert!(run(&world, &open).await.is_empty());
    assert!(state(&world).await.is_passed);
    assert!(run(&world, &held).await.is_empty());
    assert_eq!(log(&world).await, ["p1", "h1", "h2"]);
    assert_eq!(state(&world).await.waiting(), 0);
}

#[tokio::test]
async fn a_gate_is_not_passed_before_what_stands_in_front_of_it() {
    let world = World::new();
    hold(&world, &["h1"]).await;
    let began = state(&world).await.began;
    world.queues.submit(&samples::submission(ROOM, "ada", &["p1"])).await.unwrap();
    world.queues.submit(&Submission::gate(&samples::room(ROOM), began)).await.unwrap();
    let queue = world.queues.publications.clone();
    let plan = Plan::new().nth(Operation::Append, 1, Fault::Before(How::Unavailable));
    let pauses = run_with(&world, &queue, plan).await;
    assert_eq!(pauses, [limits::SHORTEST_RETRY_PAUSE; 2], "both return together");
    assert!(!state(&world).await.is_passed);
    world.clock.advance(limits::SHORTEST_RETRY_PAUSE);
    let plan = Plan::new().nth(Operation::PassGate, 1, Fault::Before(How::Throttled));
    assert_eq!(run_with(&world, &queue, plan).await.len(), 1, "the gate returns alone");
    world.clock.advance(limits::LONGEST_RETRY_PAUSE);
    assert!(run(&world, &queue).await.is_empty() && state(&world).await.is_passed && queue.is_empty());
}

#[tokio::test]
async fn held_publications_leave_half_of_the_burst_to_members_and_come_after_one_pause_at_the_latest() {
    let world = World::new();
    let (room, queue) = (samples::room(ROOM), world.queues.publications_held.clone());
    hold(&world, &["h1"]).await;
    pass(&world).await;
    world.store.create(&room, &samples::epoch("k7Qf"), world.clock.now()).await.unwrap();
    let busy_until = world.clock.now().plus(Duration::from_millis(1_500));
    world.store.note_room_busy(&room, &domain::Load::until(busy_until)).await.unwrap();
    let pause = Duration::from_millis(500);
    assert_eq!(run(&world, &queue).await, [pause]);
    world.clock.advance(pause);
    let busy_until = world.clock.now().plus(Duration::from_secs(4));
    world.store.note_room_busy(&room, &domain::Load::until(busy_until)).await.unwrap();
    assert!(run(&world, &queue).await.is_empty(), "members keep the room busy");
    assert_eq!(log(&world).await, ["h1"]);
}

#[tokio::test]
async fn no_more_held_publications_than_half_of_the_burst_have_their_turn_together() {
    let world = World::new();
    let ids: Vec<String> = (0..100).map(|n| format!("h{n}")).collect();
    for ten in ids.chunks(10) {
        hold(&world, &ten.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    pass(&world).await;
    let queue = world.queues.publications_held.clone();
    let pause = limits::ROOM_RATE.takes(limits::HELD_AT_ONCE);
    assert_eq!(run(&world, &queue).await, [pause; 5]);
    assert_eq!((log(&world).await.len(), state(&world).await.waiting()), (50, 50));
    world.clock.advance(pause);
    assert!(run(&world, &queue).await.is_empty());
    assert_eq!((log(&world).await, state(&world).await.waiting()), (ids, 0));
}

#[tokio::test]
async fn held_publications_that_fail_keep_their_order_and_what_was_not_noted_is_noted_with_the_next() {
    let world = World::new();
    hold(&world, &["h1"]).await;
    pass(&world).await;
    let queue = world.queues.publications_held.clone();
    let plan = Plan::new().nth(Operation::Intakes, 1, Fault::Before(How::Unavailable));
    assert_eq!(run_with(&world, &queue, plan).await, [limits::SHORTEST_RETRY_PAUSE]);
    world.clock.advance(limits::SHORTEST_RETRY_PAUSE);
    let plan = Plan::new().nth(Operation::Release, 1, Fault::Before(How::Unavailable));
    assert!(run_with(&world, &queue, plan).await.is_empty());
    assert_eq!(state(&world).await.waiting(), 1);
    hold(&world, &["h2"]).await;
    assert!(run(&world, &queue).await.is_empty());
    assert_eq!((log(&world).await, state(&world).await.waiting()), (vec!["h1".to_owned(), "h2".to_owned()], 0));
}
