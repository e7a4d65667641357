//! The range of a change of a percentile that the noise of two runs leaves open.
//!
//! The seconds of both runs are drawn anew, with repetition, in pairs of blocks: a block of
//! neighbouring seconds of one run with the block at the same place of the other. The percentiles
//! of the drawn runs give a change; 99 of 100 changes are in the range. If zero is outside, the
//! change is more than noise. This is a paired block bootstrap. Seconds that follow each other are
//! alike, since a slow period covers several, and blocks keep that: H. Künsch, "The jackknife and
//! the bootstrap for general stationary observations", 1989,
//! <https://doi.org/10.1214/aos/1176347265>. Ranges from few blocks are too narrow, and are
//! expanded: T. Hesterberg, "What Teachers Should Know About the Bootstrap", 2015,
//! <https://doi.org/10.1080/00031305.2015.1089789>.
//!
//! The range covers the noise within the two runs. What differs from run to run, such as another
//! load of the machine, is not noise here.

use std::collections::{BTreeMap, BTreeSet};

/// Fewer blocks make too few different draws.
const LEAST_BLOCKS: usize = 8;
/// The seconds of the shortest block. A slow period is rarely over sooner.
const SHORTEST_BLOCK: usize = 3;
/// The number of draws.
const DRAWS: usize = 1_000;
/// The share of the draws on each side that is outside the range.
const OUTSIDE: f64 = 0.005;
/// The expansion of a range from few blocks: the quantile of Student's t to that of the normal
/// distribution, and the bias of the variance, are together about 1 + 3 / blocks.
const EXPANSION: f64 = 3.0;
/// The seed of the draws. It is constant, so that a comparison can be repeated.
const SEED: u64 = 0x5EED;
/// Times are stored with two digits, so a smaller change is none.
const RESOLUTION: f64 = 0.01;

/// Times of a run by place: the number of seconds (or longer intervals) since its phases began.
/// Each place has times in microseconds, with their counts.
pub(super) type Places = BTreeMap<i64, Vec<(u64, u64)>>;

/// The range of a change: factors minus one, so 0.12 is 12%.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Range {
    /// Returns true if no change is outside the range.
    pub(super) fn is_more_than_noise(self) -> bool {
        self.low > RESOLUTION || self.high < -RESOLUTION
    }
}

/// The reason why there is no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unknown {
    /// One of the runs has no times with their places.
    #[error("a result does not have these times by second")]
    NoTimes,
    /// The runs do not cover the same seconds.
    #[error("the runs have different lengths")]
    Lengths,
    /// The load test measured its own delays.
    #[error("the times of a run are invalid")]
    Invalid,
    /// There are too few seconds.
    #[error("the runs are too short: at least 24 seconds with deliveries are needed")]
    Short,
}

/// A run in blocks.
#[derive(Default)]
struct Blocks {
    /// Value, count and block of each time, sorted by value.
    times: Vec<(u64, u64, usize)>,
    /// The number of times in each block.
    counts: Vec<u64>,
}

/// Computes the range of the change of a quantile from A to B.
pub(super) fn range(a: &Places, b: &Places, quantile: f64) -> Result<Range, Unknown> {
    let (a, b) = pair(a, b)?;
    let blocks = a.counts.len();
    let change = |weights: &[u64]| (b.value(quantile, weights) / a.value(quantile, weights)).ln();
    let measured = change(&vec![1; blocks]);
    let mut state = SEED;
    let mut changes: Vec<f64> = (0..DRAWS).map(|_| change(&draw(blocks, &mut state))).collect();
    changes.sort_by(f64::total_cmp);
    let outside = (DRAWS as f64 * OUTSIDE) as usize;
    let expanded = |to: f64| measured + (to - measured) * (1.0 + EXPANSION / blocks as f64);
    Ok(Range { low: expanded(changes[outside]).exp_m1(), high: expanded(changes[DRAWS - 1 - outside]).exp_m1() })
}

/// The places that both runs have, in blocks.
fn pair(a: &Places, b: &Places) -> Result<(Blocks, Blocks), Unknown> {
    if a.is_empty() || b.is_empty() {
        return Err(Unknown::NoTimes);
    }
    let common: Vec<i64> = a.keys().filter(|place| b.contains_key(place)).copied().collect();
    let all = a.keys().chain(b.keys()).collect::<BTreeSet<_>>().len();
    if common.len() * 10 < all * 8 {
        return Err(Unknown::Lengths);
    }
    if common.len() < LEAST_BLOCKS * SHORTEST_BLOCK {
        return Err(Unknown::Short);
    }
    // The cube root of the number of seconds is the length that grows as the theory asks for.
    let length = ((common.len() as f64).cbrt().round() as usize).max(SHORTEST_BLOCK);
    Ok((Blocks::of(a, &common, length), Blocks::of(b, &common, length)))
}

impl Blocks {
    fn of(run: &Places, places: &[i64], length: usize) -> Self {
        let mut blocks = Self::default();
        for (n, places) in places.chunks(length).enumerate() {
            let here = places.iter().filter_map(|place| run.get(place)).flatten();
            let before = blocks.times.len();
            blocks.times.extend(here.map(|(value, count)| (*value, *count, n)));
            blocks.counts.push(blocks.times[before..].iter().map(|time| time.1).sum());
        }
        blocks.times.sort_unstable();
        blocks
    }

    /// The value at a quantile. Each block counts as often as it was drawn.
    fn value(&self, quantile: f64, weights: &[u64]) -> f64 {
        let all: u64 = self.counts.iter().zip(weights).map(|(count, weight)| count * weight).sum();
        let rank = ((all as f64 * quantile).ceil() as u64).max(1);
        let mut below = 0;
        let at_rank = self.times.iter().find(|(_, count, block)| {
            below += count * weights[*block];
            below >= rank
        });
        at_rank.map_or(1.0, |(value, ..)| (*value).max(1) as f64)
    }
}

/// Draws as many blocks as there are, with repetition: how often each was drawn.
fn draw(blocks: usize, state: &mut u64) -> Vec<u64> {
    let mut weights = vec![0; blocks];
    for _ in 0..blocks {
        weights[(split_mix(state) % blocks as u64) as usize] += 1;
    }
    weights
}

/// SplitMix64: G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators",
/// 2014, <https://doi.org/10.1145/2714064.2660195>.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number from 0 to 1.
    fn random(state: &mut u64) -> f64 {
        (split_mix(state) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, with a deviation of one.
    fn normal(state: &mut u64) -> f64 {
        (0..12).map(|_| random(state)).sum::<f64>() - 6.0
    }

    /// A run of slow and fast periods: each second is half as slow as the one before, and half by
    /// chance. The times of one second are alike, as those of one publication are.
    fn run(seed: u64, seconds: i64, slower: f64) -> Places {
        let mut state = seed;
        let mut period = 0.0;
        (0..seconds)
            .map(|second| {
                period = 0.5 * period + 0.2 * normal(&mut state);
                let times = (0..20).map(|_| {
                    let ms = 30.0 * slower * (period + 0.3 * normal(&mut state)).exp();
                    ((ms * 1_000.0) as u64, 1)
                });
                (second, times.collect())
            })
            .collect()
    }

    /// The number of pairs of runs, of 100, that differ by more than noise.
    fn called_different(seconds: i64, slower: f64, quantile: f64) -> usize {
        let differ = |seed: &u64| {
            let (a, b) = (run(seed * 2 + 1, seconds, 1.0), run(seed * 2 + 2, seconds, slower));
            range(&a, &b, quantile).unwrap().is_more_than_noise()
        };
        (0..100_u64).map(|seed| seed * 1_000_003).filter(differ).count()
    }

    #[test]
    fn two_runs_of_the_same_distribution_are_within_noise() {
        for (seconds, quantile) in [(24, 0.5), (30, 0.5), (30, 0.99), (120, 0.5), (120, 0.99)] {
            let wrong = called_different(seconds, 1.0, quantile);
            assert!(wrong <= 5, "{wrong} of 100 pairs of {seconds} s at {quantile}");
        }
    }

    #[test]
    fn a_run_that_is_slower_by_a_half_is_slower_by_more_than_noise() {
        for (seconds, quantile, at_least) in [(30, 0.5, 80), (120, 0.5, 100), (120, 0.99, 90)] {
            let found = called_different(seconds, 1.5, quantile);
            assert!(found >= at_least, "{found} of 100 pairs of {seconds} s at {quantile}");
        }
    }

    #[test]
    fn the_range_has_the_true_change_and_the_direction_of_the_comparison() {
        let (a, b) = (run(1, 120, 1.0), run(2, 120, 2.0));
        let (there, back) = (range(&a, &b, 0.5).unwrap(), range(&b, &a, 0.5).unwrap());
        assert!(there.low < 1.0 && there.high > 1.0 && there.low > 0.5, "{there:?}");
        assert!(back.low < -0.5 && back.high > -0.5 && back.high < -0.3, "{back:?}");
    }

    #[test]
    fn a_run_does_not_differ_from_itself_and_the_shortest_clear_change_is_seen() {
        let a = run(1, 60, 1.0);
        assert_eq!(range(&a, &a, 0.99), Ok(Range { low: 0.0, high: 0.0 }));
        let flat = |ms: u64| (0..24).map(|second| (second, vec![(ms, 10)])).collect::<Places>();
        assert!(range(&flat(10_000), &flat(11_000), 0.5).unwrap().is_more_than_noise());
        assert!(!range(&flat(10_000), &flat(10_090), 0.5).unwrap().is_more_than_noise(), "two digits");
    }

    #[test]
    fn one_stall_is_not_a_change_of_the_whole_run() {
        let calm = run(1, 60, 1.0);
        let mut stalled = run(2, 60, 1.0);
        stalled.insert(30, vec![(5_000_000, 20)]);
        let range = range(&calm, &stalled, 0.99).unwrap();
        assert!(!range.is_more_than_noise() && range.high > 10.0, "{range:?}");
    }

    #[test]
    fn runs_that_cannot_be_compared_are_told_why() {
        let run = |seconds| run(1, seconds, 1.0);
        assert_eq!(range(&run(23), &run(23), 0.5), Err(Unknown::Short));
        assert_eq!(range(&run(30), &run(60), 0.5), Err(Unknown::Lengths));
        assert_eq!(range(&run(30), &Places::new(), 0.5), Err(Unknown::NoTimes));
        assert!(range(&run(24), &run(24), 0.5).is_ok() && range(&run(900), &run(900), 0.5).is_ok());
    }
}
