//! Promises of [`Holds`]: numbers that no two publications share, gates of their own hold, releases
//! that are never taken back.

use std::time::Duration;

use domain::ports::{Clock, Holds, Rooms};
use domain::{Hold, Intake, RoomId, Timestamp, limits};
use futures::future::join_all;

use crate::contracts::StoreFixture;
use crate::contracts::scene::unique_room;
use crate::samples;

pub async fn a_room_that_was_never_held_has_no_hold(fixture: &impl StoreFixture<Store: Holds>) {
    let room = unique_room();
    assert_eq!(read(fixture, &room).await, Intake { busy_until: Some(Timestamp::default()), hold: None });
    assert!(fixture.store().intakes(&[]).await.unwrap().is_empty());
}

pub async fn held_publications_are_numbered_in_turn_even_at_the_same_moment(fixture: &impl StoreFixture<Store: Holds>) {
    let (room, now) = (unique_room(), fixture.clock().now());
    assert_eq!(fixture.store().hold(&room, 3, now).await.unwrap(), 3);
    let holds = join_all((0..8).map(|_| fixture.store().hold(&room, 10, now))).await;
    let mut numbers: Vec<u64> = holds.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).map(|n| 3 + 10 * n).collect::<Vec<u64>>());
    let until = now.plus(limits::HOLD_LIFE);
    let expected = Hold { began: now, until, is_passed: false, numbered: 83, released: 0 };
    assert_eq!(hold(fixture, &room).await, expected);
}

pub async fn a_gate_passes_its_own_hold_and_no_other(fixture: &impl StoreFixture<Store: Holds>) {
    let (room, now) = (unique_room(), fixture.clock().now());
    fixture.store().pass_gate(&room, now).await.unwrap();
    assert_eq!(read(fixture, &room).await.hold, None, "a gate begins no hold");
    fixture.store().hold(&room, 1, now).await.unwrap();
    fixture.store().pass_gate(&room, now.minus(Duration::from_millis(1))).await.unwrap();
    assert!(!hold(fixture, &room).await.is_passed);
    fixture.store().pass_gate(&room, now).await.unwrap();
    fixture.store().pass_gate(&room, now).await.unwrap();
    assert!(hold(fixture, &room).await.is_passed);
    fixture.store().hold(&room, 1, now.plus(Duration::from_secs(1))).await.unwrap();
    assert!(hold(fixture, &room).await.is_passed, "what is held later needs no gate of its own");
}

pub async fn what_was_released_is_never_taken_back_and_begins_no_hold(fixture: &impl StoreFixture<Store: Holds>) {
    let (room, now) = (unique_room(), fixture.clock().now());
    fixture.store().release(&room, 4).await.unwrap();
    assert_eq!(read(fixture, &room).await.hold, None);
    fixture.store().hold(&room, 20, now).await.unwrap();
    for through in [4, 9, 7] {
        fixture.store().release(&room, through).await.unwrap();
    }
    let hold = hold(fixture, &room).await;
    assert_eq!((hold.released, hold.waiting()), (9, 11));
}

pub async fn a_hold_that_is_over_begins_anew_and_one_that_is_not_goes_on(fixture: &impl StoreFixture<Store: Holds>) {
    let (room, began) = (unique_room(), fixture.clock().now());
    fixture.store().hold(&room, 20, began).await.unwrap();
    fixture.store().pass_gate(&room, began).await.unwrap();
    fixture.store().release(&room, 20).await.unwrap();
    let later = began.plus(limits::HOLD_LIFE - Duration::from_millis(1));
    assert_eq!(fixture.store().hold(&room, 1, later).await.unwrap(), 21);
    let until = later.plus(limits::HOLD_LIFE);
    let expected = Hold { began, until, is_passed: true, numbered: 21, released: 20 };
    assert_eq!(hold(fixture, &room).await, expected);
    assert_eq!(fixture.store().hold(&room, 2, until).await.unwrap(), 2);
    let expected =
        Hold { began: until, until: until.plus(limits::HOLD_LIFE), is_passed: false, numbered: 2, released: 0 };
    assert_eq!(hold(fixture, &room).await, expected);
}

pub async fn how_busy_rooms_are_is_read_with_their_holds(fixture: &impl StoreFixture<Store: Holds>) {
    let now = fixture.clock().now();
    let rooms: Vec<RoomId> = (0..60).map(|_| unique_room()).collect();
    let head = fixture.store().create(&rooms[0], &samples::epoch("k7Qf"), now).await.unwrap();
    let append = samples::append(&rooms[0], &head, &[samples::data("1"), samples::data("2")], now);
    fixture.store().append(&append).await.unwrap();
    fixture.store().hold(&rooms[1], 5, now).await.unwrap();
    let intakes = fixture.store().intakes(&rooms).await.unwrap();
    assert_eq!(intakes.len(), rooms.len());
    assert_eq!(intakes[&rooms[0]], Intake { busy_until: Some(append.head_after().busy_until), hold: None });
    assert_eq!(intakes[&rooms[1]].hold.map(|hold| hold.numbered), Some(5));
    assert!(rooms[2..].iter().all(|room| intakes[room].hold.is_none()));
}

async fn read(fixture: &impl StoreFixture<Store: Holds>, room: &RoomId) -> Intake {
    fixture.store().intakes(std::slice::from_ref(room)).await.unwrap()[room]
}

async fn hold(fixture: &impl StoreFixture<Store: Holds>, room: &RoomId) -> Hold {
    read(fixture, room).await.hold.unwrap()
}
