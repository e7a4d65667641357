//! The charts of the report.

use super::Report;
use super::svg::{Chart, Series};
use crate::measure::Bucket;

/// Makes the charts: latency over time, percentiles, deliveries a second, connections, time to the
/// last member.
pub(super) fn charts(report: &Report) -> Vec<Chart> {
    vec![
        Chart {
            title: "Latency over time",
            about: "Latency of deliveries, by the intended time of the publication. A hill is a slow period.",
            x: "seconds since the run began",
            y: "milliseconds",
            series: vec![
                over_time(report, "p50", |bucket| bucket.p50_ms),
                over_time(report, "p99", |bucket| bucket.p99_ms),
            ],
            ..Chart::default()
        },
        percentiles(report),
        Chart {
            title: "Deliveries a second",
            about: "Deliveries to all members together.",
            x: "seconds since the run began",
            y: "deliveries a second",
            series: vec![over_time(report, "deliveries a second", |bucket| Some(bucket.deliveries_per_s))],
            ..Chart::default()
        },
        Chart {
            title: "Connections",
            about: "Connected members. A dent is churn, or a fault.",
            x: "seconds since the run began",
            y: "connections",
            series: vec![over_time(report, "connections", |bucket| Some(bucket.connected as f64))],
            ..Chart::default()
        },
        Chart {
            title: "Time to the last member",
            about: "Each dot is a publication: the time until its last member had received it.",
            x: "seconds since the run began",
            y: "milliseconds",
            series: vec![Series {
                name: "publications",
                points: report.last_members.iter().map(|point| (point.at_s, point.ms)).collect(),
                dots: true,
            }],
            ..Chart::default()
        },
    ]
}

fn over_time(report: &Report, name: &'static str, value: fn(&Bucket) -> Option<f64>) -> Series {
    let points = report.over_time.iter().filter_map(|bucket| value(bucket).map(|value| (bucket.at_s, value)));
    Series { name, points: points.collect(), dots: false }
}

/// The number of nines of a quantile, so that each decade has the same width.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile.min(0.999_99)).log10()
}

fn percentiles(report: &Report) -> Chart {
    let curve = |name, times: &crate::measure::Times| {
        let points = times.curve().into_iter().map(|(quantile, ms)| (nines(quantile), ms));
        Series { name, points: points.collect(), dots: false }
    };
    let labels = [("p0", 0.0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];
    let deepest = report.times.each.curve().last().map_or(0.0, |(quantile, _)| nines(*quantile));
    Chart {
        title: "Percentiles",
        about: "The share of all times below each value. A line that rises at the right end has a long tail.",
        x: "part of all times, by its percentile",
        y: "milliseconds",
        series: vec![
            curve("to each member", &report.times.each),
            curve("to the last member", &report.times.last),
            curve("accepted", &report.times.accepted),
        ],
        x_labels: labels
            .iter()
            .map(|(name, quantile)| (nines(*quantile), (*name).to_owned()))
            .filter(|(at, _)| *at <= deepest)
            .collect(),
    }
}
