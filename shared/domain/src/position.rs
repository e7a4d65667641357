//! Positions: the place of a publication in its room.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::reject::Reject;

/// The number of restores of the deployment's rooms table, or another number that grows with each
/// restore. It is configuration, so a restored table cannot bring back an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Generation(u64);

impl Generation {
    /// Takes the number from configuration.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, as it is stored in a head.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl std::str::FromStr for Generation {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Identifies one life of a room, in which sequences count up: 1 to 16 letters and digits, drawn at
/// random when the head is created. In another epoch the sequences have restarted, so the two
/// positions do not show what a member missed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Epoch(String);

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^6 epochs: a new epoch equals a given earlier one of its room with a chance of 2 in 10^11.
const EPOCH_CHARS: usize = 6;

impl Epoch {
    /// Encodes `random` as six letters and digits.
    #[must_use]
    pub fn from_random(mut random: u64) -> Self {
        let mut text = String::with_capacity(EPOCH_CHARS);
        for _ in 0..EPOCH_CHARS {
            text.push(char::from(DIGITS[(random % 62) as usize]));
            random /= 62;
        }
        Self(text)
    }

    /// The epoch of rooms that have no head. [`Self::from_random`] never returns it.
    #[must_use]
    pub fn none() -> Self {
        Self("0".to_owned())
    }

    /// The epoch that replaces this one in a later generation. Every function computes the same
    /// one, so readers need not write it.
    #[must_use]
    pub fn in_generation(&self, generation: Generation) -> Self {
        let digest = Sha256::digest(format!("{self}#{}", generation.get()));
        Self::from_random(digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    ///
    /// # Errors
    /// `invalid_field` when it is not 1 to 16 letters and digits.
    pub fn parse(text: impl Into<String>) -> Result<Self, Reject> {
        let text = text.into();
        if (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(Self(text));
        }
        Err(Reject::field("ep", "ep must be an epoch as a reply or a block named it: 1 to 16 letters and digits"))
    }

    /// The text of the epoch, as it is on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Epoch {
    type Error = Reject;
    fn try_from(text: String) -> Result<Self, Reject> {
        Self::parse(text)
    }
}

impl From<Epoch> for String {
    fn from(epoch: Epoch) -> Self {
        epoch.0
    }
}

/// The number of a publication in its epoch, from 1; 0 is the place before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(u64);

impl Sequence {
    /// The position before the first publication.
    pub const ZERO: Self = Self(0);

    /// Takes a number. JavaScript clients represent it exactly up to 2^53.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, as it is on the wire.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sequence `count` places further.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// The sequence of the following publication.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The previous sequence; 0 for the place before the first publication.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The distance from `other` to this sequence; 0 if this one is not greater.
    #[must_use]
    pub const fn beyond(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of a publication in its room. Positions of different epochs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The epoch of the room.
    #[serde(rename = "ep")]
    pub epoch: Epoch,
    /// The number of the publication in the epoch.
    #[serde(rename = "seq")]
    pub sequence: Sequence,
}
