//! What came of it, for a person and for an exit status.

use std::fmt;
use std::time::Duration;

use local::faults::{Count, Fault};

use super::ledger::Finding;

/// Stories that are told; there may be one per member, and a few are enough to begin with.
const TOLD: usize = 20;

/// The outcome of a run.
#[derive(Debug)]
pub struct Report {
    /// Pairs of a publication and a member that was owed it.
    pub pairs: u64,
    /// Publications in the logs.
    pub publications: usize,
    /// Publications whose publisher was told that they are accepted.
    pub accepted: usize,
    /// Publications whose publisher restarted before there was an answer.
    pub unknown: u64,
    /// Members.
    pub members: usize,
    /// Rooms.
    pub rooms: usize,
    /// What decided.
    pub seed: u64,
    /// How often each fault happened.
    pub faults: Vec<(Fault, Count)>,
    /// Faults that were asked for and never happened.
    pub not_fired: Vec<&'static str>,
    /// Everything that does not hold.
    pub findings: Vec<Finding>,
    /// All in all.
    pub took: Duration,
}

impl Report {
    /// Whether everything holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fault  happened  of occasions")?;
        for (fault, count) in &self.faults {
            let (number, what) = fault.describe();
            writeln!(f, "{number:<5} {:>9} {:>13}  {what}", count.fired, count.occasions)?;
        }
        if !self.not_fired.is_empty() {
            writeln!(f, "asked for, and never happened: {}", self.not_fired.join(", "))?;
        }
        let Self { members, rooms, publications, accepted, unknown, pairs, seed, .. } = self;
        writeln!(f, "{members} members, {rooms} rooms, seed {seed}, {:.1} s", self.took.as_secs_f64())?;
        writeln!(f, "{publications} publications: {accepted} told to be accepted, {unknown} by who restarted before")?;
        writeln!(f, "{pairs} required pairs of a publication and a member")?;
        if self.holds() {
            return write!(f, "each of them exactly once and in order; no ghost is left; every count is true");
        }
        write!(f, "{} things do not hold:", self.findings.len())?;
        for finding in self.findings.iter().take(TOLD) {
            write!(f, "\n  {}", finding.0)?;
        }
        if self.findings.len() > TOLD {
            write!(f, "\n  and {} more", self.findings.len() - TOLD)?;
        }
        Ok(())
    }
}
