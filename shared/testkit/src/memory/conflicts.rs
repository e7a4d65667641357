//! Conflicts with transactions: a transaction holds its items while it runs, and other calls on
//! them have to wait.
//!
//! As in the adapters of DynamoDB, calls are tried again after a pause, and fail after
//! [`limits::CONFLICT_TRIES`] refusals.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ports::{Clock, Result};
use domain::{ConnectionId, RoomId, conflict_pause, limits};

use super::bugs::Bug;
use super::store::Store;
use super::unavailable;
use crate::chance::Seeded;

/// The time for which a transaction holds its items by default.
pub const TRANSACTION_HOLD: Duration = Duration::from_millis(10);

/// An item that transactions write or check, and that other calls write too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Item {
    Connection(ConnectionId),
    Membership(ConnectionId, RoomId),
    Head(RoomId),
}

/// The items that transactions hold.
#[derive(Debug, Clone)]
pub(super) struct Conflicts {
    hold: Duration,
    held: Arc<Mutex<HashSet<Item>>>,
    chance: Seeded,
}

/// Items of one transaction, held until this value is dropped.
#[derive(Debug)]
pub(super) struct Held {
    items: Vec<Item>,
    all: Arc<Mutex<HashSet<Item>>>,
}

impl Conflicts {
    pub(super) fn new() -> Self {
        Self { hold: TRANSACTION_HOLD, held: Arc::default(), chance: Seeded::new(65) }
    }

    /// A handle of the same items whose transactions hold them for another time. With zero, its
    /// calls neither hold items nor wait for them.
    pub(super) fn with_hold(&self, hold: Duration) -> Self {
        Self { hold, ..self.clone() }
    }

    fn any_held(&self, items: &[Item]) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        items.iter().any(|item| held.contains(item))
    }

    /// Holds these items, unless one of them is held already.
    fn hold(&self, items: &[Item]) -> Option<Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if items.iter().any(|item| held.contains(item)) {
            return None;
        }
        held.extend(items.iter().cloned());
        Some(Held { items: items.to_vec(), all: Arc::clone(&self.held) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|item| !self.items.contains(item));
    }
}

impl Store {
    /// Waits until no transaction holds one of these items.
    pub(super) async fn wait_for(&self, operation: &'static str, items: &[Item]) -> Result<()> {
        if self.conflicts.hold.is_zero() {
            return Ok(());
        }
        for _ in 0..self.tries() {
            if !self.conflicts.any_held(items) {
                return Ok(());
            }
            self.pause().await;
        }
        Err(unavailable(operation, "a transaction is ongoing for the item"))
    }

    /// Begins a transaction on these items, which holds them until the returned value is dropped.
    pub(super) async fn transaction(&self, operation: &'static str, items: &[Item]) -> Result<Option<Held>> {
        if self.conflicts.hold.is_zero() {
            return Ok(None);
        }
        for _ in 0..self.tries() {
            if let Some(held) = self.conflicts.hold(items) {
                self.clock().sleep(self.conflicts.hold).await;
                return Ok(Some(held));
            }
            self.pause().await;
        }
        Err(unavailable(operation, "the transaction is cancelled: TransactionConflict"))
    }

    fn tries(&self) -> u32 {
        if self.has(Bug::ConflictsNotRetried) { 1 } else { limits::CONFLICT_TRIES }
    }

    async fn pause(&self) {
        self.clock().sleep(conflict_pause(&self.conflicts.chance)).await;
    }
}
