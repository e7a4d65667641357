//! The result of a run, for the user and for the exit status.

use std::fmt;
use std::time::Duration;

use local::faults::{Count, Fault};

use super::ledger::Finding;

/// Most findings that are printed. There may be one for each member, and a few are enough to start
/// with.
const TOLD: usize = 20;

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// Number of required pairs of a publication and a member.
    pub pairs: u64,
    /// Number of publications in the logs.
    pub publications: usize,
    /// Number of publications whose publisher received the answer that they are accepted.
    pub accepted: usize,
    /// Number of publications whose publisher restarted before the answer.
    pub unknown: u64,
    /// Number of members.
    pub members: usize,
    /// Number of rooms.
    pub rooms: usize,
    /// Seed of the random decisions.
    pub seed: u64,
    /// Counts of each fault.
    pub faults: Vec<(Fault, Count)>,
    /// Requested faults that never happened.
    pub not_fired: Vec<&'static str>,
    /// All violations of promises.
    pub findings: Vec<Finding>,
    /// Duration of the run.
    pub took: Duration,
}

impl Report {
    /// Returns whether there are no violations.
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
            writeln!(f, "requested but never happened: {}", self.not_fired.join(", "))?;
        }
        let Self { members, rooms, publications, accepted, unknown, pairs, seed, .. } = self;
        writeln!(f, "{members} members, {rooms} rooms, seed {seed}, {:.1} s", self.took.as_secs_f64())?;
        writeln!(
            f,
            "{publications} publications: {accepted} answered as accepted, {unknown} of members that restarted before the answer"
        )?;
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
