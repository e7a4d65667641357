//! What the tokens of a connection allow, as far as its client has shown them: a model too simple to be wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{RoomId, Timestamp};

use crate::tokens::Token;

/// What the tokens of a connection allow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rights {
    /// When the longest lasting of its tokens expires: not later may it hear anything.
    pub(crate) expires_at: Timestamp,
    /// Rooms that it may not hear, since when.
    barred: BTreeMap<RoomId, Timestamp>,
    /// How many tokens it has shown.
    shown: u64,
    /// How many of them are being looked at.
    in_flight: u64,
    /// Whether two were looked at at the same time: either may count.
    doubtful: bool,
    /// When it was last told that a token is good, and until when that one is.
    renewed: Option<(Timestamp, Timestamp)>,
    /// When each of its tokens expires.
    expiries: Vec<Timestamp>,
    /// When the token expires that came to count last.
    good_until: Timestamp,
    /// A token may have expired before the next one was seen everywhere, which was not later than this.
    lapsed_until: Option<Timestamp>,
}

impl Rights {
    /// A token is shown, which may or may not come to count; its number. What it allows may be heard from now on.
    pub(crate) fn shows(&mut self, token: &Token) -> u64 {
        self.expiries.push(token.expires_at);
        self.expires_at = self.expires_at.max(token.expires_at);
        self.barred.retain(|room, _| token.denied.contains(room));
        self.renewed = None;
        self.doubtful = self.in_flight > 0;
        self.in_flight += 1;
        self.shown += 1;
        self.shown
    }

    /// A token has been looked at, whatever came of it.
    pub(crate) fn was_looked_at(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A token counts, and each function sees that within `seen_within`. What it denies may not be heard, unless another one
    /// was shown meanwhile.
    pub(crate) fn counts(&mut self, token: &Token, number: u64, now: Timestamp, seen_within: Duration) {
        let seen = now.plus(seen_within);
        if number > 1 && self.good_until <= seen {
            self.lapsed_until = Some(seen);
        }
        self.good_until = token.expires_at;
        if number == self.shown && !self.doubtful {
            for room in &token.denied {
                self.barred.entry(room.clone()).or_insert(now);
            }
            self.renewed = Some((now, token.expires_at));
        }
    }

    /// Whether one of its tokens expires between two moments: what is delivered then may pass the connection by.
    #[must_use]
    pub(crate) fn lapses_between(&self, from: Timestamp, until: Timestamp) -> bool {
        self.expiries.iter().any(|at| (from..=until).contains(at))
    }

    /// Whether what was published then may have passed it by, because no token was good; functions see by `now` what was good
    /// until then.
    #[must_use]
    pub(crate) fn lapsed_after(&self, published: Timestamp, now: Timestamp) -> bool {
        self.good_until <= now || self.lapsed_until.is_some_and(|until| published <= until)
    }

    /// Since when it may not hear a room.
    #[must_use]
    pub(crate) fn barred_since(&self, room: &RoomId) -> Option<Timestamp> {
        self.barred.get(room).copied()
    }

    /// Whether a request that began then is judged by a token that is good for long.
    #[must_use]
    pub(crate) fn is_good_for(&self, began: Timestamp, until: Timestamp) -> bool {
        self.renewed.is_some_and(|(at, expires_at)| at < began && until < expires_at)
    }
}
