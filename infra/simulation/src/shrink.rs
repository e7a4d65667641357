//! The shortest story of a seed that fails: with as few faults and steps as it takes.

use std::collections::BTreeSet;

use crate::kind::Kind;
use crate::report::Options;
use crate::run::run;

/// Runs that are tried at the most.
const TRIES: usize = 400;

/// What of a run can be left out so that the same promise is broken all the same.
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
        // People do other things where there is no such fault: it may be another run, but it is shorter, and fails alike.
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
