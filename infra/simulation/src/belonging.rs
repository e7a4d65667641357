//! Who is in a room, as the table's stream tells.

use std::collections::BTreeSet;

use domain::{Shard, Timestamp};

/// A connection's place in a room.
#[derive(Debug, Clone, Default)]
pub(crate) struct Belonging {
    /// Since when it is a member, the last time.
    pub(crate) since: Timestamp,
    /// Since when it is none.
    pub(crate) left: Option<Timestamp>,
    /// How often it became one.
    pub(crate) joins: u64,
    /// The shards that it stood in.
    pub(crate) shards: BTreeSet<Shard>,
}

impl Belonging {
    /// It becomes a member.
    pub(crate) fn joins(&mut self, shard: Shard, now: Timestamp) {
        (self.since, self.left) = (now, None);
        self.joins += 1;
        self.shards.insert(shard);
    }
}
