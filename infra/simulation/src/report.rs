//! The options of a run beside its seed, and the results of the run.

use std::collections::{BTreeMap, BTreeSet};

use crate::faults::Fault;
use crate::kind::Broken;
use crate::mistake::Mistake;
use crate::silent::Cause;
use crate::stake::Stake;

/// The options with which a run differs from the plain run of its seed.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Faults that must not happen.
    pub without: BTreeSet<Fault>,
    /// Numbers of the script's steps that are left out.
    pub skipped: BTreeSet<usize>,
    /// True if the run records its story.
    pub told: bool,
    /// The mistake that the run makes on purpose.
    pub mistake: Option<Mistake>,
    /// Points at which an invocation is killed, and at which of the invocations that reach the
    /// point.
    pub targets: BTreeMap<String, u64>,
}

/// The results of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed of the run.
    pub seed: u64,
    /// The broken promises; empty if every promise held.
    pub broken: Vec<Broken>,
    /// The number of times that each fault happened.
    pub fired: BTreeMap<Fault, u64>,
    /// For each point: the number of invocations that reached it, and the number that were killed
    /// there.
    pub points: BTreeMap<String, (u64, u64)>,
    /// The number of times that each stake was checked.
    pub stakes: BTreeMap<Stake, u64>,
    /// Pairs of a member and a room that were compared 90 s after all faults had ended, by their
    /// excuse.
    pub excuses: BTreeMap<Option<Cause>, u64>,
    /// Pairs of a publication and a member that received it.
    pub deliveries: u64,
    /// Publications that got a position.
    pub publications: u64,
    /// Faults that could happen in the run.
    pub chosen: BTreeSet<Fault>,
    /// The number of steps in the script.
    pub steps: usize,
    /// The lines of the story; empty unless the options asked for it.
    pub story: Vec<String>,
}
