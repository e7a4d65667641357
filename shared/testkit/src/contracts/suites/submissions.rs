//! Promises of [`Submissions`]: an accepted submission arrives once, in the order of its room.

use domain::ports::{Retries, Submissions};
use domain::{Data, Held, Item, Submission, limits};

use crate::contracts::scene::{eventually, unique};
use crate::contracts::{QueuesFixture, Taken};
use crate::samples;

pub async fn a_submission_arrives_as_it_was_made(fixture: &impl QueuesFixture) {
    let mut submission = submission(&["p1", "p2"]);
    submission.sender = Some(samples::connection_id("L0SM9cOFvHcCIhw="));
    submission.items[0].data = samples::data(r#"{"n":1.10,"big":12345678901234567890,"s":"\u00e9", "x" : [ 1 ]}"#);
    submission.items[1].data = samples::data("\"👩\u{200d}👧 \u{202e}x\u{0301}\"");
    submit(fixture, &submission).await;
    let taken = take(fixture, 1).await.remove(0);
    assert_eq!(taken.body, submission);
    assert_eq!(taken.group, submission.group());
}

pub async fn a_numbered_submission_arrives_in_the_queue_of_held_publications_alone(fixture: &impl QueuesFixture) {
    let held = Submission { held: Some(Held::Number(7)), ..submission(&["p1"]) };
    let open = again(&held, "p2");
    let open = Submission { held: None, ..open };
    assert!(fixture.queues().submit_each(&[held.clone(), open.clone()]).await.iter().all(Result::is_ok));
    assert_eq!(bodies(take_in_turn(fixture, 1).await), [open]);
    let look = async || fixture.take_held().await.into_iter().next();
    let taken = eventually(fixture.clock(), "a held submission", look).await;
    assert_eq!(taken.body, held);
    fixture.queues().retry_after(&taken.receipt, std::time::Duration::ZERO).await.unwrap();
    let taken = eventually(fixture.clock(), "the held submission again", look).await;
    fixture.finish(&taken.receipt).await;
    assert!(fixture.take_submissions().await.is_empty());
}

pub async fn whatever_json_can_say_arrives_with_its_value(fixture: &impl QueuesFixture) {
    let hard = "\u{fffe}\u{ffff} \u{0}\u{1f}\u{7f}\u{85} \u{d7ff}\u{e000}\u{fffd}\u{fdd0}\u{1fffe}\u{10ffff} \\ \" 👩\u{200d}👧";
    let mut submission = submission(&["p1", "p2"]);
    submission.items[0].data = Data::text(hard).unwrap();
    submission.items[1].data = samples::data(&serde_json::json!({ hard: [hard] }).to_string());
    submit(fixture, &submission).await;
    let taken = take(fixture, 1).await.remove(0).body;
    let value = |data: &Data| serde_json::from_str::<serde_json::Value>(data.as_json()).unwrap();
    assert_eq!(value(&taken.items[0].data), serde_json::json!({ "text": hard }));
    assert_eq!(value(&taken.items[1].data), serde_json::json!({ hard: [hard] }));
}

pub async fn the_largest_submission_arrives(fixture: &impl QueuesFixture) {
    let largest = Data::parse(&format!("\"{}\"", "x".repeat(limits::DATA_BYTES - 2))).unwrap();
    let mut submission = submission(&[]);
    submission.items = (0..limits::ITEMS_PER_PUBLISH)
        .map(|n| Item { id: samples::publication_id(&format!("p{n}")), data: largest.clone() })
        .collect();
    submit(fixture, &submission).await;
    assert_eq!(take(fixture, 1).await[0].body, submission);
}

pub async fn submissions_of_a_room_arrive_in_order(fixture: &impl QueuesFixture) {
    let first = submission(&["p0"]);
    let submissions: Vec<Submission> = (0..25).map(|n| again(&first, &format!("p{n}"))).collect();
    for submission in &submissions {
        submit(fixture, submission).await;
    }
    assert_eq!(bodies(take_in_turn(fixture, submissions.len()).await), submissions);
}

pub async fn many_submissions_all_arrive_and_those_of_a_room_in_order(fixture: &impl QueuesFixture) {
    let first = submission(&["p0"]);
    let of_one_room: Vec<Submission> = (0..5).map(|n| again(&first, &format!("p{n}"))).collect();
    let elsewhere = (0..25).map(|_| Submission { room: samples::room(&unique("room")), ..first.clone() });
    let all: Vec<Submission> = of_one_room.iter().cloned().chain(elsewhere).collect();
    assert!(fixture.queues().submit_each(&all).await.iter().all(Result::is_ok));
    let taken = bodies(take_in_turn(fixture, all.len()).await);
    assert!(all.iter().all(|submission| taken.contains(submission)));
    let in_order: Vec<Submission> = taken.into_iter().filter(|submission| submission.room == first.room).collect();
    assert_eq!(in_order, of_one_room);
}

pub async fn a_repeat_is_queued_once(fixture: &impl QueuesFixture) {
    let first = submission(&["p1"]);
    let last = again(&first, "p2");
    for submission in [&first, &first, &last, &first] {
        submit(fixture, submission).await;
    }
    let end = again(&first, "p3");
    submit(fixture, &end).await;
    assert_eq!(bodies(take_in_turn(fixture, 3).await), [first, last, end]);
}

pub async fn the_same_ids_elsewhere_are_no_repeat(fixture: &impl QueuesFixture) {
    let first = submission(&["p1"]);
    let in_another_room = Submission { room: samples::room(&unique("room")), ..first.clone() };
    let publisher = domain::Publisher::user(&samples::user("eve"));
    let of_another = Submission { publisher, ..first.clone() };
    for submission in [&first, &in_another_room, &of_another] {
        submit(fixture, submission).await;
    }
    let taken = bodies(take_in_turn(fixture, 3).await);
    assert!([first, in_another_room, of_another].iter().all(|submission| taken.contains(submission)), "{taken:?}");
}

pub async fn a_room_in_flight_holds_back_no_other(fixture: &impl QueuesFixture) {
    let (one, other) = (submission(&["p1"]), submission(&["p1"]));
    submit(fixture, &one).await;
    let held = take(fixture, 1).await;
    let behind = again(&one, "p2");
    submit(fixture, &behind).await;
    submit(fixture, &other).await;
    assert_eq!(bodies(take(fixture, 1).await), [other]);
    finish(fixture, &held).await;
    assert_eq!(bodies(take(fixture, 1).await), [behind]);
}

fn submission(ids: &[&str]) -> Submission {
    samples::submission(&unique("room"), "ada", ids)
}

/// Another submission to the same room.
fn again(first: &Submission, id: &str) -> Submission {
    samples::submission(first.room.as_str(), "ada", &[id])
}

async fn submit(fixture: &impl QueuesFixture, submission: &Submission) {
    fixture.queues().submit(submission).await.unwrap();
}

/// Takes exactly `count` messages, and leaves them in flight.
async fn take(fixture: &impl QueuesFixture, count: usize) -> Vec<Taken<Submission>> {
    let mut taken = Vec::new();
    let what = format!("{count} submissions");
    let look = async || {
        taken.extend(fixture.take_submissions().await);
        (taken.len() >= count).then_some(())
    };
    eventually(fixture.clock(), &what, look).await;
    assert_eq!(taken.len(), count, "{taken:?}");
    taken
}

/// Takes and finishes the messages of one receive after the other, until there were exactly
/// `count`.
async fn take_in_turn(fixture: &impl QueuesFixture, count: usize) -> Vec<Taken<Submission>> {
    let mut taken = Vec::new();
    let what = format!("{count} submissions");
    let look = async || {
        let some = fixture.take_submissions().await;
        assert!(some.len() <= 10, "{} messages in one receive", some.len());
        finish(fixture, &some).await;
        taken.extend(some);
        (taken.len() >= count).then_some(())
    };
    eventually(fixture.clock(), &what, look).await;
    assert_eq!(taken.len(), count, "{taken:?}");
    taken
}

async fn finish(fixture: &impl QueuesFixture, taken: &[Taken<Submission>]) {
    for message in taken {
        fixture.finish(&message.receipt).await;
    }
}

fn bodies(taken: Vec<Taken<Submission>>) -> Vec<Submission> {
    taken.into_iter().map(|message| message.body).collect()
}
