//! Random decisions from a seed. The n-th occasion of a fault has the same result in every run.
//! Other events in between do not change it.

/// Returns a number from 0 to 1 (never 1) for an occasion of a fault.
pub(crate) fn throw(seed: u64, fault: u64, occasion: u64) -> f64 {
    let mixed = mix(seed ^ mix(fault ^ mix(occasion)));
    // A double represents 53 bits exactly, so the upper 53 bits are used.
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Mixes bits by SplitMix64, whose output passes the usual tests of randomness. Source:
/// <https://prng.di.unimi.it/splitmix64.c>
fn mix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_are_spread_evenly_and_differ_by_seed_and_fault() {
        let below = |seed, fault, limit| (0..10_000).filter(|n| throw(seed, fault, *n) < limit).count();
        assert!((1_850..2_150).contains(&below(1, 1, 0.2)), "{}", below(1, 1, 0.2));
        assert!((450..550).contains(&below(7, 3, 0.05)), "{}", below(7, 3, 0.05));
        assert_ne!(throw(1, 1, 0), throw(2, 1, 0));
        assert_ne!(throw(1, 1, 0), throw(1, 2, 0));
    }
}
