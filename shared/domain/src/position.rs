//! The place of a publication in its room.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::reject::Reject;

/// How many times the deployment's rooms table was restored, or any other number that grows with each restore. It is
/// configuration, so a restored table cannot bring an old one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Generation(u64);

impl Generation {
    /// From a number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// As a number.
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

/// Which life of a room a sequence belongs to: 1 to 16 letters and digits, chosen at random when the head is created.
/// Another epoch means that sequences restarted and nothing can be said about what was missed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Epoch(String);

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^6: two of a million restored rooms share an epoch with a chance of about one in 100.
const EPOCH_CHARS: usize = 6;

impl Epoch {
    /// Spells `random` in six letters and digits.
    #[must_use]
    pub fn from_random(mut random: u64) -> Self {
        let mut text = String::with_capacity(EPOCH_CHARS);
        for _ in 0..EPOCH_CHARS {
            text.push(char::from(DIGITS[(random % 62) as usize]));
            random /= 62;
        }
        Self(text)
    }

    /// The epoch of rooms that have no head. [`Self::from_random`] gives no such one.
    #[must_use]
    pub fn none() -> Self {
        Self("0".to_owned())
    }

    /// The epoch that takes the place of this one in a later generation. Every function computes the same one, so readers
    /// need not write it.
    #[must_use]
    pub fn in_generation(&self, generation: Generation) -> Self {
        let digest = Sha256::digest(format!("{self}#{}", generation.get()));
        Self::from_random(digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// Parses an epoch.
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

    /// The epoch as text.
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

/// The how manieth publication of its epoch, from 1; 0 is the place before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(u64);

impl Sequence {
    /// The place before the first publication.
    pub const ZERO: Self = Self(0);

    /// From a number. JavaScript clients keep it exact up to 2^53.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sequence `count` places on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// The next sequence.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The one before; before the first publication there is none.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// How many places this is beyond `other`; 0 if it is not.
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

/// Place of a publication in its room. Positions of different epochs do not compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Which life of the room.
    #[serde(rename = "ep")]
    pub epoch: Epoch,
    /// Which publication of it.
    #[serde(rename = "seq")]
    pub sequence: Sequence,
}
