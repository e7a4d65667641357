//! Implements bans over the state of the store.

use domain::ports::{Bans, Result};
use domain::{Ban, BanScope, Timestamp, UserId};

use super::bugs::Bug;
use super::store::Store;

impl Bans for Store {
    async fn ban(&self, ban: &Ban, now: Timestamp) -> Result<()> {
        let mut state = self.lock();
        let is_outdone = |earlier: &Ban| match (&earlier.scope, &ban.scope) {
            (BanScope::IssuedBefore(stored), BanScope::IssuedBefore(moment)) => {
                earlier.user == ban.user && stored > moment
            }
            _ => false,
        };
        if !self.has(Bug::BanForgotten) && !state.bans.iter().any(|(_, earlier)| is_outdone(earlier)) {
            state.bans.push((now, ban.clone()));
        }
        Ok(())
    }

    async fn bans_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<Ban>> {
        let mut of_user: Vec<Ban> = Vec::new();
        for (_, ban) in self.lock().bans.iter().filter(|(_, ban)| ban.user == *user) {
            of_user.retain(|earlier| !ban.scope.has_place_of(&earlier.scope));
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
