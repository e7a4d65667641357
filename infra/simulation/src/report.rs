//! How a run may differ from what its seed says, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::faults::Fault;
use crate::kind::Broken;
use crate::mistake::Mistake;
use crate::silent::Cause;
use crate::stake::Stake;

/// How a run differs from what its seed says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Faults that do not happen.
    pub without: BTreeSet<Fault>,
    /// Steps that are not taken, by number.
    pub skipped: BTreeSet<usize>,
    /// Whether the story is told.
    pub told: bool,
    /// A mistake that is made.
    pub mistake: Option<Mistake>,
    /// Points to be killed at, and at how manieth time.
    pub targets: BTreeMap<String, u64>,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// What was broken; empty if all held.
    pub broken: Vec<Broken>,
    /// How often each fault happened.
    pub fired: BTreeMap<Fault, u64>,
    /// The points that invocations came to, and how often they were killed there.
    pub points: BTreeMap<String, (u64, u64)>,
    /// How often something was looked at that a promise is about.
    pub stakes: BTreeMap<Stake, u64>,
    /// Pairs of a member and a room that were compared 90 s after everything had healed, by what excused them.
    pub excuses: BTreeMap<Option<Cause>, u64>,
    /// Pairs of a publication and a member that was told of it.
    pub deliveries: u64,
    /// Publications that got a position.
    pub publications: u64,
    /// Faults that could happen in it.
    pub chosen: BTreeSet<Fault>,
    /// How many steps its script has.
    pub steps: usize,
    /// Its story, if it was told.
    pub story: Vec<String>,
}
