//! Checks: postponed work of presence.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::activity::Activity;
use crate::name::{ConnectionId, RoomId};
use crate::shard::Shard;
use crate::timestamp::Timestamp;

/// Postponed work of presence, mostly a count of a room: the message of the queue of checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The room to count; `*` if the check is for [`Self::ended`] or [`Self::untold`].
    pub room: RoomId,
    /// The due time.
    pub at: Timestamp,
    /// Shards that changed, if they could not be counted when the stream reported them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub changed: BTreeSet<Shard>,
    /// Shards to compare with the index once more, 25 s or 5 min after their count has settled,
    /// because an index may lag longer than usual.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub compared: BTreeSet<Shard>,
    /// Connections that the stream reported, if a call for them was refused. The memberships of
    /// those that are gone must be removed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ended: BTreeSet<ConnectionId>,
    /// Activity for backends that the topic refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Activity>,
}

impl Check {
    /// A check of a room, due at `at`.
    #[must_use]
    pub fn at(room: &RoomId, at: Timestamp) -> Self {
        let (changed, compared, ended, untold) = Default::default();
        Self { room: room.clone(), at, changed, compared, ended, untold }
    }

    /// A check that removes the memberships of closed connections, due at `at`.
    #[must_use]
    pub fn for_connections(ended: BTreeSet<ConnectionId>, at: Timestamp) -> Self {
        Self { ended, ..Self::at(&RoomId::everyone(), at) }
    }

    /// A repeat of activity for backends, due at `at`.
    #[must_use]
    pub fn for_activity(untold: Vec<Activity>, at: Timestamp) -> Self {
        Self { untold, ..Self::at(&RoomId::everyone(), at) }
    }
}
