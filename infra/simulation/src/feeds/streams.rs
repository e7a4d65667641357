//! The event sources of the tables' streams.

use std::collections::VecDeque;
use std::time::Duration;

use domain::{Change, ConnectionId, Timestamp};
use protocol::stream::Record;

use super::Work;
use crate::due::Due;
use crate::faults::Fault;
use crate::run::Run;
use crate::sources::{self, describe};
use crate::stake::Stake;

/// The number of records in one invocation.
const RECORDS: usize = 10;
/// After this number of tries of a batch of records, its first record is dropped as a dead letter.
const RECORD_TRIES: u32 = 20;
/// The pause before a failed batch of records is tried again.
const RECORDS_AGAIN: Duration = Duration::from_millis(200);

/// Records of some items, in their order.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) waiting: VecDeque<Record>,
    pub(super) busy: bool,
    pub(super) tries: u32,
    pub(super) not_before: Timestamp,
    pub(super) at_most: usize,
}

impl Run {
    /// Passes changes of connections and memberships to the stream.
    pub(crate) fn tell_stream(&mut self) {
        let now = self.now();
        for change in self.pipeline.store.take_changes() {
            self.shared.lock().tell(|| describe(&change));
            self.note(&change, now);
            self.feeds.records += 1;
            let record = sources::record(&change, self.feeds.records, now);
            let overtakes = self.shared.lock().faults.has(Fault::ShardsOvertake);
            let line = usize::from(overtakes && of_another_line(&change));
            if line == 1 {
                self.shared.lock().faults.note(Fault::ShardsOvertake);
            }
            self.feeds.lanes[line].waiting.push_back(record);
        }
    }

    fn note(&mut self, change: &Change, now: Timestamp) {
        match change {
            Change::Joined { room, connection, shard, .. } => {
                // A join may come after its connection was removed, and is then undone: a
                // membership that remains at the end is a ghost.
                self.belonged.entry((connection.clone(), room.clone())).or_default().joins(*shard, now);
            }
            Change::Left { room, connection, .. } => {
                self.belonged.entry((connection.clone(), room.clone())).or_default().left = Some(now);
            }
            Change::Closed { connection, .. } => self.check_forgotten(connection),
            Change::Opened { connection, .. } => {
                self.opened.insert(connection.clone(), now);
            }
        }
    }

    /// A removed connection must be closed.
    fn check_forgotten(&self, connection: &ConnectionId) {
        let mut core = self.shared.lock();
        core.weigh(Stake::Forgotten);
        let Some(socket) = core.sockets.get(connection) else { return };
        if socket.open && socket.held && !socket.black_hole && !socket.closed_by_us {
            core.broke(crate::kind::Kind::LiveReaped, format!("{connection} is open but was removed"));
        }
    }

    pub(super) fn feed_records(&mut self, at: usize) -> bool {
        let now = self.now();
        let line = &mut self.feeds.lanes[at];
        if line.busy || line.waiting.is_empty() || line.not_before > now {
            return false;
        }
        let most = if line.at_most == 0 { RECORDS } else { line.at_most };
        let records: Vec<Record> = line.waiting.iter().take(most).cloned().collect();
        line.busy = true;
        let task = self.executor.reserve();
        self.feeds.begins(task, Work::Records(at, records.clone()));
        self.pipeline.records(&mut self.executor, task, function_of(at), records);
        true
    }

    /// Handles the end of a batch of records: those before the first failure are done, and the
    /// others are delivered again.
    pub(super) fn records_worked_off(&mut self, at: usize, records: &[Record], failed: Option<&String>) {
        let replayed = failed.is_none() && self.shared.lock().fires(Fault::Replayed, || function_of(at).to_owned());
        let bisected = failed.is_some() && self.shared.lock().fires(Fault::Bisected, || function_of(at).to_owned());
        let now = self.now();
        let line = &mut self.feeds.lanes[at];
        line.busy = false;
        let done = match failed {
            _ if replayed => 0,
            None => records.len(),
            Some(number) => records.iter().position(|record| record.sequence_number == *number).unwrap_or(0),
        };
        line.waiting.drain(..done);
        if function_of(at) == "presence" {
            self.check_the_stream(&records[..done]);
        }
        let line = &mut self.feeds.lanes[at];
        if failed.is_none() {
            (line.tries, line.at_most) = (0, 0);
            return;
        }
        line.not_before = now.plus(RECORDS_AGAIN);
        line.tries = if done > 0 { 1 } else { line.tries + 1 };
        if bisected {
            line.at_most = (records.len() / 2).max(1);
        }
        // Outbox rows are tried for as long as the stream keeps them.
        if line.tries > RECORD_TRIES && function_of(at) == "presence" {
            // The dead-letter queue keeps the place of the dropped record.
            line.waiting.pop_front();
            (line.tries, line.at_most) = (0, 0);
            self.shared.lock().tell(|| "a record is dead".to_owned());
        }
        self.shared.lock().at(now.plus(RECORDS_AGAIN), Due::Look);
    }
}

/// The function that a lane of a stream invokes.
fn function_of(line: usize) -> &'static str {
    if line < 2 { "presence" } else { "outbox" }
}

/// Reports whether a change is of an item in the other shard of the stream.
fn of_another_line(change: &Change) -> bool {
    let (Change::Opened { connection, .. }
    | Change::Closed { connection, .. }
    | Change::Joined { connection, .. }
    | Change::Left { connection, .. }) = change;
    connection.as_ref().len() % 2 == 1 || connection.as_ref().ends_with(['1', '3', '5', '7', '9'])
}
