//! Runs many seeds and adds up what they covered.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::faults::Fault;
use crate::mistake::Mistake;
use crate::report::{Options, Report};
use crate::run::run;
use crate::silent::Cause;
use crate::stake::Stake;

/// Every point at which a function can be killed, one on each line; `--points` prints the list.
const POINTS: &str = include_str!("points.txt");

/// The sums over many seeds.
#[derive(Debug, Default)]
pub struct Campaign {
    /// The number of seeds that ran.
    pub seeds: u64,
    /// Reports of the seeds that broke a promise.
    pub failed: Vec<Report>,
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
    /// Runs with at least one excused pair.
    pub runs_excused: u64,
    /// Pairs of a publication and a member that received it.
    pub deliveries: u64,
    /// Publications that got a position.
    pub publications: u64,
}

/// The points listed in points.txt.
pub fn points() -> impl Iterator<Item = &'static str> {
    lines().map(|line| line.strip_suffix(RARE).or_else(|| line.strip_suffix(SELDOM)).unwrap_or(line))
}

/// The suffix of a point that few runs reach: runs kill a function there whenever their turn comes.
const RARE: &str = " rare";
/// The suffix of a point that one run in a thousand reaches: a campaign does not have to cover it.
const SELDOM: &str = " seldom";

fn lines() -> impl Iterator<Item = &'static str> {
    POINTS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The options of a seed in a campaign: each seed kills a function at another one of the known
/// points.
#[must_use]
pub fn options(seed: u64, mistake: Option<Mistake>) -> Options {
    let known: Vec<&str> = points().collect();
    let at = seed.checked_rem(known.len() as u64).and_then(|at| known.get(usize::try_from(at).ok()?));
    let nth = 1 + seed / known.len().max(1) as u64 % 3;
    // Each run gets only a quarter of the rare points: a function that is killed at each step makes
    // no progress.
    let rare =
        lines().filter_map(|line| line.strip_suffix(RARE)).zip(seed..).filter(|(_, turn)| turn.is_multiple_of(4));
    let mut targets: BTreeMap<String, u64> = rare.map(|(point, _)| (point.to_owned(), 1)).collect();
    targets.extend(at.map(|point| ((*point).to_owned(), nth)));
    Options { targets, mistake, ..Options::default() }
}

/// Runs seeds in as many threads as there are processors, and stops after `failures` seeds have
/// failed.
pub fn campaign(seeds: Range<u64>, mistake: Option<Mistake>, failures: usize, tell: impl Fn(u64) + Sync) -> Campaign {
    let (next, sum) = (AtomicU64::new(seeds.start), Mutex::new(Campaign::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return;
        }
        let report = run(seed, &options(seed, mistake));
        let mut sum = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sum.add(report);
        tell(sum.seeds);
        if sum.failed.len() >= failures {
            next.store(seeds.end, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut sum = sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    sum.failed.sort_by_key(|report| report.seed);
    sum
}

impl Campaign {
    fn add(&mut self, report: Report) {
        self.seeds += 1;
        self.deliveries += report.deliveries;
        self.publications += report.publications;
        for (fault, times) in &report.fired {
            *self.fired.entry(*fault).or_default() += times;
        }
        for (stake, times) in &report.stakes {
            *self.stakes.entry(*stake).or_default() += times;
        }
        for (cause, times) in &report.excuses {
            *self.excuses.entry(*cause).or_default() += times;
        }
        self.runs_excused += u64::from(report.excuses.keys().any(Option::is_some));
        for (point, (seen, killed)) in &report.points {
            let (all_seen, all_killed) = self.points.entry(point.clone()).or_default();
            *all_seen += seen;
            *all_killed += killed;
        }
        if !report.broken.is_empty() {
            self.failed.push(report);
        }
    }

    /// The gaps in the coverage of these seeds. A campaign covers every fault at least `at_least`
    /// times, every stake, and a kill at every point.
    #[must_use]
    pub fn uncovered(&self, at_least: u64) -> Vec<String> {
        let mut uncovered = Vec::new();
        for fault in Fault::ALL {
            let fired = self.fired.get(fault).copied().unwrap_or_default();
            if fired < at_least {
                uncovered.push(format!("{fault} fired {fired} times: {}", fault.describe()));
            }
        }
        let stakes = Stake::ALL.iter().filter(|stake| !self.stakes.contains_key(stake));
        uncovered.extend(stakes.map(|stake| format!("{stake} was never checked: {}", stake.describe())));
        for (point, line) in points().zip(lines()) {
            match self.points.get(point) {
                _ if line.ends_with(SELDOM) => {}
                None => uncovered.push(format!("no invocation reached the point {point}")),
                Some((seen, 0)) => {
                    uncovered.push(format!("{seen} invocations reached {point}, and none was killed there"));
                }
                Some(_) => {}
            }
        }
        let unknown = self.points.keys().filter(|point| !points().any(|known| known == *point));
        uncovered.extend(unknown.map(|point| format!("{point} is not in points.txt: add it")));
        uncovered
    }
}
