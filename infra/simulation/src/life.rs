//! The properties of a seed, known without running it, so that a test can choose the seeds that
//! exercise a promise.

use std::collections::BTreeSet;

use crate::faults::{Fault, Faults};
use crate::trouble::Trouble;

/// The properties of a seed: its faults and its trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The number that decides everything in the run.
    pub seed: u64,
    /// True if the run has no faults, apart from poison and the trouble of one room or one member.
    pub calm: bool,
    /// The faults that may happen in the run.
    pub faults: BTreeSet<Fault>,
    /// The trouble of one room or one member, if there is one.
    pub trouble: Option<Trouble>,
}

impl Life {
    /// The life that a seed leads to.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let faults = Faults::of(seed, &BTreeSet::new());
        Self { seed, calm: faults.is_calm(), trouble: Trouble::of(seed, &faults), faults: faults.chosen() }
    }

    /// Reports whether a fault may happen in the run.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}
