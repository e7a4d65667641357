//! The charts of a run.

use std::collections::BTreeMap;

use super::Report;
use super::chart::{Band, Bar, Bars, Chart, Lane, Limit, Look, Series};
use super::collect::thin;
use crate::ledger::SECOND;
use crate::measure::{Bucket, Times};
use crate::scenario::schedule::spans;

/// Labels of the axis of percentiles.
const PERCENTILES: [(&str, f64); 6] =
    [("p0", 0.0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];
/// Points of the percentile curve for each nine.
const POINTS_PER_NINE: u32 = 20;
/// Maximum dots of a chart.
const DOTS: usize = 1_200;
/// Kinds of calls, each with the operations that belong to it.
const KINDS: [(&str, &[&str]); 5] = [
    ("queries", &["dynamodb:Query", "dynamodb:Scan"]),
    ("reads by key", &["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:TransactGetItems"]),
    ("writes", &["dynamodb:"]),
    ("queue calls", &["sqs:"]),
    ("topic publishes", &["sns:"]),
];
const SECONDS: &str = "seconds since the run began";
const MILLISECONDS: &str = "milliseconds";

/// Latency over time, with the phases and the faults that fired.
pub(super) fn latency(report: &Report) -> Chart {
    let threshold = report.scenario.thresholds.each_p99_ms;
    Chart {
        id: "latency",
        title: "Delivery time during the run",
        about: "From the intended time of a publication until a member received it. p50: half of the deliveries took \
                at most this; p99: 99 of 100 did. A hill is a slow period."
            .to_owned(),
        x: SECONDS,
        y: MILLISECONDS,
        series: vec![
            Series { look: Look::Dashes, ..over_time(report, "p50", 0, |bucket| bucket.p50_ms) },
            over_time(report, "p99", 1, |bucket| bucket.p99_ms),
        ],
        bands: phases(report),
        lanes: faults(report),
        limit: threshold.map(|at| Limit { name: "threshold of p99".to_owned(), at }),
        ..Chart::default()
    }
}

/// The other charts over time and of percentiles.
pub(super) fn others(report: &Report) -> Vec<Chart> {
    let curves = vec![
        curve("to each member", &report.times.each, 0, Look::Line),
        curve("to the last member", &report.times.last, 1, Look::Dashes),
        curve("accepted by the server", &report.times.accepted, 2, Look::Line),
    ];
    let last_members = thin(&report.last_members, DOTS);
    let deliveries = |bucket: &Bucket| Some(bucket.deliveries_per_s);
    vec![
        percentiles(curves),
        Chart {
            id: "deliveries",
            title: "Deliveries per second",
            about: "Publications that reached members, all members together.".to_owned(),
            x: SECONDS,
            y: "deliveries per second",
            series: vec![over_time(report, "deliveries per second", 0, deliveries)],
            bands: phases(report),
            lanes: faults(report),
            ..Chart::default()
        },
        Chart {
            id: "last-members",
            title: "Time to the last member",
            about: "Each dot is a publication: the time until its last member had received it.".to_owned(),
            x: SECONDS,
            y: MILLISECONDS,
            series: vec![Series {
                name: "publication".to_owned(),
                points: last_members.iter().map(|point| (point.at_s, Some(point.ms))).collect(),
                look: Look::Dots,
                colour: 0,
            }],
            bands: phases(report),
            ..Chart::default()
        },
        Chart {
            id: "connections",
            title: "Connections",
            about: "Connected members. A dent is members that left, or a fault.".to_owned(),
            x: SECONDS,
            y: "connections",
            series: vec![over_time(report, "connections", 0, |bucket| Some(bucket.connected as f64))],
            bands: phases(report),
            ..Chart::default()
        },
    ]
}

/// The account as one bar. Its parts add up to all pairs of a publication and a member.
pub(super) fn account(report: &Report) -> Bars {
    let parts = account_parts(report);
    Bars {
        id: "account",
        title: "Where every delivery went".to_owned(),
        about: "Each pair of a publication and a member is in exactly one part. The parts add up to all pairs."
            .to_owned(),
        unit: "pairs of a publication and a member".to_owned(),
        bars: vec![Bar { name: "pairs".to_owned(), sizes: parts.iter().map(|part| part.1 as f64).collect() }],
        parts: parts.into_iter().map(|(name, _, about)| (name.to_owned(), about.to_owned())).collect(),
    }
}

/// The parts of the account: name, number of pairs, meaning.
pub(super) fn account_parts(report: &Report) -> [(&'static str, u64, &'static str); 7] {
    let (account, tally, excused) = (&report.account, &report.account.tally, &report.account.excused);
    let from_the_log = tally.recovered_in_gaps + tally.recovered_by_resume;
    [
        ("delivered live", tally.delivered.saturating_sub(from_the_log), "arrived as they were published"),
        ("recovered in gaps", tally.recovered_in_gaps, "a member noticed a gap, and read them from the log"),
        ("recovered by resume", tally.recovered_by_resume, "sent to a member when it returned after a lost connection"),
        ("missing", account.missing, "owed to a member in the room, and never received: a fault"),
        ("not in the room", excused.absent, "the member had not joined yet, or had left: nothing was owed"),
        ("in reported gaps", excused.told, "too old to recover, and the member was told so"),
        ("unknown", excused.unknown, "the request to publish had no reply: the publication may not exist"),
    ]
}

/// Calls of each function by kind; `None` if the counter does not know them.
pub(super) fn calls(report: &Report) -> Option<Bars> {
    let mut by_function: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, count) in &report.usage.calls {
        let (caller, operation) = name.split_once(' ')?;
        let is_of = |(_, prefixes): &(&str, &[&str])| prefixes.iter().any(|prefix| operation.starts_with(prefix));
        if let Some(kind) = KINDS.iter().position(is_of) {
            by_function.entry(caller).or_insert_with(|| vec![0.0; KINDS.len()])[kind] += count;
        }
    }
    let bar = |(name, sizes): (&str, Vec<f64>)| Bar { name: name.to_owned(), sizes };
    Some(Bars {
        id: "calls",
        title: "Calls of each function".to_owned(),
        about: "Calls of DynamoDB, SQS and SNS during the run. \"pollers\" are the receivers with which Lambda reads \
                queues and streams; \"developer\" is everything outside the functions, such as this load test."
            .to_owned(),
        unit: "calls".to_owned(),
        parts: KINDS.iter().map(|(name, _)| ((*name).to_owned(), String::new())).collect(),
        bars: by_function.into_iter().map(bar).collect(),
    })
}

/// The cost by part.
pub(super) fn cost(report: &Report) -> Bars {
    let mut parts: Vec<_> = report.cost.parts.iter().filter(|part| part.usd > 0.0).collect();
    parts.sort_by(|a, b| b.usd.total_cmp(&a.usd));
    Bars {
        id: "cost",
        title: "What it costs".to_owned(),
        about: format!("On AWS, by the prices of {}, without free allowances.", report.cost.prices_of),
        unit: "US dollars".to_owned(),
        parts: vec![("US dollars".to_owned(), String::new())],
        bars: parts.into_iter().map(|part| Bar { name: part.name.clone(), sizes: vec![part.usd] }).collect(),
    }
}

/// A chart of percentile curves.
pub(super) fn percentiles(series: Vec<Series>) -> Chart {
    let deepest = series.iter().filter_map(|series| series.points.last()).map(|point| point.0).fold(0.0, f64::max);
    let labels = PERCENTILES.iter().map(|(name, quantile)| (nines(*quantile), (*name).to_owned()));
    Chart {
        id: "percentiles",
        title: "Percentiles",
        about: "p90 is the time that 90 of 100 took at most. A line that rises at the right end has a long tail: a \
                few are much slower than the rest."
            .to_owned(),
        x: "percentile: the share that took at most this time",
        y: MILLISECONDS,
        series,
        x_labels: labels.filter(|(at, _)| *at <= deepest).collect(),
        ..Chart::default()
    }
}

/// The percentile curve of one kind of times, down to the last percentile that they resolve.
pub(super) fn curve(name: &str, times: &Times, colour: usize, look: Look) -> Series {
    let points = (0..=5 * POINTS_PER_NINE).map_while(|n| {
        let nines = f64::from(n) / f64::from(POINTS_PER_NINE);
        let place =
            PERCENTILES.iter().map(|(_, quantile)| *quantile).find(|quantile| near(self::nines(*quantile), nines));
        let quantile = place.unwrap_or(1.0 - 10_f64.powf(-nines));
        Some((nines, Some(times.resolved(quantile)?)))
    });
    let mut points: Vec<_> = points.collect();
    if let Some(median) = times.resolved(0.5) {
        // The median has a label, and is not among the round numbers of nines.
        points.push((nines(0.5), Some(median)));
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Series { name: name.to_owned(), points, look, colour }
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

/// The number of nines of a quantile, so that each decade has the same width.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

fn over_time(report: &Report, name: &str, colour: usize, value: fn(&Bucket) -> Option<f64>) -> Series {
    let points = report.over_time.iter().map(|bucket| (bucket.at_s, value(bucket)));
    Series { name: name.to_owned(), points: points.collect(), look: Look::Line, colour }
}

/// The phases of the run, in seconds since it began. A run that was stopped has fewer.
fn phases(report: &Report) -> Vec<Band> {
    report.run.phases_began_s.map_or_else(Vec::new, |began| phases_since(report, began))
}

/// The phases of the run, of which the first begins at this time.
pub(super) fn phases_since(report: &Report, began: f64) -> Vec<Band> {
    let end = began + report.run.phases_s;
    let at = |micros: i64| (began + micros as f64 / SECOND as f64).min(end);
    let bands = spans(&report.scenario.phases).map(|(phase, from, until)| Band {
        name: phase.name.clone(),
        from: at(from),
        until: at(until),
        note: if phase.measured { "" } else { ", times do not count" },
    });
    bands.filter(|band| band.until > band.from).collect()
}

/// The faults that fired, by the second in which they were seen.
fn faults(report: &Report) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    for mark in &report.fault_marks {
        let second = mark.at_s.floor();
        let lane = lanes.iter().position(|lane| lane.name == mark.fault).unwrap_or_else(|| {
            lanes.push(Lane { name: mark.fault.clone(), marks: Vec::new() });
            lanes.len() - 1
        });
        let marks = &mut lanes[lane].marks;
        match marks.last_mut().filter(|last| last.0.total_cmp(&second).is_eq()) {
            Some((_, fired)) => *fired += mark.fired,
            None => marks.push((second, mark.fired)),
        }
    }
    lanes
}
