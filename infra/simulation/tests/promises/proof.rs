//! Proves a promise: it holds in runs that exercise it, and a check finds it broken in runs with
//! each of its mistakes.

use simulation::campaign::options;
use simulation::{Kind, Life, Mistake, Report, Stake, run};

/// The number of runs without a mistake.
const LIVES: usize = 60;
/// The number of runs within which a mistake must be found.
const MISTAKEN_LIVES: usize = 2_000;

/// A promise, and how to prove it.
pub(crate) struct Promise {
    /// Selects the seeds that exercise it.
    pub(crate) lives: fn(&Life) -> bool,
    /// The stakes that must be checked, and how often at least.
    pub(crate) stakes: &'static [(Stake, u64)],
    /// The kinds of report that break it.
    pub(crate) kinds: &'static [Kind],
    /// The names of the mistakes that break it.
    pub(crate) mistakes: &'static [&'static str],
}

impl Promise {
    /// Runs the proof, and panics if the promise is broken or a mistake is not found.
    pub(crate) fn holds(&self) {
        let reports: Vec<Report> = self.seeds(LIVES).map(|seed| run(seed, &options(seed, None))).collect();
        for report in &reports {
            assert!(!self.is_broken(report), "seed {}: {:?}", report.seed, report.broken);
        }
        for (stake, at_least) in self.stakes {
            let times: u64 = reports.iter().filter_map(|report| report.stakes.get(stake)).sum();
            assert!(times >= *at_least, "{stake} was checked {times} times: {}", stake.describe());
        }
        for name in self.mistakes {
            let mistake = Mistake::all().into_iter().find(|mistake| mistake.name() == *name);
            assert!(mistake.is_some(), "there is no mistake {name}");
            let found = self.seeds(MISTAKEN_LIVES).find(|seed| self.is_broken(&run(*seed, &options(*seed, mistake))));
            assert!(found.is_some(), "{name} is not found in {MISTAKEN_LIVES} runs");
        }
    }

    fn seeds(&self, count: usize) -> impl Iterator<Item = u64> {
        (0..).filter(|seed| (self.lives)(&Life::of(*seed))).take(count)
    }

    fn is_broken(&self, report: &Report) -> bool {
        report.broken.iter().any(|broken| self.kinds.contains(&broken.kind))
    }
}
