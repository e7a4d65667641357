//! The judgement: what was violated, what makes the run say nothing, which thresholds failed.

use serde::{Deserialize, Serialize};

use super::Report;
use crate::measure::generator::{CLOCK_STEP_MS, LAG_P99_MS};
use crate::scenario::Thresholds;

/// What a run is worth, by its exit code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// 0: all is well.
    #[default]
    Pass,
    /// 3: it is correct, and a threshold failed.
    Threshold,
    /// 4: something was lost, repeated to an application, out of order, or where it does not belong.
    Incorrect,
    /// 5: the run says nothing, because the load test or its machine was at fault.
    Invalid,
    /// 1: the account does not add up: the load test is at fault.
    Internal,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// All in all.
    pub verdict: Verdict,
    /// What was violated.
    pub violations: Vec<Finding>,
    /// Why the run says nothing about speed.
    pub invalid: Vec<Finding>,
    /// Every threshold of the scenario.
    pub thresholds: Vec<Threshold>,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Its name.
    pub what: String,
    /// One sentence.
    pub told: String,
}

/// A threshold, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Its name in the scenario.
    pub name: String,
    /// At most this.
    pub at_most: f64,
    /// What it was; nothing if it was not measured, which fails.
    pub was: Option<f64>,
}

impl Threshold {
    /// Whether it held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.was.is_some_and(|was| was <= self.at_most)
    }
}

impl Verdict {
    /// What the process exits with.
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

/// A load test that takes this part of all processors for itself measures itself.
const BUSY: f64 = 0.9;
/// In a shorter run its share of the processors says nothing.
const LONG_S: f64 = 5.0;

/// Judges a report.
#[must_use]
pub fn judge(report: &Report) -> Judgement {
    let (violations, invalid, thresholds) = (violations(report), invalid(report), thresholds(report));
    // What is lost is lost, whoever looked: correctness comes before validity. Times mean nothing if the run is invalid:
    // validity comes before thresholds.
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
        ("lost prefix", lost.prefix, "did not come before the first that their member heard"),
        ("lost middle", lost.middle, "did not come, between others that their member heard"),
        ("lost tail", lost.tail, "did not come after the last that their member heard"),
        ("silent member", lost.whole, "did not come to members that heard nothing at all"),
        ("lost everywhere", lost.nowhere, "were accepted, and nobody ever heard them"),
        ("duplicated", tally.duplicates, "came to an application twice"),
        ("misordered", account.misordered, "came at another position than to most members"),
        ("phantom", tally.phantoms, "were heard, and nobody published them"),
        ("foreign room", tally.foreign_room, "were heard in a room where they do not belong"),
        ("late after leave", tally.late_after_leave, "came long after the answer to a leave"),
        ("other epoch", tally.other_epoch, "came with another epoch: positions began again"),
        ("ghost", report.census.ghosts, "members are counted by the server, and are not there"),
        ("uncounted", report.census.uncounted, "members are there, and not counted by the server"),
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
        find("negative latency", format!("{negative} times are below zero: the clock went back"));
    }
    if generator.clock_step_ms > CLOCK_STEP_MS {
        let ms = generator.clock_step_ms;
        find("clock step", format!("the wall clock was stepped by {ms:.0} ms, or this machine was suspended"));
    }
    if let Some(lag) = generator.lag.at(0.99).filter(|lag| *lag > LAG_P99_MS) {
        let told = format!(
            "the load test was late by {lag:.0} ms once in a hundred times; over {LAG_P99_MS} ms it measures itself"
        );
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
        ("posts_per_delivery", posts_per_delivery, report.usage.posts_per(report.account.tally.delivered)),
        ("stalled_members", count(stalled_members), Some(report.account.stalled_members as f64)),
        ("connections_lost", count(connections_lost), Some(report.traffic.connections_lost as f64)),
    ];
    let named = |(name, at_most, was): (&str, Option<f64>, Option<f64>)| {
        at_most.map(|at_most| Threshold { name: name.to_owned(), at_most, was })
    };
    all.into_iter().filter_map(named).collect()
}
