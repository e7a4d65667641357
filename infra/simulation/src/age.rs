//! The age of a publication at its delivery is limited in runs without faults, apart from poison
//! and the trouble of one room or one member.

use std::time::Duration;

use domain::{ConnectionId, RoomId, Timestamp};
use protocol::stream::Record;

use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;

/// The longest delay that poison may cause for other rooms.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// The longest delay that the trouble of one room or one member may cause for others.
const UNDISTURBED: Duration = Duration::from_millis(4_500);

impl Run {
    /// Checks that a delivery is in time, unless the room or the member of the delivery has the
    /// trouble.
    pub(crate) fn check_age(&self, connection: &ConnectionId, room: &RoomId, id: &str, accepted_at: Timestamp) {
        let mut core = self.shared.lock();
        if !core.faults.is_calm() || self.has_trouble(room) || core.is_slow(connection) {
            return;
        }
        let within = if core.faults.knows_poison() { TOLD_WITHIN } else { UNDISTURBED };
        let age = core.now.since(self.said_at.get(id).copied().unwrap_or(accepted_at));
        core.weigh(Stake::Timely);
        if !self.pipeline.queues.deliveries_wide.is_empty() {
            core.weigh(Stake::BesideWide);
        }
        if age > within {
            core.broke(Kind::Delayed, format!("{connection} receives {id} of {room} after {age:?}"));
        }
    }

    /// Checks that changes of presence are processed in time: one room that cannot be counted must
    /// not hold up the stream.
    pub(crate) fn check_the_stream(&self, done: &[Record]) {
        let mut core = self.shared.lock();
        let within = if core.faults.knows_poison() { TOLD_WITHIN } else { UNDISTURBED };
        let late = done.iter().map(|record| core.now.since(record.at)).find(|age| *age > within);
        if let Some(age) = late.filter(|_| core.faults.is_calm()) {
            core.broke(Kind::Delayed, format!("a change of presence is processed after {age:?}"));
        }
    }
}
