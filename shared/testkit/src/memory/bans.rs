//! Implements bans over the state of the store.

use domain::ports::{Bans, Result};
use domain::{Ban, Timestamp, UserId};

use super::bugs::Bug;
use super::store::Store;

impl Bans for Store {
    async fn ban(&self, ban: &Ban, now: Timestamp) -> Result<()> {
        if !self.has(Bug::BanForgotten) {
            self.lock().bans.push((now, ban.clone()));
        }
        Ok(())
    }

    async fn bans_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<Ban>> {
        let mut of_user: Vec<Ban> = Vec::new();
        for (_, ban) in self.lock().bans.iter().filter(|(_, ban)| ban.user == *user) {
            of_user.retain(|earlier| earlier.device != ban.device);
            of_user.push(ban.clone());
        }
        of_user.retain(|ban| now < ban.until);
        self.reads_keys(of_user.len());
        Ok(of_user)
    }

    async fn bans_since(&self, since: Timestamp) -> Result<Vec<Ban>> {
        let mut recent: Vec<(Timestamp, Ban)> = self.lock().bans.clone();
        recent.retain(|(at, _)| *at >= since);
        recent.sort_by_key(|(at, _)| *at);
        self.reads_keys(recent.len());
        Ok(recent.into_iter().map(|(_, ban)| ban).collect())
    }
}
