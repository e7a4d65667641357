//! Promises of [`Rooms`]: one head, one order, a log that is whole or says nothing.

use std::collections::HashSet;
use std::time::Duration;

use domain::ports::{Appended, Clock, Rooms};
use domain::{Append, Data, DedupeKey, Epoch, Head, Publication, RoomId, Sequence, Shards, limits};
use futures::future::join_all;

use crate::contracts::StoreFixture;
use crate::contracts::scene::{certain, insist, unique_room};
use crate::samples;

pub async fn a_room_has_no_head_until_it_is_created(fixture: &impl StoreFixture) {
    let room = unique_room();
    assert_eq!(fixture.store().head(&room).await.unwrap(), None);
    let expected = Head::new(&room, epoch());
    assert_eq!(fixture.store().create(&room, &epoch()).await.unwrap(), expected);
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
}

pub async fn a_room_is_created_once_and_keeps_its_first_epoch(fixture: &impl StoreFixture) {
    let (room, first) = created(fixture).await;
    fixture.store().grow(&room, first.shards, Shards::new(2)).await.unwrap();
    let expected = Head { shards: Shards::new(2), ..first };
    assert_eq!(fixture.store().create(&room, &other_epoch()).await.unwrap(), expected);
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
}

pub async fn creators_at_the_same_moment_agree(fixture: &impl StoreFixture) {
    let room = unique_room();
    let epochs: Vec<Epoch> = (0..4).map(Epoch::from_random).collect();
    let create = async |epoch| insist(fixture.clock(), async || fixture.store().create(&room, epoch).await).await;
    let heads = join_all(epochs.iter().map(create)).await;
    let stands = fixture.store().head(&room).await.unwrap().unwrap();
    assert!(epochs.contains(&stands.epoch));
    assert!(heads.iter().all(|head| *head == stands), "{heads:?}");
}

pub async fn the_heads_of_a_hundred_rooms_are_read_at_once(fixture: &impl StoreFixture) {
    let rooms: Vec<RoomId> = (0..limits::ROOMS_PER_CONNECTION).map(|_| unique_room()).collect();
    let (with_head, without) = rooms.split_at(97);
    for (n, room) in with_head.iter().enumerate() {
        fixture.store().create(room, &Epoch::from_random(n as u64)).await.unwrap();
    }
    let heads = fixture.store().heads(&rooms).await.unwrap();
    assert_eq!(heads.len(), with_head.len());
    for (n, room) in with_head.iter().enumerate() {
        assert_eq!(heads[room], Head::new(room, Epoch::from_random(n as u64)));
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
    fixture.store().mark_sent(&room, &epoch(), Sequence::new(3)).await.unwrap();
    assert_eq!(fixture.store().head(&room).await.unwrap(), None);
}

pub async fn an_append_moves_the_head_and_stands_in_the_log(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 2).await;
    let second = append_new(fixture, &room, &first.head_after(), 1).await;
    let expected = Head { sequence: Sequence::new(3), ..head };
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
    assert_eq!(whole_log(fixture, &room).await, publications(&[first, second]));
}

pub async fn an_append_may_not_know_how_far_jobs_are_queued(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 2).await;
    fixture.store().mark_sent(&room, &head.epoch, Sequence::new(2)).await.unwrap();
    append_new(fixture, &room, &first.head_after(), 1).await;
    let expected = Head { sequence: Sequence::new(3), sent: Sequence::new(2), ..head };
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
}

pub async fn an_append_to_a_room_without_a_head_is_stale(fixture: &impl StoreFixture) {
    let room = unique_room();
    let append = append_to(fixture, &room, &Head::new(&room, epoch()), 1);
    assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Stale);
    assert_eq!(fixture.store().head(&room).await.unwrap(), None);
    assert_eq!(known(fixture, &keys(&append)).await, HashSet::new());
}

pub async fn an_append_that_read_another_sequence_stores_nothing(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 3).await;
    for sequence in [0, 2, 4] {
        let read = Head { sequence: Sequence::new(sequence), ..head.clone() };
        let mut append = append_to(fixture, &room, &read, 2);
        rename(&mut append, "another");
        is_stale(fixture, &append, &first).await;
    }
}

pub async fn an_append_that_read_another_epoch_stores_nothing(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 3).await;
    let read = Head { epoch: other_epoch(), ..first.head_after() };
    is_stale(fixture, &append_to(fixture, &room, &read, 2), &first).await;
}

pub async fn an_append_that_read_another_size_stores_nothing(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 3).await;
    let read = Head { shards: Shards::new(2), ..first.head_after() };
    is_stale(fixture, &append_to(fixture, &room, &read, 2), &first).await;
}

pub async fn an_append_that_repeats_an_id_stores_nothing(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 3).await;
    let mut append = append_to(fixture, &room, &first.head_after(), 3);
    let repeated = first.publications[1].1.clone();
    append.publications[2].1 = repeated.clone();
    append.publications[2].0.id = repeated.id.clone();
    assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Stale);
    let new: Vec<DedupeKey> = keys(&append).into_iter().filter(|key| *key != repeated).collect();
    assert_eq!(known(fixture, &new).await, HashSet::new());
    stands(fixture, &first).await;
}

pub async fn the_largest_transaction_is_stored_whole(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let data = vec![largest(); limits::PUBLICATIONS_PER_TRANSACTION];
    let append = samples::append(&room, &head, &data, fixture.clock().now());
    assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Stored);
    stands(fixture, &append).await;
    assert_eq!(known(fixture, &keys(&append)).await.len(), limits::PUBLICATIONS_PER_TRANSACTION);
}

pub async fn appends_at_the_same_moment_store_one_of_them(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let appends: Vec<Append> = (0..4).map(|n| racer(fixture, &room, &head, n)).collect();
    let answers = join_all(appends.iter().map(|append| fixture.store().append(append))).await;
    let stored = answers.into_iter().filter_map(certain).filter(|answer| *answer == Appended::Stored).count();
    assert!(stored <= 1, "{stored} appends to the same place were stored");
    // Whoever has no answer that is certain asks again: by now somebody has won, or this one wins.
    for append in &appends {
        insist(fixture.clock(), async || fixture.store().append(append).await).await;
    }
    let log = whole_log(fixture, &room).await;
    let winners: Vec<&Append> = appends.iter().filter(|append| publications(&[(*append).clone()]) == log).collect();
    let [winner] = winners.as_slice() else { panic!("the log is nobody's: {log:?}") };
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(winner.head_after()));
    let remembered: HashSet<DedupeKey> = keys(winner).into_iter().collect();
    let all: Vec<DedupeKey> = appends.iter().flat_map(keys).collect();
    assert_eq!(known(fixture, &all).await, remembered);
}

pub async fn an_id_is_known_once_it_is_appended(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let append = append_to(fixture, &room, &head, 3);
    assert_eq!(known(fixture, &keys(&append)).await, HashSet::new());
    assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Stored);
    assert_eq!(known(fixture, &keys(&append)).await, keys(&append).into_iter().collect());
}

pub async fn an_id_is_known_only_in_its_room_and_of_its_publisher(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let key = keys(&append_new(fixture, &room, &head, 1).await).remove(0);
    let elsewhere = DedupeKey { room: unique_room(), ..key.clone() };
    let publisher = domain::Publisher::user(&samples::user("eve"));
    let of_another = DedupeKey { publisher, ..key.clone() };
    assert_eq!(known(fixture, &[elsewhere, of_another, key.clone()]).await, HashSet::from([key]));
}

pub async fn hundreds_of_ids_are_asked_for_at_once_even_twice(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let append = append_new(fixture, &room, &head, 40).await;
    let later = append_to(fixture, &room, &append.head_after(), 180);
    let mut asked = keys(&later);
    asked.extend(keys(&append));
    asked.extend(keys(&append));
    assert_eq!(known(fixture, &asked).await, keys(&append).into_iter().collect());
    assert_eq!(known(fixture, &[]).await, HashSet::new());
}

pub async fn jobs_sent_are_noted_and_never_taken_back(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    append_new(fixture, &room, &head, 12).await;
    for (through, sent) in [(2, 2), (10, 10), (9, 10), (10, 10), (0, 10), (12, 12)] {
        fixture.store().mark_sent(&room, &head.epoch, Sequence::new(through)).await.unwrap();
        let noted = fixture.store().head(&room).await.unwrap().unwrap();
        assert_eq!(noted, Head { sequence: Sequence::new(12), sent: Sequence::new(sent), ..head.clone() });
    }
}

pub async fn jobs_sent_in_another_epoch_are_not_noted(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let expected = append_new(fixture, &room, &head, 2).await.head_after();
    fixture.store().mark_sent(&room, &other_epoch(), Sequence::new(2)).await.unwrap();
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
}

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
    for (through, limit, expected) in [(120, 3, 118..=120), (101, 4, 98..=101), (500, 2, 119..=120), (2, 9, 1..=2)] {
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
    // One is the other's beginning: no epoch may be read as another.
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

fn epoch() -> Epoch {
    samples::epoch("k7QfA1")
}

fn other_epoch() -> Epoch {
    samples::epoch("Z9yX8w")
}

async fn created(fixture: &impl StoreFixture) -> (RoomId, Head) {
    let room = unique_room();
    let head = fixture.store().create(&room, &epoch()).await.unwrap();
    (room, head)
}

/// A room of 120 small publications, and its head.
async fn long_log(fixture: &impl StoreFixture) -> (RoomId, Head) {
    let (room, mut head) = created(fixture).await;
    for _ in 0..3 {
        head = append_new(fixture, &room, &head, 40).await.head_after();
    }
    (room, head)
}

fn append_to(fixture: &impl StoreFixture, room: &RoomId, head: &Head, count: usize) -> Append {
    samples::append(room, head, &vec![samples::data("1"); count], fixture.clock().now())
}

async fn append_new(fixture: &impl StoreFixture, room: &RoomId, head: &Head, count: usize) -> Append {
    let append = append_to(fixture, room, head, count);
    assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Stored);
    append
}

/// The `n`-th of several appends to the same place, with ids and a payload of its own.
fn racer(fixture: &impl StoreFixture, room: &RoomId, head: &Head, n: u32) -> Append {
    let data = vec![samples::data(&n.to_string()); 3];
    let mut append = samples::append(room, head, &data, fixture.clock().now());
    rename(&mut append, &format!("racer{n}"));
    append
}

/// Gives the publications ids that nobody else uses in their room.
fn rename(append: &mut Append, prefix: &str) {
    for (publication, key) in &mut append.publications {
        publication.id = samples::publication_id(&format!("{prefix}-{}", publication.id));
        key.id = publication.id.clone();
    }
}

/// The append is stale and leaves no trace behind `before`, the only one that was stored.
async fn is_stale(fixture: &impl StoreFixture, append: &Append, before: &Append) {
    assert_eq!(fixture.store().append(append).await.unwrap(), Appended::Stale);
    assert_eq!(known(fixture, &keys(append)).await, HashSet::new());
    stands(fixture, before).await;
}

/// Head and log are what this one append has left.
async fn stands(fixture: &impl StoreFixture, append: &Append) {
    assert_eq!(fixture.store().head(&append.room).await.unwrap(), Some(append.head_after()));
    assert_eq!(whole_log(fixture, &append.room).await, publications(std::slice::from_ref(append)));
}

async fn whole_log(fixture: &impl StoreFixture, room: &RoomId) -> Vec<Publication> {
    let range = samples::range(&epoch(), 0, 1_000);
    fixture.store().log(room, &range, 1_000, fixture.clock().now()).await.unwrap()
}

/// Which of the positions after `after` through `through` are read, in the order in which they come.
async fn read(fixture: &impl StoreFixture, room: &RoomId, after: u64, through: u64, limit: usize) -> Vec<u64> {
    let range = samples::range(&epoch(), after, through);
    sequences(&fixture.store().log(room, &range, limit, fixture.clock().now()).await.unwrap())
}

async fn known(fixture: &impl StoreFixture, keys: &[DedupeKey]) -> HashSet<DedupeKey> {
    fixture.store().known(keys).await.unwrap()
}

fn keys(append: &Append) -> Vec<DedupeKey> {
    append.publications.iter().map(|(_, key)| key.clone()).collect()
}

fn publications(appends: &[Append]) -> Vec<Publication> {
    appends.iter().flat_map(|append| &append.publications).map(|(publication, _)| publication.clone()).collect()
}

fn sequences(rows: &[Publication]) -> Vec<u64> {
    rows.iter().map(|row| row.position.sequence.get()).collect()
}

/// A payload of the most bytes allowed.
fn largest() -> Data {
    samples::data(&format!("\"{}\"", "x".repeat(limits::DATA_BYTES - 2)))
}
