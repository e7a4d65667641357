//! The verdict: what was owed, what arrived, how long it took.

use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::ledger::Ledger;

/// The verdict.
#[derive(Debug, Clone)]
pub struct Report {
    members: usize,
    publications: usize,
    joined: Duration,
    missing: u64,
    duplicates: u64,
    misordered: u64,
    repeats_on_the_wire: u64,
    resumes: u64,
    /// Microseconds from the intended time to each member.
    each: Histogram<u64>,
    /// Microseconds from the intended time to the last member.
    last: Histogram<u64>,
}

impl Report {
    /// Sums the ledgers up.
    #[must_use]
    pub fn of(ledgers: &[Ledger], intended: &[Instant], joined: Duration) -> Self {
        let empty = || Histogram::new_with_max(600_000_000, 3).unwrap_or_else(|_| unreachable!());
        let (mut each, mut last) = (empty(), empty());
        for (n, intended) in intended.iter().enumerate() {
            let took = ledgers.iter().filter_map(|ledger| ledger.arrivals.get(n).copied().flatten());
            let took: Vec<u64> = took.map(|at| at.saturating_duration_since(*intended).as_micros() as u64).collect();
            took.iter().for_each(|took| each.saturating_record(*took));
            if let Some(slowest) = took.iter().max() {
                last.saturating_record(*slowest);
            }
        }
        let sum = |of: fn(&Ledger) -> u64| ledgers.iter().map(of).sum();
        Self {
            members: ledgers.len(),
            publications: intended.len(),
            joined,
            missing: sum(|ledger| ledger.missing() as u64),
            duplicates: sum(|ledger| ledger.duplicates),
            misordered: misordered(ledgers),
            repeats_on_the_wire: sum(|ledger| ledger.repeats_on_the_wire),
            resumes: sum(|ledger| ledger.resumes),
            each,
            last,
        }
    }

    /// Whether everything arrived once and in order.
    #[must_use]
    pub fn is_correct(&self) -> bool {
        self.missing == 0 && self.duplicates == 0 && self.misordered == 0
    }
}

/// How many members heard another order than the one that heard most.
fn misordered(ledgers: &[Ledger]) -> u64 {
    let Some(most) = ledgers.iter().max_by_key(|ledger| ledger.order.len()) else { return 0 };
    ledgers.iter().filter(|ledger| !ledger.agrees_with(most)).count() as u64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owed = (self.members * self.publications) as u64;
        let verdict = if self.is_correct() { "every publication reached every member" } else { "NOT CORRECT" };
        let ms = |histogram: &Histogram<u64>, quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        writeln!(f, "{verdict}")?;
        writeln!(f, "  members x publications  {} x {} = {owed} owed", self.members, self.publications)?;
        writeln!(f, "  delivered               {}", owed - self.missing)?;
        writeln!(f, "  missing                 {}", self.missing)?;
        writeln!(
            f,
            "  duplicated              {} to the application, {} on the wire",
            self.duplicates, self.repeats_on_the_wire
        )?;
        writeln!(f, "  gaps filled by the log  {}", self.resumes)?;
        writeln!(f, "  misordered              {}", self.misordered)?;
        writeln!(f, "  all joined in           {:.1} s", self.joined.as_secs_f64())?;
        for (what, histogram) in [("to each member", &self.each), ("to the last member", &self.last)] {
            let [p50, p99, most] = [0.5, 0.99, 1.0].map(|quantile| ms(histogram, quantile));
            writeln!(f, "  {what:<22}  p50 {p50:.0} ms  p99 {p99:.0} ms  max {most:.0} ms")?;
        }
        Ok(())
    }
}
