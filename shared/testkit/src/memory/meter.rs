//! What calls read: the items that were looked at, and not only those that came back.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{ConnectionId, RoomId};

/// What a call asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Items by their keys, so many.
    Keys(usize),
    /// Rows of a log, so many at the most.
    Rows(usize),
    /// Members of a room: of one of its shards, or a page of them.
    Members(RoomId),
    /// The rooms of a connection.
    RoomsOf(ConnectionId),
    /// Connections that are to be looked after, so many at the most.
    Watched(usize),
}

/// One call that read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What it asked for.
    pub asked: Asked,
    /// Items that were looked at to answer it: what DynamoDB charges for.
    pub evaluated: usize,
    /// Their size, of log rows only.
    pub bytes: usize,
}

/// Counts what somebody reads. Clones are the same meter.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Vec<Read>>>);

impl Meter {
    /// Every read since this was last asked, in order.
    #[must_use]
    pub fn take(&self) -> Vec<Read> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn read(&self, asked: Asked, evaluated: usize, bytes: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Read { asked, evaluated, bytes });
    }
}
