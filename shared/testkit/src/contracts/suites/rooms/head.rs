//! The head: created once, grown from a known number of shards, with the last queued sequence.

use std::time::Duration;

use domain::ports::{Clock, Rooms};
use domain::{Epoch, Generation, Head, RoomId, Sequence, Shards, limits};
use futures::future::join_all;

use super::{append_new, created, epoch, other_epoch};
use crate::contracts::StoreFixture;
use crate::contracts::scene::{insist, unique_room};
use crate::samples;

pub async fn a_room_has_no_head_until_it_is_created(fixture: &impl StoreFixture) {
    let room = unique_room();
    assert_eq!(fixture.store().head(&room).await.unwrap(), None);
    let now = fixture.clock().now();
    let expected = Head::new(&room, epoch()).created(Generation::default(), now);
    assert_eq!(fixture.store().create(&room, &epoch(), now).await.unwrap(), expected);
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
}

pub async fn a_room_is_created_once_and_keeps_its_first_epoch(fixture: &impl StoreFixture) {
    let (room, first) = created(fixture).await;
    fixture.store().grow(&room, first.shards, Shards::new(2)).await.unwrap();
    let expected = Head { shards: Shards::new(2), ..first };
    assert_eq!(fixture.store().create(&room, &other_epoch(), fixture.clock().now()).await.unwrap(), expected);
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
}

pub async fn creators_at_the_same_moment_agree(fixture: &impl StoreFixture) {
    let room = unique_room();
    let epochs: Vec<Epoch> = (0..4).map(Epoch::from_random).collect();
    let now = fixture.clock().now();
    let create = async |epoch| insist(fixture.clock(), async || fixture.store().create(&room, epoch, now).await).await;
    let heads = join_all(epochs.iter().map(create)).await;
    let stands = fixture.store().head(&room).await.unwrap().unwrap();
    assert!(epochs.contains(&stands.epoch));
    assert!(heads.iter().all(|head| *head == stands), "{heads:?}");
}

pub async fn the_heads_of_a_hundred_rooms_are_read_at_once(fixture: &impl StoreFixture) {
    let rooms: Vec<RoomId> = (0..limits::ROOMS_PER_CONNECTION).map(|_| unique_room()).collect();
    let (with_head, without) = rooms.split_at(97);
    let now = fixture.clock().now();
    for (n, room) in with_head.iter().enumerate() {
        fixture.store().create(room, &Epoch::from_random(n as u64), now).await.unwrap();
    }
    let heads = fixture.store().heads(&rooms).await.unwrap();
    assert_eq!(heads.len(), with_head.len());
    for (n, room) in with_head.iter().enumerate() {
        let epoch = Epoch::from_random(n as u64);
        assert_eq!(heads[room], Head::new(room, epoch).created(Generation::default(), now));
    }
    assert!(without.iter().all(|room| !heads.contains_key(room)));
    assert!(fixture.store().heads(&[]).await.unwrap().is_empty());
}

pub async fn a_room_grows_only_from_the_size_expected(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let grow = async |from, to| {
        fixture.store().grow(&room, Shards::new(from), Shards::new(to)).await.unwrap();
        fixture.store().head(&room).await.unwrap().unwrap().shards.get()
    };
    assert_eq!(head.shards.get(), 1);
    assert_eq!(grow(1, 2).await, 2);
    assert_eq!(grow(1, 4).await, 2);
    assert_eq!(grow(2, 1_024).await, 1_024);
    let expected = Head { shards: Shards::new(1_024), ..head };
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
}

pub async fn a_room_that_is_not_there_does_not_grow(fixture: &impl StoreFixture) {
    let room = unique_room();
    fixture.store().grow(&room, Shards::new(1), Shards::new(2)).await.unwrap();
    fixture.store().mark_sent(&room, &epoch(), Sequence::new(3), samples::NOW).await.unwrap();
    assert_eq!(fixture.store().head(&room).await.unwrap(), None);
}

pub async fn jobs_sent_are_noted_and_never_taken_back(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let head = append_new(fixture, &room, &head, 12).await.head_after();
    let mut now = samples::NOW;
    for (through, sent, when) in [(2, 2, 1), (10, 10, 2), (9, 10, 2), (10, 10, 2), (0, 10, 2), (12, 12, 6)] {
        now = now.plus(Duration::from_secs(1));
        fixture.store().mark_sent(&room, &head.epoch, Sequence::new(through), now).await.unwrap();
        let noted = fixture.store().head(&room).await.unwrap().unwrap();
        let sent_at = samples::NOW.plus(Duration::from_secs(when));
        assert_eq!(noted, Head { sent: Sequence::new(sent), sent_at, ..head.clone() });
    }
}

pub async fn jobs_sent_in_another_epoch_are_not_noted(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let expected = append_new(fixture, &room, &head, 2).await.head_after();
    fixture.store().mark_sent(&room, &other_epoch(), Sequence::new(2), samples::NOW).await.unwrap();
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
}

pub async fn a_head_that_is_kept_expires_later_and_is_otherwise_the_same(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let later = fixture.clock().now().plus(limits::HEAD_LIFE);
    fixture.store().keep(&room, later).await.unwrap();
    let expected = Head { expires_at: Head::life_from(later), ..head };
    assert_eq!(fixture.store().head(&room).await.unwrap().as_ref(), Some(&expected));
    fixture.store().keep(&room, fixture.clock().now()).await.unwrap();
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected), "never earlier");
    let nowhere = unique_room();
    fixture.store().keep(&nowhere, later).await.unwrap();
    assert_eq!(fixture.store().head(&nowhere).await.unwrap(), None, "no room comes of it");
}
