//! The HTML report of a run: one file that needs no network, in dark and light colours, readable
//! without other context. The first screen has the verdict, four numbers, the delivery time during
//! the run, and the cost.

use std::fmt::Write;

use super::judge::{Threshold, Verdict};
use super::markup::{Cell, Table, document, escape};
use super::{Report, charts, verdict};
use crate::cost::dollars;
use crate::counters::grouped;
use crate::measure::Times;

/// Maximum examples of what is wrong.
const EXAMPLES: usize = 10;

/// Renders the page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut body = String::new();
    // Writing to a string cannot fail.
    let _ = write_body(report, &mut body);
    document(&format!("{}: {}", report.scenario.name, verdict::headline(report)), &body)
}

fn write_body(report: &Report, out: &mut String) -> std::fmt::Result {
    first_screen(report, out)?;
    thresholds(report, out)?;
    out.write_str(&charts::account(report).draw())?;
    wrong(report, out)?;
    for chart in charts::others(report) {
        out.write_str(&chart.draw())?;
    }
    times(report, out)?;
    calls(report, out)?;
    out.write_str(&charts::cost(report).draw())?;
    trouble(report, out)?;
    generator(report, out)?;
    write!(
        out,
        "<p class=\"soft\">The option <code>--json-out</code> stores every number of this page, and the whole \
                 distribution of all times.</p>"
    )
}

fn first_screen(report: &Report, out: &mut String) -> std::fmt::Result {
    let (run, scenario) = (&report.run, &report.scenario);
    let class = if report.judgement.verdict == Verdict::Pass { "verdict" } else { "verdict bad" };
    write!(
        out,
        "<header><h1>{}</h1><p class=\"soft\">{} {} in {}, for {:.0} s on {}, against <span class=\"break\">{}</span>.</p>\
         <p class=\"{class}\">{}</p></header>",
        escape(&scenario.name),
        escape(&scenario.about),
        counted(report.account.members, "member"),
        counted(scenario.room_count() as u64, "room"),
        run.phases_s,
        escape(&run.began),
        escape(&run.url),
        escape(verdict::headline(report)),
    )?;
    reasons(report, out)?;
    write!(out, "<dl class=\"tiles\">")?;
    for tile in tiles(report) {
        let class = match tile.held {
            Some(true) => "tile",
            Some(false) => "tile bad",
            None => "tile plain",
        };
        write!(
            out,
            "<div class=\"{class}\"><dt>{}</dt><dd class=\"value\">{}</dd><dd>{}</dd></div>",
            escape(&tile.label),
            escape(&tile.value),
            escape(&tile.detail)
        )?;
    }
    write!(out, "</dl>")?;
    out.write_str(&charts::latency(report).draw())?;
    write!(out, "<p class=\"cost\"><b>Cost:</b> {}</p>", escape(&cost(report)))
}

/// Why the verdict is not a pass.
fn reasons(report: &Report, out: &mut String) -> std::fmt::Result {
    let judgement = &report.judgement;
    let stopped = report.run.stopped.iter().map(|why| format!("the run was stopped before its end: {why}"));
    let found = judgement.violations.iter().chain(&judgement.invalid);
    let found = found.map(|finding| format!("{}: {}", finding.what, finding.told));
    let failed = judgement.thresholds.iter().filter(|threshold| !threshold.held()).map(|threshold| {
        let was = threshold.was.map_or_else(|| "not measured".to_owned(), super::chart::number);
        format!("{} was {was}; at most {} is allowed", threshold.name, super::chart::number(threshold.at_most))
    });
    let reasons: Vec<String> = stopped.chain(found).chain(failed).collect();
    if reasons.is_empty() {
        return Ok(());
    }
    write!(out, "<ul class=\"reasons\">")?;
    reasons.iter().try_for_each(|reason| write!(out, "<li>{}</li>", escape(reason)))?;
    write!(out, "</ul>")
}

/// One of the four numbers that matter.
struct Tile {
    label: String,
    value: String,
    /// The threshold, or that there is none.
    detail: String,
    /// Whether the threshold held; `None` without one.
    held: Option<bool>,
}

fn tiles(report: &Report) -> [Tile; 4] {
    let lost = report.traffic.connections_lost;
    let lost_threshold = threshold(report, "connections_lost");
    [
        delivered(report),
        percentile(report, "Delivery", &report.times.each, "each_p99_ms"),
        percentile(report, "Last member", &report.times.last, "last_p99_ms"),
        Tile {
            label: "Connections lost".to_owned(),
            value: whole(lost),
            detail: allowed(lost_threshold, ""),
            held: lost_threshold.map(Threshold::held),
        },
    ]
}

fn delivered(report: &Report) -> Tile {
    let (delivered, missing) = (report.account.tally.delivered, report.account.missing);
    let wrong = &report.judgement.violations;
    let told: Vec<&str> = wrong.iter().map(|finding| finding.what.as_str()).collect();
    let detail = if told.is_empty() {
        "none may be missing, repeated or out of order".to_owned()
    } else {
        format!("not allowed, but found: {}", told.join(", "))
    };
    let owed = delivered + missing;
    Tile {
        label: "Delivered once and in order".to_owned(),
        value: share(delivered, owed),
        detail: format!("{} of {}; {detail}", whole(delivered), whole(owed)),
        held: Some(told.is_empty()),
    }
}

/// A share for readers. It is never rounded up to 100%.
fn share(part: u64, all: u64) -> String {
    match (part, all) {
        (_, 0) => "–".to_owned(),
        (part, all) if part == all => "100%".to_owned(),
        (part, all) => format!("{:.3}%", (part as f64 / all as f64 * 100_000.0).floor() / 1_000.0),
    }
}

fn percentile(report: &Report, what: &str, times: &Times, name: &str) -> Tile {
    let threshold = threshold(report, name);
    let label = match (times.resolved(0.99), threshold) {
        // A threshold judges the percentile in any case.
        (Some(_), _) | (None, Some(_)) => format!("{what}: 99 of 100 within"),
        (None, None) => format!("{what}: all {} within", whole(times.count())),
    };
    let ms = times.at(0.99);
    let median = times.at(0.5).map(|ms| format!("half within {}; ", milliseconds(ms))).unwrap_or_default();
    Tile {
        label,
        value: ms.map_or_else(|| "not measured".to_owned(), milliseconds),
        detail: format!("{median}{}", allowed(threshold, " ms")),
        held: threshold.map(Threshold::held),
    }
}

fn threshold<'r>(report: &'r Report, name: &str) -> Option<&'r Threshold> {
    report.judgement.thresholds.iter().find(|threshold| threshold.name == name)
}

fn allowed(threshold: Option<&Threshold>, unit: &str) -> String {
    threshold.map_or_else(
        || "no threshold".to_owned(),
        |threshold| {
            let at_most = super::chart::number(threshold.at_most);
            let held = if threshold.held() { "held" } else { "FAILED" };
            format!("threshold {at_most}{unit}: {held}")
        },
    )
}

/// The cost as a few sentences.
fn cost(report: &Report) -> String {
    let (cost, delivered) = (&report.cost, report.account.tally.delivered);
    let amount = dollars(cost.counted_usd);
    let mut text = if cost.paid {
        format!("{amount} for what was counted.")
    } else {
        format!("{amount} if it had run on AWS; here it was free.")
    };
    let mut say = |sentence: &str| {
        text.push(' ');
        text.push_str(sentence);
    };
    if delivered > 0 && cost.counted_usd > 0.0 {
        say(&format!("That is {} for a million deliveries.", dollars(cost.counted_usd / delivered as f64 * 1e6)));
    }
    if let Some(posts) = report.usage.posts_per(delivered) {
        say(&format!("{posts:.2} messages were sent for each delivery."));
    }
    say(&format!("Predicted: {}; prices of {}.", dollars(cost.predicted_usd), cost.prices_of));
    if !cost.unknown.is_empty() {
        say(&format!("Not counted, so it costs more: {}.", cost.unknown.join(", ")));
    }
    text
}

fn thresholds(report: &Report, out: &mut String) -> std::fmt::Result {
    let judgement = &report.judgement;
    if judgement.thresholds.is_empty() {
        return Ok(());
    }
    let head = ["threshold", "at most", "measured", ""];
    let mut table =
        Table::with_head(&[Cell::Text(head[0]), Cell::Number(head[1]), Cell::Number(head[2]), Cell::Text(head[3])]);
    for threshold in &judgement.thresholds {
        let was = threshold.was.map_or_else(|| "not measured".to_owned(), |was| format!("{was:.2}"));
        let held = if threshold.held() { "held" } else { "FAILED" };
        let at_most = threshold.at_most.to_string();
        table.row(&[Cell::Text(&threshold.name), Cell::Number(&at_most), Cell::Number(&was), Cell::Text(held)]);
    }
    section("Thresholds of this scenario", "", &table, out)
}

/// What arrived wrongly, and what a client repaired.
fn wrong(report: &Report, out: &mut String) -> std::fmt::Result {
    let (account, tally) = (&report.account, &report.account.tally);
    let rows = [
        ("duplicated", tally.duplicates, "received twice by an application"),
        ("misordered", account.misordered, "received in another order than by most members"),
        (
            "repeated on the wire",
            tally.repeats_on_the_wire,
            "arrived twice, and the client dropped the second: harmless",
        ),
        (
            "out of order on the wire",
            tally.out_of_order_on_the_wire,
            "arrived early, and the client held them back: harmless",
        ),
    ];
    if !tally.samples.is_empty() {
        let mut examples = Table::default();
        for sample in tally.samples.iter().take(EXAMPLES) {
            examples.row(&[Cell::Text(&sample.what), Cell::Text(&sample.told)]);
        }
        section("Examples of what is wrong", "", &examples, out)?;
    }
    let mut table = Table::default();
    for (name, count, about) in rows {
        table.row(&[Cell::Text(name), Cell::Number(&whole(count)), Cell::Text(about)]);
    }
    section("Deliveries that came twice or out of order", "", &table, out)
}

fn times(report: &Report, out: &mut String) -> std::fmt::Result {
    let mut head = vec![Cell::Text("until"), Cell::Number("count")];
    head.extend(["p50", "p90", "p99", "p99.9", "max"].map(Cell::Number));
    let mut table = Table::with_head(&head);
    for (name, times) in report.times.named() {
        let numbers: Vec<String> = [0.5, 0.9, 0.99, 0.999, 1.0]
            .map(|quantile| times.resolved(quantile).map_or_else(|| "–".to_owned(), grouped))
            .into();
        let count = whole(times.count());
        let mut row = vec![Cell::Text(name), Cell::Number(&count)];
        row.extend(numbers.iter().map(|number| Cell::Number(number)));
        table.row(&row);
    }
    let about = "From the intended time of an action, whether it was done then or later. p99: 99 of 100 took at most \
                 this. A dash: too few times for that percentile.";
    section("All times, in milliseconds", about, &table, out)
}

fn calls(report: &Report, out: &mut String) -> std::fmt::Result {
    if let Some(bars) = charts::calls(report).filter(|bars| !bars.bars.is_empty()) {
        out.write_str(&bars.draw())?;
    }
    let mut table = Table::default();
    for (name, value) in report.usage.lines(&report.account) {
        table.row(&[Cell::Text(name), Cell::Number(&value)]);
    }
    for (function, count) in &report.usage.functions {
        let name = format!("invocations of {function}");
        table.row(&[Cell::Text(&name), Cell::Number(&grouped(*count))]);
    }
    let about = format!("Counted by {}.", report.usage.counted_by);
    section("The server's work", &about, &table, out)
}

/// The faults that fired, and the calls that failed.
fn trouble(report: &Report, out: &mut String) -> std::fmt::Result {
    let usage = &report.usage;
    let lists = [
        ("Faults on demand", "Faults that the stack was asked to inject, and how often each fired.", &usage.faults),
        (
            "Calls that failed",
            "Calls with an error or without a response, by caller. A write whose condition did not hold counts too.",
            &usage.failed_calls,
        ),
    ];
    for (title, about, numbers) in lists.into_iter().filter(|(_, _, numbers)| !numbers.is_empty()) {
        let mut table = Table::default();
        for (name, number) in numbers {
            table.row(&[Cell::Text(name), Cell::Number(&grouped(*number))]);
        }
        section(title, about, &table, out)?;
    }
    Ok(())
}

fn generator(report: &Report, out: &mut String) -> std::fmt::Result {
    let generator = &report.generator;
    let number =
        |number: Option<f64>, unit: &str| number.map_or_else(|| "unknown".to_owned(), |n| format!("{n:.1} {unit}"));
    let rows = [
        ("lag, p99", number(generator.lag.resolved(0.99), "ms")),
        ("share of a processor", number(generator.cpu_share.map(|share| share * 100.0), "%")),
        ("peak memory", number(generator.memory_bytes.map(|bytes| bytes as f64 / 1_048_576.0), "MiB")),
    ];
    let mut table = Table::default();
    for (name, value) in rows {
        table.row(&[Cell::Text(name), Cell::Number(&value)]);
    }
    let about = "A load test that cannot keep up measures its own delays. Then the times are invalid.";
    section("The load test itself", about, &table, out)
}

fn section(title: &str, about: &str, table: &Table, out: &mut String) -> std::fmt::Result {
    write!(out, "<section><h2>{}</h2>", escape(title))?;
    if !about.is_empty() {
        write!(out, "<p class=\"soft\">{}</p>", escape(about))?;
    }
    write!(out, "{table}</section>")
}

fn whole(number: u64) -> String {
    grouped(number as f64)
}

fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", whole(number), if number == 1 { "" } else { "s" })
}

/// A time for readers.
fn milliseconds(ms: f64) -> String {
    format!("{} ms", super::chart::number(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up_to_all() {
        assert_eq!(share(1_320, 1_320), "100%");
        assert_eq!(share(2_999_999, 3_000_000), "99.999%");
        assert_eq!(share(99_999_999, 100_000_000), "99.999%");
        assert_eq!(share(0, 0), "–");
    }
}
