//! Many seeds, and what they covered.

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

/// Every point at which a function can be killed, one a line; kept up by `--points`.
const POINTS: &str = include_str!("points.txt");

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Campaign {
    /// How many ran.
    pub seeds: u64,
    /// Those that broke a promise, with the first one broken.
    pub failed: Vec<Report>,
    /// How often each fault happened.
    pub fired: BTreeMap<Fault, u64>,
    /// How often invocations came to each point, and how often they were killed there.
    pub points: BTreeMap<String, (u64, u64)>,
    /// How often something was looked at that a promise is about.
    pub stakes: BTreeMap<Stake, u64>,
    /// Pairs of a member and a room that were compared 90 s after everything had healed, by what excused them.
    pub excuses: BTreeMap<Option<Cause>, u64>,
    /// Runs in which any pair was excused.
    pub runs_excused: u64,
    /// Pairs of a publication and a member that was told of it.
    pub deliveries: u64,
    /// Publications that got a position.
    pub publications: u64,
}

/// The points that are known.
pub fn points() -> impl Iterator<Item = &'static str> {
    lines().map(|line| line.strip_suffix(RARE).or_else(|| line.strip_suffix(SELDOM)).unwrap_or(line))
}

/// What follows a point that few runs come to: a function is killed there whenever it may be.
const RARE: &str = " rare";
/// What follows a point that one run in a thousand comes to: a campaign need not come to it.
const SELDOM: &str = " seldom";

fn lines() -> impl Iterator<Item = &'static str> {
    POINTS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// How a seed runs in a campaign: it is killed for certain at one of the known points, each seed at another.
#[must_use]
pub fn options(seed: u64, mistake: Option<Mistake>) -> Options {
    let known: Vec<&str> = points().collect();
    let at = seed.checked_rem(known.len() as u64).and_then(|at| known.get(usize::try_from(at).ok()?));
    let nth = 1 + seed / known.len().max(1) as u64 % 3;
    // Not all of them in one life: whoever is killed at each step gets nowhere.
    let rare =
        lines().filter_map(|line| line.strip_suffix(RARE)).zip(seed..).filter(|(_, turn)| turn.is_multiple_of(4));
    let mut targets: BTreeMap<String, u64> = rare.map(|(point, _)| (point.to_owned(), 1)).collect();
    targets.extend(at.map(|point| ((*point).to_owned(), nth)));
    Options { targets, mistake, ..Options::default() }
}

/// Runs seeds, as many at a time as there are processors; stops after so many that failed.
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

    /// What these seeds should have covered, and did not: each fault so often, each point killed at.
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
        uncovered.extend(stakes.map(|stake| format!("{stake} never was at stake: {}", stake.describe())));
        for (point, line) in points().zip(lines()) {
            match self.points.get(point) {
                _ if line.ends_with(SELDOM) => {}
                None => uncovered.push(format!("nobody came to the point {point}")),
                Some((seen, 0)) => {
                    uncovered.push(format!("{point} was seen {seen} times, and nobody was killed there"));
                }
                Some(_) => {}
            }
        }
        let unknown = self.points.keys().filter(|point| !points().any(|known| known == *point));
        uncovered.extend(unknown.map(|point| format!("{point} is not in points.txt: add it")));
        uncovered
    }
}
