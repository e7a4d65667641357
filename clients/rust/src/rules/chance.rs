//! The random numbers of a client, from a seed or from the caller. The same numbers reproduce the
//! same behaviour.

use std::fmt::Debug;

use super::times::{BACKOFF_BASE_MS, BACKOFF_CAP_MS};

/// A source of random numbers for a client.
pub trait Draw: Debug + Send + Sync {
    /// Draws a number from 0 to `most`, both included.
    fn up_to(&mut self, most: u64) -> u64;
}

/// SplitMix64: a small generator that is the same in every version. Source: Steele, Lea, Flood:
/// Fast splittable pseudorandom number generators (OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    /// The generator with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

impl Draw for Seeded {
    // The bias of the remainder is far below the resolution of a pause.
    fn up_to(&mut self, most: u64) -> u64 {
        self.bits() % most.saturating_add(1)
    }
}

/// The draws that the rules need.
#[derive(Debug)]
pub(super) struct Chance(Box<dyn Draw>);

impl Chance {
    pub(super) fn new(draw: impl Draw + 'static) -> Self {
        Self(Box::new(draw))
    }

    pub(super) fn up_to(&mut self, most: u64) -> u64 {
        self.0.up_to(most)
    }

    /// Draws a number from `middle - jitter` to `middle + jitter`.
    pub(super) fn around(&mut self, middle: u64, jitter: u64) -> u64 {
        middle - jitter + self.up_to(2 * jitter)
    }

    /// Draws the pause after this number of failed tries, with full jitter.
    pub(super) fn backoff(&mut self, tries: u32) -> u64 {
        let longest = BACKOFF_BASE_MS.saturating_mul(1 << tries.min(20)).min(BACKOFF_CAP_MS);
        self.up_to(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_cap_and_use_their_whole_range() {
        let mut chance = Chance::new(Seeded::new(7));
        for (tries, longest) in [(0, 500), (1, 1_000), (5, 16_000), (6, 20_000), (60, 20_000)] {
            let pauses: Vec<_> = (0..1_000).map(|_| chance.backoff(tries)).collect();
            assert!(pauses.iter().all(|pause| *pause <= longest), "{tries}");
            assert!(pauses.iter().any(|pause| *pause > longest * 9 / 10), "{tries}");
            assert!(pauses.iter().any(|pause| *pause < longest / 10), "{tries}");
        }
    }
}
