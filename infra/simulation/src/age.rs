//! How old what is told may be, where nothing goes wrong but what nobody can read, and what one room or one member is up to.

use std::time::Duration;

use domain::{ConnectionId, RoomId, Timestamp};
use protocol::stream::Record;

use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;

/// Poison delays others by this at the most.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// Whatever else others are up to delays nobody by more than this.
const UNDISTURBED: Duration = Duration::from_millis(4_500);

impl Run {
    /// Everybody is told everything in time, but for the room and the member that have the trouble.
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
            core.broke(Kind::Delayed, format!("{connection} hears {id} of {room} after {age:?}"));
        }
    }

    /// The same of the stream that tells who came and went: one room that cannot be looked at does not hold it up.
    pub(crate) fn check_the_stream(&self, done: &[Record]) {
        let mut core = self.shared.lock();
        let within = if core.faults.knows_poison() { TOLD_WITHIN } else { UNDISTURBED };
        let late = done.iter().map(|record| core.now.since(record.at)).find(|age| *age > within);
        if let Some(age) = late.filter(|_| core.faults.is_calm()) {
            core.broke(Kind::Delayed, format!("who came and went is looked at after {age:?}"));
        }
    }
}
