//! The transaction of the sequencer: whole at the head that it read, or not at all.

use std::collections::HashSet;

use domain::ports::{Appended, Clock, Rooms};
use domain::{Append, DedupeKey, Generation, Head, Position, RoomId, Sequence, Shards, limits};
use futures::future::join_all;

use super::{
    append_new, append_to, created, epoch, keys, known, largest, other_epoch, publications, stands, whole_log,
};
use crate::contracts::StoreFixture;
use crate::contracts::scene::{certain, insist, unique_room};
use crate::samples;

pub async fn an_append_moves_the_head_and_stands_in_the_log(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 2).await;
    let second = append_new(fixture, &room, &first.head_after(), 1).await;
    let expected = second.head_after();
    assert_eq!((expected.sequence.get(), expected.sent), (3, Sequence::ZERO));
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
    assert_eq!(whole_log(fixture, &room).await, publications(&[first, second]));
}

pub async fn an_append_may_not_know_how_far_jobs_are_queued(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 2).await;
    fixture.store().mark_sent(&room, &head.epoch, Sequence::new(2), samples::NOW).await.unwrap();
    let second = append_new(fixture, &room, &first.head_after(), 1).await;
    let expected = Head { sent: Sequence::new(2), sent_at: samples::NOW, ..second.head_after() };
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
}

pub async fn an_append_to_a_room_without_a_head_creates_it(fixture: &impl StoreFixture) {
    let room = unique_room();
    let append = append_new(fixture, &room, &Head::new(&room, epoch()), 2).await;
    stands(fixture, &append).await;
    let mut again = append_to(fixture, &room, &Head::new(&room, other_epoch()), 2);
    rename(&mut again, "again");
    is_stale(fixture, &again, &append).await;
}

pub async fn an_append_in_another_epoch_replaces_the_one_it_read(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 3).await;
    let renewed = first.head_after().renewed(other_epoch());
    let mut append = append_to(fixture, &room, &renewed, 2);
    rename(&mut append, "renewed");
    assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Stored);
    let expected = append.head_after();
    assert_eq!((expected.sequence.get(), expected.sent.get()), (5, 3), "nothing of the older epoch is owed");
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(expected));
    rename(&mut append, "again");
    assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Stale, "it is replaced once");
}

pub async fn an_append_to_a_head_that_is_gone_is_stale(fixture: &impl StoreFixture) {
    let room = unique_room();
    let gone = Head::new(&room, epoch()).created(Generation::default(), fixture.clock().now());
    let append = append_to(fixture, &room, &gone, 1);
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

pub async fn an_append_to_a_position_that_has_a_row_finds_it_occupied(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 3).await;
    fixture.remove_head(&room).await;
    let head = fixture.store().create(&room, &epoch(), fixture.clock().now()).await.unwrap();
    let mut append = append_to(fixture, &room, &head, 2);
    rename(&mut append, "again");
    assert_eq!(fixture.store().append(&append).await.unwrap(), Appended::Occupied);
    assert_eq!(fixture.store().head(&room).await.unwrap(), Some(head.clone()));
    assert_eq!(known(fixture, &keys(&append)).await, HashSet::new());
    assert_eq!(whole_log(fixture, &room).await, publications(&[first]));
    let mut renewed = append_to(fixture, &room, &head.renewed(other_epoch()), 2);
    rename(&mut renewed, "renewed");
    assert_eq!(fixture.store().append(&renewed).await.unwrap(), Appended::Stored);
}

pub async fn an_id_remembers_its_position_and_whether_that_is_in_the_log(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let append = append_new(fixture, &room, &head, 2).await;
    let known = fixture.store().known(&keys(&append)).await.unwrap();
    let positions: Vec<Position> = append.publications.iter().map(|(row, _)| row.position.clone()).collect();
    for ((publication, key), position) in append.publications.iter().zip(&positions) {
        assert_eq!(known[key].position, *position);
        assert_eq!(known[key].sequenced_at.as_s(), publication.sequenced_at.as_s());
    }
    let elsewhere = Position { epoch: other_epoch(), ..positions[0].clone() };
    let beyond = Position { sequence: Sequence::new(3), ..positions[0].clone() };
    let asked = [positions.clone(), vec![elsewhere, beyond]].concat();
    let logged = fixture.store().logged(&room, &asked).await.unwrap();
    assert_eq!(logged, positions.into_iter().collect());
    assert!(fixture.store().logged(&room, &[]).await.unwrap().is_empty());
}

pub async fn ids_are_forgotten_unless_they_were_used_for_another_position(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let append = append_new(fixture, &room, &head, 2).await;
    let mut ids = fixture.store().known(&keys(&append)).await.unwrap();
    let [forgotten, kept] = keys(&append).try_into().unwrap();
    ids.get_mut(&kept).unwrap().position.epoch = other_epoch();
    fixture.store().forget_ids(&ids).await.unwrap();
    assert_eq!(known(fixture, &[forgotten, kept.clone()]).await, HashSet::from([kept]));
    fixture.store().forget_ids(&ids).await.unwrap();
}

pub async fn a_head_of_an_older_generation_goes_on_in_another_epoch(fixture: &impl StoreFixture) {
    let (room, head) = created(fixture).await;
    let first = append_new(fixture, &room, &head, 3).await;
    let restored = fixture.in_generation(Generation::new(2));
    let read = restored.head(&room).await.unwrap().unwrap();
    assert_eq!(read, first.head_after().in_generation(Generation::new(2)));
    assert!(read.epoch != head.epoch && read.sequence.get() == 3 && read.unsent().is_none());
    assert_eq!(restored.heads(std::slice::from_ref(&room)).await.unwrap()[&room], read);
    let mut second = append_to(fixture, &room, &read, 2);
    rename(&mut second, "restored");
    assert_eq!(restored.append(&second).await.unwrap(), Appended::Stored);
    // A function with the older generation follows as soon as something was published.
    for generation in [2, 0] {
        let store = fixture.in_generation(Generation::new(generation));
        assert_eq!(store.head(&room).await.unwrap(), Some(second.head_after()), "generation {generation}");
    }
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
    // Each append without a certain result is repeated: by now another append has won, or this one
    // wins.
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

/// The `n`-th of several appends at the same head, with ids and data of its own.
fn racer(fixture: &impl StoreFixture, room: &RoomId, head: &Head, n: u32) -> Append {
    let data = vec![samples::data(&n.to_string()); 3];
    let mut append = samples::append(room, head, &data, fixture.clock().now());
    rename(&mut append, &format!("racer{n}"));
    append
}

/// Gives the publications ids that no other append uses in their room.
fn rename(append: &mut Append, prefix: &str) {
    for (publication, key) in &mut append.publications {
        publication.id = samples::publication_id(&format!("{prefix}-{}", publication.id));
        key.id = publication.id.clone();
    }
}

/// Checks that the append is stale and leaves no trace after `before`, the only append that was
/// stored.
async fn is_stale(fixture: &impl StoreFixture, append: &Append, before: &Append) {
    assert_eq!(fixture.store().append(append).await.unwrap(), Appended::Stale);
    assert_eq!(known(fixture, &keys(append)).await, HashSet::new());
    stands(fixture, before).await;
}
