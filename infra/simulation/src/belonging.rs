//! The membership of a connection in a room, as the stream of the table reports it.

use std::collections::BTreeSet;

use domain::{Shard, Timestamp};

/// A connection's membership of a room over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Belonging {
    /// When the connection last became a member.
    pub(crate) since: Timestamp,
    /// When the membership ended; `None` while the connection is a member.
    pub(crate) left: Option<Timestamp>,
    /// How many times the connection became a member.
    pub(crate) joins: u64,
    /// The shards in which the membership was stored.
    pub(crate) shards: BTreeSet<Shard>,
}

impl Belonging {
    /// Records that the connection became a member.
    pub(crate) fn joins(&mut self, shard: Shard, now: Timestamp) {
        (self.since, self.left) = (now, None);
        self.joins += 1;
        self.shards.insert(shard);
    }
}
