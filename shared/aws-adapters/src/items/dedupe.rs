//! `DEDUPE#<room>#<publisher>#<publication id>`: this id has been used. What was said is not in it.

use domain::{DedupeKey, Timestamp, limits};

use crate::attributes::{Item, n};
use crate::keys;

/// The item.
pub(crate) fn to_item(key: &DedupeKey, now: Timestamp) -> Item {
    let mut item = keys::dedupe(key);
    item.insert(keys::TTL.to_owned(), n(now.plus(limits::DEDUPE).as_s()));
    item
}
