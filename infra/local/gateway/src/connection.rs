//! One open WebSocket, and the table of all of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::value::RawValue;
use tokio::time::{Duration, Instant};

use crate::ending::CloseRequest;
use crate::ids::Id;
use crate::outbox::Outbox;

/// What is known of one client, shared by its own task and whoever posts to it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: Id,
    /// Wall clock, for events.
    pub(crate) connected_at_ms: i64,
    /// Monotonic, for timers.
    pub(crate) connected: Instant,
    pub(crate) source_ip: IpAddr,
    pub(crate) user_agent: Option<Box<str>>,
    /// `requestContext.authorizer`.
    pub(crate) authorizer: Option<Box<RawValue>>,
    pub(crate) outbox: Outbox,
    /// When data last went either way, in milliseconds since `connected`.
    last_active_ms: AtomicU64,
}

impl Connection {
    /// A connection that begins now.
    pub(crate) fn new(id: Id, now_ms: i64, source_ip: IpAddr, user_agent: Option<&str>, buffer_bytes: usize) -> Self {
        Self {
            id,
            connected_at_ms: now_ms,
            connected: Instant::now(),
            source_ip,
            user_agent: user_agent.map(Into::into),
            authorizer: None,
            outbox: Outbox::new(buffer_bytes),
            last_active_ms: AtomicU64::new(0),
        }
    }

    /// Data went one way or the other.
    pub(crate) fn touch(&self) {
        self.last_active_ms.store(millis(self.connected.elapsed()), Ordering::Relaxed);
    }

    /// When data last went either way, by the wall clock.
    pub(crate) fn last_active_at_ms(&self) -> i64 {
        let since_ms = self.last_active_ms.load(Ordering::Relaxed);
        self.connected_at_ms.saturating_add(i64::try_from(since_ms).unwrap_or(i64::MAX))
    }

    /// When this connection has to end if nothing more happens: idle, or as old as one may become.
    pub(crate) fn deadline(&self, idle_timeout: Duration, duration: Duration) -> Instant {
        let idle_since = Duration::from_millis(self.last_active_ms.load(Ordering::Relaxed));
        let age = idle_since.saturating_add(idle_timeout).min(duration).min(FOR_EVER);
        self.connected + age
    }
}

/// Ten years: an age that no connection reaches, and that clocks can still count to.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Every open connection by id. Sharded, so that posts to different clients do not meet on one lock.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    shards: [RwLock<HashMap<Id, Arc<Connection>>>; SHARDS],
    hasher: RandomState,
}

const SHARDS: usize = 16;

impl Registry {
    /// Makes a connection known: from here on it can be posted to.
    pub(crate) fn insert(&self, connection: Arc<Connection>) {
        let mut shard = self.shard(connection.id).write().unwrap_or_else(PoisonError::into_inner);
        shard.insert(connection.id, connection);
    }

    /// Forgets a connection: from here on it is gone.
    pub(crate) fn remove(&self, id: Id) {
        self.shard(id).write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// The connection, while it is open.
    pub(crate) fn get(&self, id: Id) -> Option<Arc<Connection>> {
        self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// At most `most` open connections, in no order.
    pub(crate) fn some(&self, most: usize) -> Vec<Arc<Connection>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let left = most - found.len();
            found.extend(shard.read().unwrap_or_else(PoisonError::into_inner).values().take(left).cloned());
        }
        found
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Asks every connection to close.
    pub(crate) fn close_all(&self, request: CloseRequest) {
        for shard in &self.shards {
            for connection in shard.read().unwrap_or_else(PoisonError::into_inner).values() {
                connection.outbox.request_close(request);
            }
        }
    }

    fn shard(&self, id: Id) -> &RwLock<HashMap<Id, Arc<Connection>>> {
        let hash = usize::try_from(self.hasher.hash_one(id) % SHARDS as u64).unwrap_or_default();
        &self.shards[hash]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{CONNECTION_DURATION, IDLE_TIMEOUT};

    fn connection() -> Connection {
        let now_ms = 1_707_502_303_419;
        Connection::new(Id::at(now_ms), now_ms, IpAddr::from([127, 0, 0, 1]), None, 1_000)
    }

    /// The deadline, in milliseconds of the connection's age, when data last went at this age.
    fn deadline_ms(connection: &Connection, last_active_ms: u64) -> u64 {
        connection.last_active_ms.store(last_active_ms, Ordering::Relaxed);
        millis(connection.deadline(IDLE_TIMEOUT, CONNECTION_DURATION) - connection.connected)
    }

    #[test]
    fn a_connection_ends_ten_minutes_after_its_last_data_and_two_hours_after_its_beginning() {
        let connection = connection();
        let minute_ms = 60_000;
        for (last_active_ms, expected_ms) in [
            (0, 10 * minute_ms),
            (1, 10 * minute_ms + 1),
            (109 * minute_ms, 119 * minute_ms),
            (110 * minute_ms, 120 * minute_ms),
            (119 * minute_ms, 120 * minute_ms),
        ] {
            assert_eq!(deadline_ms(&connection, last_active_ms), expected_ms);
        }
    }

    #[test]
    fn a_connection_without_limits_has_a_deadline_all_the_same() {
        let connection = connection();
        assert!(connection.deadline(Duration::MAX, Duration::MAX) > connection.connected);
    }

    #[test]
    fn a_connection_is_found_while_it_is_registered() {
        let registry = Registry::default();
        let connections: Vec<_> = (0..1_000).map(|_| Arc::new(connection())).collect();
        for connection in &connections {
            registry.insert(Arc::clone(connection));
        }
        assert_eq!(registry.len(), 1_000);
        for connection in &connections {
            assert_eq!(registry.get(connection.id).unwrap().id, connection.id);
            registry.remove(connection.id);
            assert!(registry.get(connection.id).is_none());
        }
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn closing_all_reaches_every_connection_once() {
        let registry = Registry::default();
        let connections: Vec<_> = (0..100).map(|_| Arc::new(connection())).collect();
        for connection in &connections {
            registry.insert(Arc::clone(connection));
        }
        registry.close_all(CloseRequest::Stopping);
        assert!(connections.iter().all(|connection| connection.outbox.close_request() == Some(CloseRequest::Stopping)));
    }
}
