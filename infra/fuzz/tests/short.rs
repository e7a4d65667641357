//! A short run of every target, and the growth of its costs with the length of its input.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use fuzz::{Budget, Session, TARGETS};

/// Inputs of one target: a second or two without optimisation.
const INPUTS: u64 = 400;

#[test]
fn no_hostile_input_panics_or_takes_more_than_4_mib() {
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
