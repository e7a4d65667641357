//! The log: read in order, for one epoch only, and byte for byte.

use std::time::Duration;

use domain::ports::{Appended, Clock, Rooms};
use domain::{Data, Head, Publication, RoomId, Sequence, limits};

use super::{append_new, created, epoch, largest, publications, whole_log};
use crate::contracts::StoreFixture;
use crate::contracts::scene::unique_room;
use crate::samples;

pub async fn a_publication_is_read_byte_for_byte(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let odd = [
        r#"{"n":1.10,"big":12345678901234567890,"s":"\u00e9\/", "gap" : [ 1 , 2 ]}"#,
        "\"👩\u{200d}👧 \u{202e}x\u{0301}é\u{2028}\"",
        "null",
        "-0.0",
        "\"\"",
        r#"{"a":1,"a":2}"#,
    ];
    let data: Vec<Data> = odd.into_iter().map(samples::data).collect();
    let mut append = samples::append(&room, &head, &data, fixture.clock().now());
    append.publications[1].0.sender = Some(samples::connection_id("L0SM9cOFvHcCIhw="));
    assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Stored);
    let log = whole_log(fixture, &room).await;
    assert_eq!(log.iter().map(|row| row.data.as_json()).collect::<Vec<_>>(), odd);
    assert_eq!(log, publications(&[append]));
}

pub async fn a_range_of_the_log_is_read_in_order_and_alone(fixture: &impl StoreFixture) {
    let (room, _) = long_log(fixture).await;
    for (after, through, limit, expected) in [
        (0, 120, 1_000, 1..=120),
        (8, 11, 1_000, 9..=11),
        (98, 102, 1_000, 99..=102),
        (0, 120, 5, 1..=5),
        (119, 500, 1_000, 120..=120),
    ] {
        let read = read(fixture, &room, after, through, limit).await;
        assert_eq!(read, expected.collect::<Vec<u64>>(), "after {after} through {through}, at most {limit}");
    }
    for (after, through, limit) in [(120, 500, 9), (5, 5, 9), (6, 5, 9), (0, 120, 0)] {
        assert_eq!(read(fixture, &room, after, through, limit).await, [0_u64; 0]);
    }
}

pub async fn a_log_longer_than_a_page_is_read_whole(fixture: &impl StoreFixture) {
    let (room, mut head) = created(fixture).await;
    let data = vec![largest(); limits::PUBLICATIONS_PER_TRANSACTION];
    for _ in 0..2 {
        let append = samples::append(&room, &head, &data, fixture.clock().now());
        assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Stored);
        head = append.head_after();
    }
    let expected: Vec<u64> = (1..=head.sequence.get()).collect();
    assert_eq!(read(fixture, &room, 0, head.sequence.get(), 1_000).await, expected);
}

pub async fn the_log_backwards_is_read_latest_first(fixture: &impl StoreFixture) {
    let (room, head) = long_log(fixture).await;
    let now = fixture.clock().now();
    for (through, limit, expected) in [(120, 3, 118..=120), (101, 4, 98..=101), (121, 3, 119..=120), (2, 9, 1..=2)] {
        let through = Sequence::new(through);
        let rows = fixture.store().log_backwards(&room, &head.epoch, through, limit, now).await.unwrap();
        assert_eq!(sequences(&rows), expected.rev().collect::<Vec<u64>>(), "through {through}, at most {limit}");
    }
    let none = fixture.store().log_backwards(&room, &head.epoch, Sequence::ZERO, 9, now).await.unwrap();
    assert_eq!(none, []);
}

pub async fn the_log_of_another_epoch_is_empty(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    append_new(fixture, &room, &head, 3).await;
    let now = fixture.clock().now();
    // One epoch is the beginning of the other: no epoch may be read as another.
    for text in ["k7Qf", "k7QfA1b", "zzzz"] {
        let other = samples::epoch(text);
        assert_ne!(other, head.epoch);
        let log = fixture.store().log(&room, &samples::range(&other, 0, 9), 9, now).await.unwrap();
        assert_eq!(log, []);
        let log = fixture.store().log_backwards(&room, &other, Sequence::new(9), 9, now).await.unwrap();
        assert_eq!(log, []);
    }
    assert_eq!(read(fixture, &unique_room(), 0, 9, 9).await, [0_u64; 0]);
}

pub async fn what_has_expired_is_not_read(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let now = fixture.clock().now();
    let older = append_new(fixture, &room, &head, 3).await;
    let later = now.plus(Duration::from_secs(60));
    let newer = samples::append(&room, &older.head_after(), &vec![samples::data("1"); 2], later);
    assert_eq!(fixture.store().append(&newer).await.unwrap(), Appended::Stored);
    let minute = Duration::from_secs(30);
    let (all, some, none) = (now, now.plus(limits::RETENTION + minute), later.plus(limits::RETENTION + minute));
    for (at, expected) in [(all, vec![1, 2, 3, 4, 5]), (some, vec![4, 5]), (none, vec![])] {
        let mut log = fixture.store().log(&room, &samples::range(&head.epoch, 0, 9), 9, at).await.unwrap();
        assert_eq!(sequences(&log), expected);
        log.reverse();
        let through = Sequence::new(9);
        let backwards = fixture.store().log_backwards(&room, &head.epoch, through, 9, at).await.unwrap();
        assert_eq!(backwards, log);
    }
}

/// A room of 120 small publications, and its head.
async fn long_log(fixture: &impl StoreFixture) -> (RoomId, Head) {
    let (room, mut head) = created(fixture).await;
    for _ in 0..3 {
        head = append_new(fixture, &room, &head, 40).await.head_after();
    }
    (room, head)
}

/// The sequences after `after`, up to and including `through`, that a read returns, in their order.
async fn read(fixture: &impl StoreFixture, room: &RoomId, after: u64, through: u64, limit: usize) -> Vec<u64> {
    let range = samples::range(&epoch(), after, through);
    sequences(&fixture.store().log(room, &range, limit, fixture.clock().now()).await.unwrap())
}

fn sequences(rows: &[Publication]) -> Vec<u64> {
    rows.iter().map(|row| row.position.sequence.get()).collect()
}
