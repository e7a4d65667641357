//! A short run of every target, and the growth of its costs with the length of its input.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fuzz::{Budget, Session, TARGETS};

/// Inputs of one target: a second or two without optimisation.
const INPUTS: u64 = 400;
/// Held by a test that measures: time and memory are those of the process.
static MEASURING: Mutex<()> = Mutex::new(());

#[test]
fn no_hostile_input_panics_or_takes_more_than_4_mib() {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    for target in TARGETS {
        // Builds without optimisation have no budget of time.
        let budget = Budget { cpu: None, ..Budget::FULL };
        let outcome = Session::new(target, budget, 1).run(|_, inputs| inputs < INPUTS);
        if let Some((input, failure)) = outcome.failed {
            let shown: String = String::from_utf8_lossy(&input).chars().take(400).collect();
            panic!("{}: {failure:?} by {} bytes: {shown}", target.name, input.len());
        }
    }
}

/// Inputs of 16 KB and of 128 KB are compared: the time of the large one is at most this many times
/// as long. Eight times is linear, and 64 times quadratic.
const GROWTH: u32 = 24;
/// Runs of inputs that seem to grow too fast.
const REPEATS: usize = 5;
/// Processor time below this is not compared, because it is counted in coarse steps.
const COMPARED_FROM: Duration = Duration::from_millis(8);

#[test]
fn the_cost_of_a_parser_grows_with_the_length_of_its_input_and_not_with_its_square() {
    const SHORT: usize = 16 * 1024;
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    for target in TARGETS {
        let session = Session::new(target, Budget { cpu: None, ..Budget::FULL }, 1);
        for (short, long) in target.grown(SHORT).iter().zip(target.grown(8 * SHORT)) {
            // Only what seems to grow too fast is measured again: other work disturbs single runs.
            let grows = |runs| {
                let (took, bytes) = session.cost(&long, runs).unwrap();
                assert!(bytes <= Budget::FULL.memory_bytes, "{}: {bytes} bytes", target.name);
                if took <= COMPARED_FROM {
                    return None;
                }
                let (before, _) = session.cost(short, runs).unwrap();
                (took > before * GROWTH).then_some((before, took))
            };
            if let Some(times) = grows(1).and_then(|_| grows(REPEATS)) {
                let begin = String::from_utf8_lossy(&long[..60]);
                panic!("{}: from 16 to 128 KB the time grew from {times:?}: {begin}", target.name);
            }
        }
    }
}

#[test]
fn every_folder_of_the_corpus_belongs_to_a_target() {
    let targets: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(targets.len(), TARGETS.len());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(targets.contains(name.as_str()), "corpus/{name}");
    }
}
