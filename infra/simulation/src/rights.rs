//! The permissions of a connection's tokens, as far as its client has shown them: a model too
//! simple to be wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{RoomId, Timestamp};

use crate::tokens::Token;

/// The permissions of a connection's tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rights {
    /// The latest expiry of its tokens: the connection must receive nothing after it.
    pub(crate) expires_at: Timestamp,
    /// The latest time of issue of its tokens: a revocation of later tokens closes the connection.
    pub(crate) issued_at: Timestamp,
    /// Rooms that the connection must not receive from, and since when.
    barred: BTreeMap<RoomId, Timestamp>,
    /// The number of tokens that the client has shown.
    shown: u64,
    /// The number of tokens that a function is verifying.
    in_flight: u64,
    /// True if two tokens were verified at the same time: either of them may be the valid one.
    doubtful: bool,
    /// When the client last received the confirmation of a token, and the expiry of that token.
    renewed: Option<(Timestamp, Timestamp)>,
    /// The expiry of each shown token.
    expiries: Vec<Timestamp>,
    /// The expiry of the token that became valid last.
    good_until: Timestamp,
    /// A token may have expired before every function saw the next one, which happened by this
    /// time.
    lapsed_until: Option<Timestamp>,
}

impl Rights {
    /// Records that a token is shown, and returns its number. The token may or may not become
    /// valid; the connection may receive from its rooms from now on.
    pub(crate) fn shows(&mut self, token: &Token) -> u64 {
        self.expiries.push(token.expires_at);
        self.expires_at = self.expires_at.max(token.expires_at);
        self.issued_at = self.issued_at.max(token.issued_at);
        self.barred.retain(|room, _| token.denied.contains(room));
        self.renewed = None;
        self.doubtful = self.in_flight > 0;
        self.in_flight += 1;
        self.shown += 1;
        self.shown
    }

    /// Records that the verification of a token has ended, with any result.
    pub(crate) fn was_looked_at(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Records that a token is valid, which each function sees within `seen_within`. The connection
    /// must not receive from the rooms that it denies, unless another token was shown meanwhile.
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

    /// Reports whether one of its tokens expires between two times: a delivery in that time may
    /// skip the connection.
    #[must_use]
    pub(crate) fn lapses_between(&self, from: Timestamp, until: Timestamp) -> bool {
        self.expiries.iter().any(|at| (from..=until).contains(at))
    }

    /// Reports whether the connection may have missed a publication of that time because it had no
    /// valid token. At `now`, functions see every token that was valid until then.
    #[must_use]
    pub(crate) fn lapsed_after(&self, published: Timestamp, now: Timestamp) -> bool {
        self.good_until <= now || self.lapsed_until.is_some_and(|until| published <= until)
    }

    /// Since when the connection must not receive from a room.
    #[must_use]
    pub(crate) fn barred_since(&self, room: &RoomId) -> Option<Timestamp> {
        self.barred.get(room).copied()
    }

    /// Reports whether the connection has shown another token than that of its handshake.
    pub(crate) fn is_renewing(&self) -> bool {
        self.shown > 1
    }

    /// Reports whether a request that began at `began` is judged by a token that is valid beyond
    /// `until`.
    #[must_use]
    pub(crate) fn is_good_for(&self, began: Timestamp, until: Timestamp) -> bool {
        self.renewed.is_some_and(|(at, expires_at)| at < began && until < expires_at)
    }
}
