//! `CONN#<id>` / `CONN` again: what stands where a connection was. In no index, so that nobody finds it.

use domain::{ConnectionId, Timestamp, limits};

use crate::attributes::{Item, n};
use crate::keys;

/// Set on tombstones only: when the connection was buried, milliseconds.
pub(crate) const BURIED_AT: &str = "buried_at";

/// The item.
pub(crate) fn to_item(connection: &ConnectionId, now: Timestamp) -> Item {
    let mut item = keys::connection(connection);
    item.insert(BURIED_AT.to_owned(), n(now.as_ms()));
    item.insert(keys::TTL.to_owned(), n(now.plus(limits::TOMBSTONE).as_s()));
    item
}

/// Whether this is one.
pub(crate) fn is(item: &Item) -> bool {
    item.contains_key(BURIED_AT)
}
