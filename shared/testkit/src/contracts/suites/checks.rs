//! Promises of [`Checks`]: a check arrives, and not before it is due.

use std::time::Duration;

use domain::ports::{Checks, Clock};
use domain::{Check, RoomId};

use crate::contracts::ChecksFixture;
use crate::contracts::scene::{eventually, unique_room};
use crate::samples;

/// Whole seconds, as queues count.
const DELAY: Duration = Duration::from_secs(2);

pub async fn a_check_comes_as_it_was_made_and_not_before_it_is_due(fixture: &impl ChecksFixture) {
    let check = check(unique_room());
    let start = fixture.clock().now();
    fixture.checks().check_after(&check, DELAY).await.unwrap();
    let came = take(fixture, 1).await;
    let waited = fixture.clock().now().since(start);
    assert_eq!(came, [check]);
    assert!(waited >= DELAY, "it came after {waited:?} instead of {DELAY:?}");
}

pub async fn a_check_without_delay_comes_at_once(fixture: &impl ChecksFixture) {
    let (one, other) = (check(unique_room()), check(unique_room()));
    fixture.checks().check_after(&one, DELAY).await.unwrap();
    fixture.checks().check_after(&other, Duration::ZERO).await.unwrap();
    assert_eq!(take(fixture, 1).await, [other]);
    assert_eq!(take(fixture, 1).await, [one]);
}

pub async fn a_part_of_a_second_is_a_second(fixture: &impl ChecksFixture) {
    let start = fixture.clock().now();
    fixture.checks().check_after(&check(unique_room()), Duration::from_millis(1)).await.unwrap();
    take(fixture, 1).await;
    let waited = fixture.clock().now().since(start);
    assert!(waited >= Duration::from_millis(1), "{waited:?}");
}

fn check(room: RoomId) -> Check {
    Check::at(&room, samples::NOW)
}

async fn take(fixture: &impl ChecksFixture, count: usize) -> Vec<Check> {
    let mut taken = Vec::new();
    let look = async || {
        taken.extend(fixture.take_checks().await);
        (taken.len() >= count).then_some(())
    };
    eventually(fixture.clock(), &format!("{count} checks"), look).await;
    taken
}
