//! Implements the directory of each user's connections over the state of the store.

use domain::ports::{Directory, Result};
use domain::{ConnectionId, Timestamp, UserId, limits};

use super::store::Store;

impl Directory for Store {
    async fn enlist(&self, user: &UserId, connection: &ConnectionId, now: Timestamp) -> Result<()> {
        self.lock().directory.entry(user.clone()).or_default().insert(connection.clone(), now);
        Ok(())
    }

    async fn connections_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<ConnectionId>> {
        let mut state = self.lock();
        let entries = state.directory.entry(user.clone()).or_default();
        entries.retain(|_, since| now < since.plus(limits::CONNECTION_TTL));
        let connections: Vec<ConnectionId> = entries.keys().cloned().collect();
        drop(state);
        self.reads_keys(connections.len());
        Ok(connections)
    }
}
