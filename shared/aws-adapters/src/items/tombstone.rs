//! `CONN#<id>` / `CONN` again: the item in the place of a removed connection. It is in no index, so
//! that no query finds it.

use domain::{ConnectionId, Timestamp, limits};

use crate::attributes::{Item, n};
use crate::keys;

/// Set on tombstones only: the time when the connection was removed, in milliseconds.
pub(crate) const BURIED_AT: &str = "buried_at";

/// Builds the item. It expires after [`limits::TOMBSTONE`].
pub(crate) fn to_item(connection: &ConnectionId, now: Timestamp) -> Item {
    let mut item = keys::connection(connection);
    item.insert(BURIED_AT.to_owned(), n(now.as_ms()));
    item.insert(keys::TTL.to_owned(), n(now.plus(limits::TOMBSTONE).as_s()));
    item
}

/// Reports whether an item is a tombstone.
pub(crate) fn is(item: &Item) -> bool {
    item.contains_key(BURIED_AT)
}
