//! One total order per room, whatever repeats or breaks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use domain::ports::{Clock, Rooms, Submissions};
use domain::{Job, Sequence, Submission, Timestamp};
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Batches;
use sequencer::Sequencer;
use telemetry::{Summary, metric};
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::{World, samples};

/// One event for every group there is, as the queue would give it.
fn take(world: &World) -> Vec<Vec<Message>> {
    let mut groups: Vec<Vec<Message>> = Vec::new();
    for taken in world.queues.publications.take() {
        let message = Message {
            id: taken.id.clone(),
            receipt: taken.receipt.clone(),
            group: taken.group.clone(),
            receives: taken.receive_count,
            first_received_at: taken.first_taken_at.unwrap(),
            attributes: std::collections::BTreeMap::new(),
            body: protocol::queue::encode(&taken.body).unwrap(),
        };
        match groups.last_mut() {
            Some(group) if group[0].group == message.group => group.push(message),
            _ => groups.push(vec![message]),
        }
    }
    groups
}

async fn run(world: &World, plan: Plan) -> (Vec<Failed>, Summary) {
    run_within(world, plan, std::time::Duration::from_secs(5)).await
}

async fn run_within(world: &World, plan: Plan, timeout: std::time::Duration) -> (Vec<Failed>, Summary) {
    let tables = Faulty::new(world.store.clone(), plan.clone());
    let queues = Faulty::new(world.queues.clone(), plan);
    let sequencer = Sequencer::new(tables, queues, world.clock.clone(), world.chance.clone());
    let mut summary = Summary::new("sequencer");
    let deadline = Deadline::at(world.clock.now().plus(timeout));
    let groups = take(world);
    let all: Vec<Message> = groups.iter().flatten().cloned().collect();
    let failed = sequencer.handle(groups, deadline, &mut summary).await;
    for message in all {
        match failed.iter().find(|failed| failed.message.id == message.id) {
            Some(failed) => world.queues.publications.show_after(&message.receipt, failed.retry_after.unwrap()),
            None => world.queues.publications.finish(&message.receipt),
        };
    }
    // Whatever returned can be received again.
    world.clock.advance(failed.iter().filter_map(|failed| failed.retry_after).max().unwrap_or_default());
    (failed, summary)
}

async fn submit(world: &World, submission: Submission) {
    world.queues.submit(&submission).await.unwrap();
}

async fn log(world: &World, room: &str) -> Vec<String> {
    let room = samples::room(room);
    let head = world.store.head(&room).await.unwrap().unwrap();
    let range = domain::Range { epoch: head.epoch, after: Sequence::ZERO, through: head.sequence };
    let rows = world.store.log(&room, &range, 1_000, Timestamp::from_ms(0)).await.unwrap();
    rows.iter().map(|row| format!("{} {}", row.position.sequence, row.id)).collect()
}

fn ranges(world: &World) -> Vec<(u64, u64)> {
    let range = |job: &Job| job.work.range().map(|range| (range.after.get(), range.through.get())).unwrap();
    world.queues.deliveries.bodies().iter().map(range).collect()
}

#[tokio::test]
async fn publications_of_a_batch_get_consecutive_positions_and_one_job_per_shard() {
    let world = World::new();
    submit(&world, samples::submission("lobby", "ada", &["a", "b"])).await;
    submit(&world, samples::submission("lobby", "bob", &["a"])).await;
    submit(&world, samples::submission("team:7", "bob", &["z"])).await;
    let (failed, summary) = run(&world, Plan::new()).await;
    assert!(failed.is_empty());
    assert_eq!(log(&world, "lobby").await, ["1 a", "2 b", "3 a"]);
    assert_eq!(log(&world, "team:7").await, ["1 z"]);
    let mut ranges = ranges(&world);
    ranges.sort_unstable();
    assert_eq!(ranges, [(0, 1), (0, 3)]);
    assert_eq!(summary.counted(metric::PUBLICATIONS_SEQUENCED), 4);
}

#[tokio::test]
async fn a_repeat_is_sequenced_once_even_days_later() {
    let world = World::new();
    for _ in 0..3 {
        submit(&world, samples::submission("lobby", "ada", &["a"])).await;
        run(&world, Plan::new()).await;
        world.clock.advance(std::time::Duration::from_secs(86_400));
    }
    assert_eq!(log_len(&world).await, 1);
    assert_eq!(ranges(&world).len(), 1, "a repeat at or below sent queues nothing");
}

async fn log_len(world: &World) -> u64 {
    world.store.head(&samples::room("lobby")).await.unwrap().unwrap().sequence.get()
}

#[tokio::test]
async fn jobs_that_a_crash_left_unsent_are_sent_by_the_next_delivery_of_the_same_message() {
    for (operation, fault) in [
        (Operation::Dispatch, Fault::Before(How::Unavailable)),
        (Operation::Dispatch, Fault::After(How::Unavailable)),
        (Operation::Append, Fault::After(How::Unavailable)),
        (Operation::MarkSent, Fault::Before(How::Unavailable)),
        (Operation::Head, Fault::Before(How::Throttled)),
        (Operation::Known, Fault::Before(How::Unavailable)),
    ] {
        let world = World::new();
        submit(&world, samples::submission("lobby", "ada", &["a"])).await;
        let (failed, _) = run(&world, Plan::new().nth(operation, 1, fault)).await;
        assert_eq!(failed.is_empty(), operation == Operation::MarkSent, "{operation:?} {fault:?}");
        run(&world, Plan::new()).await;
        assert_eq!(log(&world, "lobby").await, ["1 a"], "{operation:?} {fault:?}");
        assert_eq!(ranges(&world), [(0, 1)], "{operation:?} {fault:?}: one job, deduplicated by the queue");
    }
}

#[tokio::test]
async fn one_rooms_failure_does_not_fail_the_others() {
    let world = World::new();
    for room in ["a", "b", "c"] {
        submit(&world, samples::submission(room, "ada", &["x"])).await;
    }
    let (failed, _) = run(&world, Plan::new().nth(Operation::Append, 2, Fault::Before(How::Unavailable))).await;
    assert_eq!(failed.len(), 1);
    assert_eq!(ranges(&world).len(), 2);
}

#[tokio::test]
async fn poison_is_a_dead_letter_at_once_and_what_came_with_it_is_sequenced() {
    let world = World::new();
    submit(&world, samples::submission("lobby", "ada", &["a"])).await;
    let mut groups = take(&world);
    let poison = Message { id: "poison".to_owned(), body: "{\"v\":1}".to_owned(), ..groups[0][0].clone() };
    groups[0].insert(0, poison);
    let sequencer =
        Sequencer::new(world.store.clone(), world.queues.clone(), world.clock.clone(), world.chance.clone());
    let mut summary = Summary::new("sequencer");
    let failed = sequencer
        .handle(groups, Deadline::at(samples::NOW.plus(std::time::Duration::from_secs(5))), &mut summary)
        .await;
    assert!(failed.is_empty());
    assert_eq!(letters(&world), [("poison".to_owned(), "{\"v\":1}".to_owned(), None)]);
    assert_eq!(summary.counted(metric::MESSAGES_POISONOUS), 1);
    assert_eq!(log(&world, "lobby").await, ["1 a"]);
}

#[tokio::test]
async fn what_another_version_wrote_waits_a_little_for_a_function_that_reads_it() {
    let world = World::new();
    submit(&world, samples::submission("lobby", "ada", &["a"])).await;
    let message = take(&world).remove(0).remove(0);
    let mut receives = Vec::new();
    for receive in 1.. {
        let newer = Message { body: "{\"v\":2}".to_owned(), receives: receive, ..message.clone() };
        let sequencer =
            Sequencer::new(world.store.clone(), world.queues.clone(), world.clock.clone(), world.chance.clone());
        let deadline = Deadline::at(samples::NOW.plus(std::time::Duration::from_secs(5)));
        let failed = sequencer.handle(vec![vec![newer]], deadline, &mut Summary::new("sequencer")).await;
        if failed.is_empty() {
            break;
        }
        receives.push(failed[0].retry_after.unwrap());
    }
    assert!(receives.iter().sum::<std::time::Duration>() < std::time::Duration::from_secs(10));
    assert_eq!((receives.len(), letters(&world).len()), (2, 1));
}

#[tokio::test]
async fn what_is_refused_is_soon_a_dead_letter_and_those_behind_it_keep_their_order() {
    let world = World::new();
    for id in ["a", "b", "c"] {
        submit(&world, samples::submission("lobby", "ada", &[id])).await;
    }
    // All at once is refused, then the second by itself: with the first one sequenced.
    let refused = || Fault::Before(How::Refused);
    let (failed, _) =
        run(&world, Plan::new().nth(Operation::Append, 1, refused()).nth(Operation::Append, 3, refused())).await;
    assert_eq!((failed.len(), log(&world, "lobby").await), (2, vec!["1 a".to_owned()]));
    let (failed, _) =
        run(&world, Plan::new().nth(Operation::Append, 1, refused()).nth(Operation::Append, 2, refused())).await;
    assert_eq!(failed.len(), 2);
    let (failed, _) =
        run(&world, Plan::new().nth(Operation::Append, 1, refused()).nth(Operation::Append, 2, refused())).await;
    assert_eq!(failed.len(), 1);
    let [(_, body, room)] = letters(&world).try_into().unwrap();
    assert!(body.contains("\"b\"") && room.as_deref() == Some("lobby"), "{body}");
    run(&world, Plan::new()).await;
    assert_eq!(log(&world, "lobby").await, ["1 a", "2 c"]);
}

#[tokio::test]
async fn an_hour_without_the_rooms_table_costs_no_publication_and_keeps_their_order() {
    let world = World::new();
    let minutes = |minutes: u64| std::time::Duration::from_secs(60 * minutes);
    let ends = world.clock.now().plus(minutes(60));
    submit(&world, samples::submission("lobby", "ada", &["a", "b"])).await;
    submit(&world, samples::submission("lobby", "bob", &["c"])).await;
    let mut longest = std::time::Duration::ZERO;
    while world.clock.now() < ends {
        let (failed, _) = run(&world, Plan::new().always(Operation::Head, Fault::Before(How::Unavailable))).await;
        longest = longest.max(failed.iter().filter_map(|failed| failed.retry_after).max().unwrap());
        assert!(failed.iter().all(|message| message.retry_after == failed[0].retry_after), "they return together");
    }
    assert_eq!(longest, domain::limits::LONGEST_RETRY_PAUSE);
    submit(&world, samples::submission("lobby", "ada", &["d"])).await;
    let (failed, _) = run(&world, Plan::new()).await;
    assert!(failed.is_empty() && letters(&world).is_empty());
    assert_eq!(log(&world, "lobby").await, ["1 a", "2 b", "3 c", "4 d"]);
}

#[tokio::test]
async fn what_is_unavailable_for_four_hours_becomes_dead_letters_in_order() {
    let world = World::new();
    for id in ["a", "b"] {
        submit(&world, samples::submission("lobby", "ada", &[id])).await;
    }
    let throttled = || Plan::new().always(Operation::Head, Fault::Before(How::Throttled));
    run(&world, throttled()).await;
    world.clock.advance(domain::limits::GIVE_UP_AFTER);
    submit(&world, samples::submission("lobby", "ada", &["c"])).await;
    let (failed, summary) = run(&world, throttled()).await;
    assert_eq!((failed.len(), summary.counted(metric::MESSAGES_POISONOUS)), (1, 2), "the young one returns");
    let bodies: Vec<String> = letters(&world).into_iter().map(|(_, body, _)| body).collect();
    assert!(bodies[0].contains("\"a\"") && bodies[1].contains("\"b\""), "{bodies:?}");
}

#[tokio::test]
async fn a_repeat_is_counted_when_its_batch_is_worked_off_one_by_one() {
    let world = World::new();
    submit(&world, samples::submission("lobby", "ada", &["a"])).await;
    run(&world, Plan::new()).await;
    world.clock.advance(std::time::Duration::from_secs(600));
    for ids in [&["b", "c"][..], &["a"], &["d"]] {
        submit(&world, samples::submission("lobby", "ada", ids)).await;
    }
    let refused = Fault::Before(How::Refused);
    let (_, summary) = run(&world, Plan::new().nth(Operation::Append, 1, refused)).await;
    let counted = [metric::PUBLICATIONS_SEQUENCED, metric::PUBLICATIONS_DEDUPED].map(|metric| summary.counted(metric));
    assert_eq!(counted, [3, 1]);
}

#[tokio::test]
async fn no_transaction_begins_without_the_time_for_its_jobs() {
    let world = World::new();
    submit(&world, samples::submission("lobby", "ada", &["a"])).await;
    submit(&world, samples::submission("lobby", "ada", &["b"])).await;
    let short = domain::limits::HAND_OVER - std::time::Duration::from_millis(1);
    let (failed, _) = run_within(&world, Plan::new(), short).await;
    assert_eq!((failed.len(), ranges(&world).len()), (2, 0));
    run(&world, Plan::new()).await;
    assert_eq!(log(&world, "lobby").await, ["1 a", "2 b"]);
}

#[tokio::test]
async fn a_room_that_gets_no_answer_is_stopped_and_the_others_of_its_batch_are_done() {
    let world = World::new();
    for room in ["a", "b", "c"] {
        submit(&world, samples::submission(room, "ada", &["x"])).await;
    }
    let began = world.clock.now();
    let (failed, _) = run(&world, Plan::new().nth(Operation::Append, 2, Fault::Before(How::NoAnswer))).await;
    assert_eq!((failed.len(), ranges(&world).len()), (1, 2));
    assert!(world.clock.now().since(began) < std::time::Duration::from_secs(6));
}

/// Id, body and room of each dead letter.
fn letters(world: &World) -> Vec<(String, String, Option<String>)> {
    let letters = world.queues.dead.lock().unwrap();
    letters.iter().map(|one| (one.id.clone(), one.body.clone(), one.room.as_ref().map(ToString::to_string))).collect()
}

fn ephemeral(room: &str, user: &str, request: &str) -> Submission {
    let key = Some(domain::Key::parse("typing").unwrap());
    let ephemeral = Some(domain::Ephemeral { key, request: request.to_owned() });
    Submission { ephemeral, sender: Some(samples::connection_id(user)), ..samples::submission(room, user, &[request]) }
}

#[tokio::test]
async fn what_is_ephemeral_gets_no_position_and_the_last_of_each_author_is_handed_on() {
    let world = World::new();
    submit(&world, samples::submission("lobby", "ada", &["p1"])).await;
    for submission in
        [ephemeral("lobby", "ada", "r1"), ephemeral("lobby", "bob", "r2"), ephemeral("lobby", "ada", "r3")]
    {
        submit(&world, submission).await;
    }
    // The first one makes the room.
    run(&world, Plan::new()).await;
    assert_eq!(log(&world, "lobby").await, ["1 p1"]);
    submit(&world, ephemeral("lobby", "ada", "r4")).await;
    submit(&world, ephemeral("lobby", "bob", "r5")).await;
    submit(&world, ephemeral("lobby", "ada", "r6")).await;
    run(&world, Plan::new()).await;
    assert_eq!(log(&world, "lobby").await, ["1 p1"]);
    let jobs = world.queues.deliveries.bodies();
    let Some(domain::Work::Ephemeral { said, .. }) = jobs.last().map(|job| job.work.clone()) else {
        panic!("{jobs:?}")
    };
    let authors: Vec<&str> = said.iter().map(|said| said.by.as_ref()).collect();
    assert_eq!(authors, ["bob", "ada"]);
}

#[tokio::test]
async fn what_is_ephemeral_never_holds_up_what_is_stored() {
    let world = World::new();
    submit(&world, samples::submission("lobby", "ada", &["p1"])).await;
    run(&world, Plan::new()).await;
    submit(&world, ephemeral("lobby", "ada", "r1")).await;
    submit(&world, samples::submission("lobby", "ada", &["p2"])).await;
    let plan = Plan::new().nth(Operation::Dispatch, 1, Fault::Before(How::Unavailable));
    let (failed, _) = run(&world, plan).await;
    assert!(failed.is_empty());
    assert_eq!(log(&world, "lobby").await, ["1 p1", "2 p2"]);
}

#[tokio::test]
async fn what_is_ephemeral_makes_no_room() {
    let world = World::new();
    submit(&world, ephemeral("empty", "ada", "r1")).await;
    let (failed, _) = run(&world, Plan::new()).await;
    assert!(failed.is_empty() && world.store.head(&samples::room("empty")).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_stored_and_what_is_ephemeral_takes_up_the_rate_of_the_room() {
    let mut world = World::new();
    // The rate is measured while no time passes.
    world.store = world.store.with_transaction_hold(std::time::Duration::ZERO);
    submit(&world, samples::submission("lobby", "ada", &["p1", "p2"])).await;
    run(&world, Plan::new()).await;
    let busy_until = async || world.store.head(&samples::room("lobby")).await.unwrap().unwrap().busy_until;
    let takes = |count| world.clock.now().plus(domain::limits::ROOM_RATE.takes(count));
    assert_eq!(busy_until().await, takes(2));
    submit(&world, ephemeral("lobby", "ada", "r1")).await;
    submit(&world, ephemeral("lobby", "ada", "r2")).await;
    run(&world, Plan::new()).await;
    assert_eq!(busy_until().await, takes(4));
    submit(&world, samples::submission("lobby", "ada", &["p1", "p3"])).await;
    run(&world, Plan::new()).await;
    assert_eq!(busy_until().await, takes(5), "a repeat takes up nothing");
}

async fn publish(world: &World, id: &str) {
    submit(world, samples::submission("lobby", "ada", &[id])).await;
    let (failed, _) = run(world, Plan::new()).await;
    assert!(failed.is_empty());
}

/// A room of three publications that were sequenced an hour ago.
async fn old_room(world: &World) -> domain::RoomId {
    for id in ["a", "b", "c"] {
        publish(world, id).await;
    }
    world.clock.advance(std::time::Duration::from_secs(3_600));
    samples::room("lobby")
}

#[tokio::test]
async fn a_head_behind_its_log_goes_on_in_another_epoch_and_kills_no_room() {
    for lost in [Some(2), None] {
        let world = World::new();
        let room = old_room(&world).await;
        let before = world.store.head(&room).await.unwrap().unwrap();
        world.store.restore_head(&room, lost);
        publish(&world, "d").await;
        let after = world.store.head(&room).await.unwrap().unwrap();
        let jobs = world.queues.deliveries.bodies();
        let last = jobs.last().and_then(|job| job.work.range()).unwrap();
        assert!(after.epoch != before.epoch && after.unsent().is_none(), "{lost:?}");
        assert_eq!((&last.epoch, last.through), (&after.epoch, after.sequence), "it is delivered in the new epoch");
        assert_eq!(world.store.log(&room, last, 9, samples::NOW).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_id_without_its_log_row_is_published_again_and_one_with_it_is_not() {
    let world = World::new();
    let room = old_room(&world).await;
    world.store.lose_rows(&room, 1);
    for _ in 0..2 {
        publish(&world, "b").await;
        publish(&world, "c").await;
        let head = world.store.head(&room).await.unwrap().unwrap();
        assert_eq!(head.sequence.get(), 4, "c alone is new, and only once");
        // The queue itself recognises an id for five minutes.
        world.clock.advance(std::time::Duration::from_secs(3_600));
    }
}

#[tokio::test]
async fn an_id_whose_row_may_not_be_seen_yet_is_a_repeat() {
    let world = World::new();
    let room = samples::room("lobby");
    submit(&world, samples::submission("lobby", "ada", &["a"])).await;
    let (failed, _) = run(&world, Plan::new().nth(Operation::Dispatch, 1, Fault::Before(How::Unavailable))).await;
    assert_eq!(failed.len(), 1);
    world.store.lose_rows(&room, 1);
    let (failed, _) = run(&world, Plan::new()).await;
    assert!(failed.is_empty());
    assert_eq!(world.store.head(&room).await.unwrap().unwrap().sequence.get(), 1);
}
