//! The progress of a shard: it is stored, never goes back, and belongs to one shard and one epoch.

use domain::ports::{Clock, Rooms};
use domain::{Range, RoomId, Shard};

use super::{created, epoch, other_epoch};
use crate::contracts::StoreFixture;
use crate::samples;

pub async fn how_far_a_shard_is_is_noted_and_never_taken_back(fixture: &impl StoreFixture) {
    let (room, _) = created(fixture).await;
    assert_eq!(noted(fixture, &room, 0).await, None);
    for ((after, through), expected) in [((0, 4), (0, 4)), ((4, 9), (4, 9)), ((0, 8), (4, 9)), ((2, 9), (4, 9))] {
        mark(fixture, &room, 0, &samples::range(&epoch(), after, through)).await;
        let expected = samples::range(&epoch(), expected.0, expected.1);
        assert_eq!(noted(fixture, &room, 0).await, Some(expected), "after {after} through {through}");
    }
}

pub async fn how_far_a_shard_is_says_nothing_of_another_shard_or_epoch(fixture: &impl StoreFixture) {
    let (room, _) = created(fixture).await;
    let (one, other) = (samples::range(&epoch(), 0, 9), samples::range(&other_epoch(), 0, 2));
    mark(fixture, &room, 1, &one).await;
    assert_eq!((noted(fixture, &room, 0).await, noted(fixture, &room, 11).await), (None, None));
    let anew = fixture.store().delivered(&room, Shard::new(1), &other_epoch()).await.unwrap();
    assert_eq!(anew, None);
    mark(fixture, &room, 1, &other).await;
    assert_eq!(noted(fixture, &room, 1).await, Some(one));
}

async fn noted(fixture: &impl StoreFixture, room: &RoomId, shard: u16) -> Option<Range> {
    fixture.store().delivered(room, Shard::new(shard), &epoch()).await.unwrap()
}

async fn mark(fixture: &impl StoreFixture, room: &RoomId, shard: u16, range: &Range) {
    fixture.store().mark_delivered(room, Shard::new(shard), range, fixture.clock().now()).await.unwrap();
}
