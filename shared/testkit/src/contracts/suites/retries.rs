//! Promises of [`Retries`]: a message returns at the requested time, and its room waits for it.

use std::time::Duration;

use domain::ports::{Clock, Error, Jobs, Receipt, Retries, Submissions};
use domain::{Job, Line, Shards, Submission, Timestamp};

use crate::contracts::scene::{eventually, unique, unique_room};
use crate::contracts::{QueuesFixture, Taken};
use crate::samples;

/// Whole seconds, as queues count; longer than a busy machine takes between two calls.
const PAUSE: Duration = Duration::from_secs(2);

pub async fn a_message_comes_back_no_sooner_than_asked_for(fixture: &impl QueuesFixture) {
    let submission = submitted(fixture, &unique("room"), "p1").await;
    let taken = take(fixture).await;
    let start = fixture.clock().now();
    fixture.queues().retry_after(&taken.receipt, PAUSE).await.unwrap();
    let again = take(fixture).await;
    let waited = waited(fixture, start);
    assert_eq!(again.body, submission);
    assert!(waited >= PAUSE, "it came back after {waited:?} instead of {PAUSE:?}");
    assert!(waited < fixture.visibility(), "it came back when its visibility timeout was over");
}

pub async fn a_message_without_a_pause_comes_back_at_once(fixture: &impl QueuesFixture) {
    let submission = submitted(fixture, &unique("room"), "p1").await;
    let taken = take(fixture).await;
    let start = fixture.clock().now();
    fixture.queues().retry_after(&taken.receipt, Duration::ZERO).await.unwrap();
    assert_eq!(take(fixture).await.body, submission);
    let waited = waited(fixture, start);
    assert!(waited < fixture.visibility(), "it came back when its visibility timeout was over");
}

pub async fn a_message_that_waits_holds_back_its_room_and_no_other(fixture: &impl QueuesFixture) {
    let (one, other) = (unique("room"), unique("room"));
    let first = submitted(fixture, &one, "p1").await;
    let taken = take(fixture).await;
    let behind = submitted(fixture, &one, "p2").await;
    fixture.queues().retry_after(&taken.receipt, PAUSE).await.unwrap();
    let elsewhere = submitted(fixture, &other, "p1").await;
    let mut came = Vec::new();
    let look = async || {
        for message in fixture.take_submissions().await {
            fixture.finish(&message.receipt).await;
            came.push(message.body);
        }
        (came.len() >= 3).then_some(())
    };
    eventually(fixture.clock(), "three submissions", look).await;
    assert_eq!(came, [elsewhere, first, behind]);
}

pub async fn messages_of_every_queue_come_back(fixture: &impl QueuesFixture) {
    for line in [Line::Narrow, Line::Wide] {
        let range = samples::range(&samples::epoch("k7Qf"), 0, 1);
        let work = Job { line, ..Job::for_shards(&unique_room(), &range, Shards::new(1)).remove(0) };
        fixture.queues().dispatch(std::slice::from_ref(&work)).await.unwrap();
        for _ in 0..2 {
            let look = async || fixture.take_jobs(line).await.into_iter().next();
            let taken = eventually(fixture.clock(), "a job", look).await;
            assert_eq!(taken.body, work);
            fixture.queues().retry_after(&taken.receipt, Duration::ZERO).await.unwrap();
        }
    }
}

pub async fn a_receipt_of_another_queue_is_refused(fixture: &impl QueuesFixture) {
    submitted(fixture, &unique("room"), "p1").await;
    let taken = take(fixture).await;
    let receipt = Receipt { queue: unique("queue"), ..taken.receipt };
    let answer = fixture.queues().retry_after(&receipt, Duration::ZERO).await;
    assert!(matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
}

async fn submitted(fixture: &impl QueuesFixture, room: &str, id: &str) -> Submission {
    let submission = samples::submission(room, "ada", &[id]);
    fixture.queues().submit(&submission).await.unwrap();
    submission
}

/// Takes the only message, and leaves it in flight.
async fn take(fixture: &impl QueuesFixture) -> Taken<Submission> {
    let look = async || Some(fixture.take_submissions().await).filter(|some| !some.is_empty());
    let mut taken = eventually(fixture.clock(), "a submission", look).await;
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.remove(0)
}

fn waited(fixture: &impl QueuesFixture, start: Timestamp) -> Duration {
    fixture.clock().now().since(start)
}
