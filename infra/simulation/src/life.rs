//! What a seed is about, before it is lived: so that a test can choose the lives in which something is at stake.

use std::collections::BTreeSet;

use crate::faults::{Fault, Faults};
use crate::trouble::Trouble;

/// What a seed is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Which.
    pub seed: u64,
    /// Whether nothing ever goes wrong in it, but for what nobody can read, and what one room or one member is up to.
    pub calm: bool,
    /// What may go wrong in it.
    pub faults: BTreeSet<Fault>,
    /// What one room or one member is up to.
    pub trouble: Option<Trouble>,
}

impl Life {
    /// Of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let faults = Faults::of(seed, &BTreeSet::new());
        Self { seed, calm: faults.is_calm(), trouble: Trouble::of(seed, &faults), faults: faults.chosen() }
    }

    /// Whether something may go wrong in it.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}
