//! Shortens the story of a failing seed: to as few faults and steps as still break the promise.

use std::collections::BTreeSet;

use crate::kind::Kind;
use crate::report::Options;
use crate::run::run;

/// The number of runs at which the search stops.
const TRIES: usize = 400;

/// The options with which the seed breaks a promise of the same kind with fewer faults and steps.
#[must_use]
pub fn shrink(seed: u64, options: &Options, kind: Kind) -> Options {
    let mut shortest = options.clone();
    let mut tries = 0;
    let mut fails = |options: &Options| {
        tries += 1;
        tries <= TRIES && run(seed, options).broken.iter().any(|broken| broken.kind == kind)
    };
    let report = run(seed, options);
    for fault in report.chosen {
        let mut without = shortest.clone();
        without.without.insert(fault);
        // Without a fault, the script of the seed may differ: this is another run, but a shorter
        // one that fails in the same way.
        if fails(&without) {
            shortest = without;
        }
    }
    let steps = run(seed, &shortest).steps;
    let mut size = steps.div_ceil(2).max(1);
    loop {
        let left: Vec<usize> = (0..steps).filter(|number| !shortest.skipped.contains(number)).collect();
        for chunk in left.chunks(size) {
            let mut without = shortest.clone();
            without.skipped.extend(chunk.iter().copied().collect::<BTreeSet<_>>());
            if fails(&without) {
                shortest = without;
            }
        }
        if size == 1 {
            return shortest;
        }
        size = size.div_ceil(2);
    }
}
