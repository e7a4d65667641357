//! One open WebSocket connection, and the table of all open connections.

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

/// The state of one client. The connection's own task and the callers that post to it share this
/// state.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: Id,
    /// Wall-clock time of the handshake, in milliseconds since 1970. Used in events.
    pub(crate) connected_at_ms: i64,
    /// Monotonic time of the handshake. Used by timers.
    pub(crate) connected: Instant,
    pub(crate) source_ip: IpAddr,
    pub(crate) user_agent: Option<Box<str>>,
    /// The value of `requestContext.authorizer`.
    pub(crate) authorizer: Option<Box<RawValue>>,
    pub(crate) outbox: Outbox,
    /// Time of the last data in either direction, in milliseconds since `connected`.
    last_active_ms: AtomicU64,
}

impl Connection {
    /// Creates a connection that starts now.
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

    /// Records that data was sent or received now.
    pub(crate) fn touch(&self) {
        self.last_active_ms.store(millis(self.connected.elapsed()), Ordering::Relaxed);
    }

    /// Returns the wall-clock time of the last data in either direction.
    pub(crate) fn last_active_at_ms(&self) -> i64 {
        let since_ms = self.last_active_ms.load(Ordering::Relaxed);
        self.connected_at_ms.saturating_add(i64::try_from(since_ms).unwrap_or(i64::MAX))
    }

    /// Returns the time at which the connection must end if no more data flows: its idle timeout,
    /// or its maximum age if that is earlier.
    pub(crate) fn deadline(&self, idle_timeout: Duration, duration: Duration) -> Instant {
        let idle_since = Duration::from_millis(self.last_active_ms.load(Ordering::Relaxed));
        let age = idle_since.saturating_add(idle_timeout).min(duration).min(FOR_EVER);
        self.connected + age
    }
}

/// Ten years: no connection reaches this age, and the clocks can still represent it.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// All open connections by id. The table has shards, so that posts to different clients rarely wait
/// for the same lock.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    shards: [RwLock<HashMap<Id, Arc<Connection>>>; SHARDS],
    hasher: RandomState,
}

const SHARDS: usize = 16;

impl Registry {
    /// Adds a connection. From now on callers can post to it.
    pub(crate) fn insert(&self, connection: Arc<Connection>) {
        let mut shard = self.shard(connection.id).write().unwrap_or_else(PoisonError::into_inner);
        shard.insert(connection.id, connection);
    }

    /// Removes a connection. From now on posts to it are answered with 410.
    pub(crate) fn remove(&self, id: Id) {
        self.shard(id).write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Returns the connection, if it is open.
    pub(crate) fn get(&self, id: Id) -> Option<Arc<Connection>> {
        self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Returns at most `most` open connections, in no particular order.
    pub(crate) fn some(&self, most: usize) -> Vec<Arc<Connection>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let left = most - found.len();
            found.extend(shard.read().unwrap_or_else(PoisonError::into_inner).values().take(left).cloned());
        }
        found
    }

    /// Returns the number of open connections.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Requests every connection to close.
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

    /// Returns the deadline if data last flowed at age `last_active_ms`. Both are milliseconds of
    /// the connection's age.
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
