//! Implements the directory of each user's connections over the state of the store.

use domain::ports::{Directory, Result};
use domain::{ConnectionId, Enlisted, Timestamp, UserId, limits};

use super::store::Store;

impl Directory for Store {
    async fn enlist(&self, user: &UserId, entry: &Enlisted) -> Result<()> {
        self.lock().directory.entry(user.clone()).or_default().insert(entry.connection.clone(), entry.clone());
        Ok(())
    }

    async fn delist(&self, user: &UserId, connection: &ConnectionId) -> Result<()> {
        if let Some(entries) = self.lock().directory.get_mut(user) {
            entries.remove(connection);
        }
        Ok(())
    }

    async fn entries_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<Enlisted>> {
        let mut state = self.lock();
        let entries = state.directory.entry(user.clone()).or_default();
        entries.retain(|_, entry| now < entry.at.plus(limits::CONNECTION_TTL));
        let entries: Vec<Enlisted> = entries.values().cloned().collect();
        drop(state);
        self.reads_keys(entries.len());
        Ok(entries)
    }
}
