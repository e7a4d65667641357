//! Random numbers that are the same in every run of a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::ports::Chance;

/// The odd number nearest to 2^64 over the golden ratio: the step of splitmix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// splitmix64: one seed gives one sequence of numbers. Clones draw from the same sequence.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Debug, Clone)]
pub struct Seeded(Arc<AtomicU64>);

impl Seeded {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }
}

impl Chance for Seeded {
    fn bits(&self) -> u64 {
        let state = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference() {
        let chance = Seeded::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| chance.bits()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn clones_draw_from_one_run() {
        let (alone, shared) = (Seeded::new(7), Seeded::new(7));
        let other = shared.clone();
        let expected: Vec<u64> = (0..4).map(|_| alone.bits()).collect();
        assert_eq!(expected, [shared.bits(), other.bits(), shared.bits(), other.bits()]);
    }

    #[test]
    fn fractions_are_in_0_to_1() {
        let chance = Seeded::new(0);
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&chance.fraction())));
    }
}
