//! Counts the items that calls read, including those that were not returned.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{ConnectionId, RoomId};

/// The request of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Items by their keys, with their number.
    Keys(usize),
    /// Rows of a log, with their largest number.
    Rows(usize),
    /// Members of a room: of one of its shards, or a page of them.
    Members(RoomId),
    /// The rooms of a connection.
    RoomsOf(ConnectionId),
    /// Connections for the reaper, with their largest number.
    Watched(usize),
}

/// One call that read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The request of the call.
    pub asked: Asked,
    /// The number of items that were read for it, which DynamoDB charges for.
    pub evaluated: usize,
    /// The size of the read items, for log rows only.
    pub bytes: usize,
}

/// Records all reads of one caller. Clones are the same meter.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Vec<Read>>>);

impl Meter {
    /// Takes all reads since the last take, in order.
    #[must_use]
    pub fn take(&self) -> Vec<Read> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn read(&self, asked: Asked, evaluated: usize, bytes: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Read { asked, evaluated, bytes });
    }
}
