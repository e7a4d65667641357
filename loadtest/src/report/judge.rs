//! The judgement: violations, reasons why the run is invalid, failed thresholds.

use serde::{Deserialize, Serialize};

use super::{PhaseTimes, Report};
use crate::measure::generator::{CLOCK_STEP_MS, LAG_P99_MS};
use crate::scenario::Thresholds;

/// The verdict on a run, with its exit code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// 0: the run is correct and valid, and every threshold held.
    #[default]
    Pass,
    /// 3: the run is correct, and a threshold failed.
    Threshold,
    /// 4: a publication was lost, delivered twice to an application, out of order, or in a wrong
    /// room.
    Incorrect,
    /// 5: the run is invalid, because the load test or its machine was at fault.
    Invalid,
    /// 1: the account does not add up, which is a fault of the load test.
    Internal,
}

/// The judgement of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// The verdict on the whole run.
    pub verdict: Verdict,
    /// Violations of correctness.
    pub violations: Vec<Finding>,
    /// Reasons why the times of the run are invalid.
    pub invalid: Vec<Finding>,
    /// Every threshold of the scenario.
    pub thresholds: Vec<Threshold>,
}

/// One finding of the judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The name of the finding.
    pub what: String,
    /// The description, one sentence.
    pub told: String,
}

/// A threshold, and the measured value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The threshold's name in the scenario.
    pub name: String,
    /// The maximum value.
    pub at_most: f64,
    /// The measured value; without one the threshold fails.
    pub was: Option<f64>,
}

impl Threshold {
    /// Returns true if the threshold held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.was.is_some_and(|was| was <= self.at_most)
    }
}

impl Verdict {
    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Internal => 1,
            Self::Threshold => 3,
            Self::Incorrect => 4,
            Self::Invalid => 5,
        }
    }
}

/// A load test that uses this share of all processors measures its own delays.
const BUSY: f64 = 0.9;
/// The processor share of a shorter run is not significant.
const LONG_S: f64 = 5.0;

/// Judges a report.
#[must_use]
pub fn judge(report: &Report) -> Judgement {
    let (violations, invalid, thresholds) = (violations(report), invalid(report), thresholds(report));
    // A lost publication is lost, whether the run is valid or not: correctness takes precedence
    // over validity. The times of an invalid run mean nothing: validity takes precedence over
    // thresholds.
    let verdict = if !report.account.adds_up() {
        Verdict::Internal
    } else if !violations.is_empty() {
        Verdict::Incorrect
    } else if !invalid.is_empty() {
        Verdict::Invalid
    } else if !thresholds.iter().all(Threshold::held) {
        Verdict::Threshold
    } else {
        Verdict::Pass
    };
    Judgement { verdict, violations, invalid, thresholds }
}

fn violations(report: &Report) -> Vec<Finding> {
    let (account, tally, lost) = (&report.account, &report.account.tally, report.account.lost);
    let counted = [
        ("lost prefix", lost.prefix, "missing before the first publication that their member received"),
        ("lost middle", lost.middle, "missing between publications that their member received"),
        ("lost tail", lost.tail, "missing after the last publication that their member received"),
        ("silent member", lost.whole, "missing for members that received nothing"),
        ("lost everywhere", lost.nowhere, "were accepted, and no member received them"),
        ("duplicated", tally.duplicates, "reached an application twice"),
        ("misordered", account.misordered, "arrived at another position than for most members"),
        ("phantom", tally.phantoms, "were received, and never published"),
        ("foreign room", tally.foreign_room, "were received in a wrong room"),
        ("late after leave", tally.late_after_leave, "arrived long after the reply to a leave"),
        ("other epoch", tally.other_epoch, "arrived with another epoch: positions restarted"),
        ("ghost", report.census.ghosts, "members are counted by the server, but have left"),
        ("uncounted", report.census.uncounted, "members are in their room, but not counted by the server"),
    ];
    let told =
        |(what, count, how): &(&str, u64, &str)| Finding { what: (*what).to_owned(), told: format!("{count} {how}") };
    counted.iter().filter(|(_, count, _)| *count > 0).map(told).collect()
}

fn invalid(report: &Report) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |what: &str, told: String| found.push(Finding { what: what.to_owned(), told });
    let generator = &report.generator;
    let negative: u64 = report.times.named().iter().map(|(_, times)| times.negative).sum();
    if negative > 0 {
        find("negative latency", format!("{negative} times are below zero: the clock stepped back"));
    }
    if generator.clock_step_ms > CLOCK_STEP_MS {
        let ms = generator.clock_step_ms;
        find("clock step", format!("the wall clock was stepped by {ms:.0} ms, or this machine was suspended"));
    }
    if let Some(lag) = generator.lag.at(0.99).filter(|lag| *lag > LAG_P99_MS) {
        let told =
            format!("the p99 lag of the load test was {lag:.0} ms; above {LAG_P99_MS} ms it measures its own delays");
        find("saturated generator", told);
    }
    let processors = std::thread::available_parallelism().map_or(1.0, |processors| processors.get() as f64);
    if let Some(share) = generator.cpu_share.filter(|share| *share > BUSY * processors && report.run.seconds >= LONG_S)
    {
        find("saturated generator", format!("the load test itself used {share:.1} of {processors} processors"));
    }
    let (joined, all) = (report.traffic.joined, report.scenario.members() as u64);
    if joined < all && report.run.stopped.is_none() {
        find("members missing", format!("{joined} of {all} members have joined"));
    }
    if report.account.publications == 0 && report.scenario.rooms.iter().any(|rooms| rooms.rate > 0.0) {
        find("nothing published", "no publication was sent: there is nothing to account for".to_owned());
    }
    found
}

fn thresholds(report: &Report) -> Vec<Threshold> {
    let Thresholds {
        accepted_p50_ms,
        accepted_p99_ms,
        each_p50_ms,
        each_p99_ms,
        each_p999_ms,
        last_p50_ms,
        last_p99_ms,
        join_p99_ms,
        resume_p99_ms,
        hostile_p99_ratio,
        posts_per_delivery,
        stalled_members,
        connections_lost,
    } = report.scenario.thresholds;
    let times = &report.times;
    let count = |count: Option<u64>| count.map(|count| count as f64);
    let all = [
        ("accepted_p50_ms", accepted_p50_ms, times.accepted.at(0.5)),
        ("accepted_p99_ms", accepted_p99_ms, times.accepted.at(0.99)),
        ("each_p50_ms", each_p50_ms, times.each.at(0.5)),
        ("each_p99_ms", each_p99_ms, times.each.at(0.99)),
        ("each_p999_ms", each_p999_ms, times.each.at(0.999)),
        ("last_p50_ms", last_p50_ms, times.last.at(0.5)),
        ("last_p99_ms", last_p99_ms, times.last.at(0.99)),
        ("join_p99_ms", join_p99_ms, times.join.at(0.99)),
        ("resume_p99_ms", resume_p99_ms, times.resume.at(0.99)),
        ("hostile_p99_ratio", hostile_p99_ratio, hostile_ratio(&report.phases)),
        ("posts_per_delivery", posts_per_delivery, report.usage.posts_per(report.account.tally.delivered)),
        ("stalled_members", count(stalled_members), Some(report.account.stalled_members as f64)),
        ("connections_lost", count(connections_lost), Some(report.traffic.connections_lost as f64)),
    ];
    let named = |(name, at_most, was): (&str, Option<f64>, Option<f64>)| {
        at_most.map(|at_most| Threshold { name: name.to_owned(), at_most, was })
    };
    all.into_iter().filter_map(named).collect()
}

/// The largest ratio of the times in a phase with a hostile connection to those of the control.
fn hostile_ratio(phases: &[PhaseTimes]) -> Option<f64> {
    let p99 = |phase: &PhaseTimes| phase.last.resolved(0.99);
    let control = phases.iter().find(|phase| phase.measured && !phase.hostile).and_then(p99)?;
    let hostile = phases.iter().filter(|phase| phase.hostile);
    hostile.map(|phase| p99(phase).map(|ms| ms / control)).reduce(|one, other| Some(one?.max(other?))).flatten()
}
