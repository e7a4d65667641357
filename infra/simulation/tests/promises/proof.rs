//! How a promise is proved: nothing of it is broken in lives in which it is at stake, and it is found broken where a mistake
//! is made.

use simulation::campaign::options;
use simulation::{Kind, Life, Mistake, Report, Stake, run};

/// Lives that are lived as they are.
const LIVES: usize = 60;
/// Lives after which a mistake should have been found.
const MISTAKEN_LIVES: usize = 2_000;

/// What a promise is about.
pub(crate) struct Promise {
    /// In which lives it is at stake.
    pub(crate) lives: fn(&Life) -> bool,
    /// What was looked at in them, and how often at least.
    pub(crate) stakes: &'static [(Stake, u64)],
    /// How it is reported when it is broken.
    pub(crate) kinds: &'static [Kind],
    /// What breaks it.
    pub(crate) mistakes: &'static [&'static str],
}

impl Promise {
    /// Proves it.
    pub(crate) fn holds(&self) {
        let reports: Vec<Report> = self.seeds(LIVES).map(|seed| run(seed, &options(seed, None))).collect();
        for report in &reports {
            assert!(!self.is_broken(report), "seed {}: {:?}", report.seed, report.broken);
        }
        for (stake, at_least) in self.stakes {
            let times: u64 = reports.iter().filter_map(|report| report.stakes.get(stake)).sum();
            assert!(times >= *at_least, "{stake} was looked at {times} times: {}", stake.describe());
        }
        for name in self.mistakes {
            let mistake = Mistake::all().into_iter().find(|mistake| mistake.name() == *name);
            assert!(mistake.is_some(), "there is no mistake {name}");
            let found = self.seeds(MISTAKEN_LIVES).find(|seed| self.is_broken(&run(*seed, &options(*seed, mistake))));
            assert!(found.is_some(), "{name} is not found in {MISTAKEN_LIVES} lives");
        }
    }

    fn seeds(&self, count: usize) -> impl Iterator<Item = u64> {
        (0..).filter(|seed| (self.lives)(&Life::of(*seed))).take(count)
    }

    fn is_broken(&self, report: &Report) -> bool {
        report.broken.iter().any(|broken| self.kinds.contains(&broken.kind))
    }
}
