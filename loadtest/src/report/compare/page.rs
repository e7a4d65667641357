//! A comparison as a page: both runs drawn over each other, and what changed in words.

use std::fmt::Write;

use super::words::{METHOD, effect, headline, relative};
use super::{Comparison, Outcome};
use crate::measure::Bucket;
use crate::report::chart::{Chart, Look, Series, number};
use crate::report::charts::{curve, percentiles, phases_since};
use crate::report::markup::{Cell, Table, document, escape};
use crate::report::{Report, verdict};

const SECONDS: &str = "seconds since the phases began";

/// Renders the page.
#[must_use]
pub fn page(a: &Report, b: &Report) -> String {
    let comparison = Comparison::of(a, b);
    let mut body = String::new();
    // Writing to a string cannot fail.
    let _ = write_body(a, b, &comparison, &mut body);
    document(&format!("{}, two runs: {}", a.scenario.name, headline(&comparison)), &body)
}

fn write_body(a: &Report, b: &Report, comparison: &Comparison, out: &mut String) -> std::fmt::Result {
    let is_bad = matches!(comparison.outcome(), Outcome::Slower | Outcome::Mixed) || !comparison.caveats.is_empty();
    let class = if is_bad { "verdict bad" } else { "verdict" };
    write!(out, "<header><h1>{}, two runs</h1>", escape(&a.scenario.name))?;
    for (name, report) in [("A", a), ("B", b)] {
        let began = escape(&report.run.began);
        write!(out, "<p class=\"soft\"><b>{name}</b> on {began}: {}.</p>", escape(verdict::headline(report)))?;
    }
    write!(out, "<p class=\"{class}\">{}</p></header>", headline(comparison))?;
    for caveat in &comparison.caveats {
        write!(out, "<p>{}</p>", escape(caveat))?;
    }
    judged(comparison, out)?;
    for chart in charts(a, b) {
        out.write_str(&chart.draw())?;
    }
    counted(comparison, out)
}

fn judged(comparison: &Comparison, out: &mut String) -> std::fmt::Result {
    let mut table = Table::with_head(&[
        Cell::Text("time from publishing to"),
        Cell::Number("A, ms"),
        Cell::Number("B, ms"),
        Cell::Number("change"),
        Cell::Text("more than noise?"),
    ]);
    for change in &comparison.judged {
        let what = format!("{}, {}", change.what, change.percentile);
        table.row(&[
            Cell::Text(&what),
            Cell::Number(&number(change.from_ms)),
            Cell::Number(&number(change.to_ms)),
            Cell::Number(&relative(Some(change.from_ms), Some(change.to_ms))),
            Cell::Text(&effect(change)),
        ]);
    }
    write!(out, "<section><h2>What changed</h2>{table}<p class=\"soft\">{}</p></section>", escape(METHOD))
}

fn counted(comparison: &Comparison, out: &mut String) -> std::fmt::Result {
    let head = [Cell::Text(""), Cell::Number("A"), Cell::Number("B"), Cell::Number("change")];
    let mut table = Table::with_head(&head);
    for (name, a, b) in &comparison.counted {
        let shown = |value: &Option<f64>| value.map_or_else(|| "unknown".to_owned(), number);
        let cells = [shown(a), shown(b), relative(*a, *b)];
        table.row(&[Cell::Text(name), Cell::Number(&cells[0]), Cell::Number(&cells[1]), Cell::Number(&cells[2])]);
    }
    let about = "Each run has these numbers once, so their noise is not known.";
    write!(out, "<section><h2>Other numbers</h2><p class=\"soft\">{about}</p>{table}</section>")
}

/// Both runs over each other. The colour is the run, and the shape the percentile.
fn charts(a: &Report, b: &Report) -> Vec<Chart> {
    let time = |name: &str, look, value: fn(&Bucket) -> Option<f64>| {
        let of = |run: &str, report: &Report, colour| Series {
            name: format!("{run}, {name}"),
            points: since_phases(report, value),
            look,
            colour,
        };
        [of("A", a, 0), of("B", b, 1)]
    };
    let [p99_a, p99_b] = time("p99", Look::Line, |bucket| bucket.p99_ms);
    let [p50_a, p50_b] = time("p50", Look::Dashes, |bucket| bucket.p50_ms);
    let over_time = Chart {
        id: "latency",
        title: "Delivery time during both runs",
        about: "From the intended time of a publication until a member received it. p50: half of the deliveries took \
                at most this; p99: 99 of 100 did. Lines that cross again and again show noise; one that stays above \
                the other shows a change."
            .to_owned(),
        x: SECONDS,
        y: "milliseconds",
        series: vec![p99_a, p99_b, p50_a, p50_b],
        bands: phases_since(a, 0.0),
        ..Chart::default()
    };
    let deliveries = Chart {
        id: "deliveries",
        title: "Deliveries per second",
        about: "Publications that reached members, all members together.".to_owned(),
        x: SECONDS,
        y: "deliveries per second",
        series: time("deliveries per second", Look::Line, |bucket| Some(bucket.deliveries_per_s)).into(),
        bands: phases_since(a, 0.0),
        ..Chart::default()
    };
    let curves = vec![
        curve("A, to each member", &a.times.each, 0, Look::Line),
        curve("B, to each member", &b.times.each, 1, Look::Line),
        curve("A, to the last member", &a.times.last, 0, Look::Dashes),
        curve("B, to the last member", &b.times.last, 1, Look::Dashes),
    ];
    vec![over_time, percentiles(curves), deliveries]
}

/// The intervals from the start of the phases, so that both runs begin at zero. A result that does
/// not have that start begins with the run.
fn since_phases(report: &Report, value: fn(&Bucket) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    let began = report.run.phases_began_s.unwrap_or(0.0);
    let points = report.over_time.iter().map(|bucket| (bucket.at_s - began, value(bucket)));
    points.filter(|(at, _)| *at > -1.0).collect()
}
