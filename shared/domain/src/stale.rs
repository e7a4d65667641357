//! Stale connections: probably gone, although no event reported it.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::connection::{Endpoint, Format};
use crate::limits;
use crate::name::ConnectionId;
use crate::timestamp::Timestamp;

/// The number of shards of the liveness index: 500 new connections a second stay under one
/// partition's 1,000 writes each.
pub const LIVENESS_SHARDS: u16 = 8;

/// The shard of a connection in the liveness index.
#[must_use]
pub fn liveness_shard(connection: &ConnectionId) -> u16 {
    let digest = Sha256::digest(connection.as_ref());
    u16::from(digest[31]) % LIVENESS_SHARDS
}

/// A connection that the liveness index lists as silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The silent connection.
    pub connection: ConnectionId,
    /// The management endpoint for a probe or a close.
    pub endpoint: Endpoint,
    /// The time at which the connection opened.
    pub connected_at: Timestamp,
    /// The time of the last message from the connection, or of the last probe that found it alive.
    pub last_seen_at: Timestamp,
    /// The format, which determines whether the connection must send keep-alives.
    pub format: Format,
}

/// The judgement about a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The connection was not silent for long enough.
    No,
    /// The connection is too old to be alive: API Gateway has cut it.
    Dead,
    /// The client owed keep-alives and sent none. A probe cannot distinguish a zombie from a live
    /// connection, so close it.
    Zombie,
    /// The client owes no keep-alives. Probe the connection.
    Ask,
}

/// Judges a suspect. `stale_after` is the silence after which a connection is stale.
#[must_use]
pub fn judge(suspect: &Suspect, now: Timestamp, stale_after: Duration) -> Stale {
    if now.since(suspect.connected_at) >= limits::PROOF_OF_DEATH {
        return Stale::Dead;
    }
    match (now.since(suspect.last_seen_at) >= stale_after, suspect.format) {
        (false, _) => Stale::No,
        (true, Format::RoomsV1) => Stale::Zombie,
        (true, Format::Classic) => Stale::Ask,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspect(format: Format, connected_min: u64, seen_min: u64) -> Suspect {
        Suspect {
            connection: ConnectionId::parse("c").unwrap(),
            endpoint: Endpoint::new("https://x/prod"),
            connected_at: Timestamp::from_ms(connected_min * 60_000),
            last_seen_at: Timestamp::from_ms(seen_min * 60_000),
            format,
        }
    }

    #[test]
    fn a_live_one_that_follows_the_protocol_is_never_stale() {
        let now = Timestamp::from_ms(100 * 60_000);
        let two_keep_alives_lost = 100 - 2 * limits::KEEP_ALIVE.as_secs() / 60;
        assert_eq!(judge(&suspect(Format::RoomsV1, 50, two_keep_alives_lost), now, limits::STALE), Stale::No);
    }

    #[test]
    fn silence_closes_who_owes_keep_alives_and_asks_after_who_does_not() {
        let now = Timestamp::from_ms(100 * 60_000);
        assert_eq!(judge(&suspect(Format::RoomsV1, 50, 80), now, limits::STALE), Stale::Zombie);
        assert_eq!(judge(&suspect(Format::Classic, 50, 80), now, limits::STALE), Stale::Ask);
        assert_eq!(judge(&suspect(Format::Classic, 50, 81), now, limits::STALE), Stale::No);
    }

    #[test]
    fn age_alone_is_proof() {
        let now = Timestamp::from_ms(135 * 60_000);
        assert_eq!(judge(&suspect(Format::Classic, 0, 135), now, limits::STALE), Stale::Dead);
    }

    #[test]
    fn a_clock_behind_makes_nobody_stale() {
        let now = Timestamp::from_ms(90 * 60_000);
        assert_eq!(judge(&suspect(Format::RoomsV1, 100, 100), now, limits::STALE), Stale::No);
    }
}
