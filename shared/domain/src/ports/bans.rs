//! The port of bans.

use std::future::Future;

use super::Result;
use crate::ban::Ban;
use crate::name::UserId;
use crate::timestamp::Timestamp;

/// The bans of users, their devices and their tokens.
pub trait Bans: Send + Sync {
    /// Stores a ban in place of an earlier one of the same user and scope, and enters it into the
    /// list of recent bans. A revocation of tokens issued before a time leaves a later one in
    /// place.
    fn ban(&self, ban: &Ban, now: Timestamp) -> impl Future<Output = Result<()>> + Send;
    /// Reads the bans of a user that have not ended by `now`, consistently, in any order.
    fn bans_of(&self, user: &UserId, now: Timestamp) -> impl Future<Output = Result<Vec<Ban>>> + Send;
    /// Reads the bans that were stored since `since`, consistently, in the order of their times,
    /// also those that were lifted or replaced meanwhile.
    fn bans_since(&self, since: Timestamp) -> impl Future<Output = Result<Vec<Ban>>> + Send;
}
