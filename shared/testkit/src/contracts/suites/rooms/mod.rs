//! Promises of [`Rooms`]: one head, one order, and a log that is complete or returns nothing.

mod append;
mod delivered;
mod head;
mod log;

use std::collections::HashSet;

use domain::ports::{Appended, Clock, Rooms};
use domain::{Append, Data, DedupeKey, Epoch, Head, Publication, RoomId, limits};

pub use append::*;
pub use delivered::*;
pub use head::*;
pub use log::*;

use crate::contracts::StoreFixture;
use crate::contracts::scene::unique_room;
use crate::samples;

fn epoch() -> Epoch {
    samples::epoch("k7QfA1")
}

fn other_epoch() -> Epoch {
    samples::epoch("Z9yX8w")
}

async fn created(fixture: &impl StoreFixture) -> (RoomId, Head) {
    let room = unique_room();
    let head = fixture.store().create(&room, &epoch(), fixture.clock().now()).await.unwrap();
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

/// Checks that head and log are the result of this one append.
async fn stands(fixture: &impl StoreFixture, append: &Append) {
    assert_eq!(fixture.store().head(&append.room).await.unwrap(), Some(append.head_after()));
    assert_eq!(whole_log(fixture, &append.room).await, publications(std::slice::from_ref(append)));
}

async fn whole_log(fixture: &impl StoreFixture, room: &RoomId) -> Vec<Publication> {
    let range = samples::range(&epoch(), 0, 1_000);
    fixture.store().log(room, &range, 1_000, fixture.clock().now()).await.unwrap()
}

async fn known(fixture: &impl StoreFixture, keys: &[DedupeKey]) -> HashSet<DedupeKey> {
    fixture.store().known(keys).await.unwrap().into_keys().collect()
}

fn keys(append: &Append) -> Vec<DedupeKey> {
    append.publications.iter().map(|(_, key)| key.clone()).collect()
}

fn publications(appends: &[Append]) -> Vec<Publication> {
    appends.iter().flat_map(|append| &append.publications).map(|(publication, _)| publication.clone()).collect()
}

/// Data of the largest allowed size.
fn largest() -> Data {
    samples::data(&format!("\"{}\"", "x".repeat(limits::DATA_BYTES - 2)))
}
