//! The HTML report: one file that needs no network, in dark and light colours, readable without
//! other context.

use std::fmt::Write;

use super::charts::charts;
use super::judge::Verdict;
use super::{Report, verdict};
use crate::counters::grouped;

/// Renders the page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(report, &mut out);
    out
}

fn write_page(report: &Report, out: &mut String) -> std::fmt::Result {
    let (run, scenario) = (&report.run, &report.scenario);
    write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{name}: {headline}</title><style>{css}</style><h1>{name}</h1><p class=soft>{about}</p>",
        name = escape(&scenario.name),
        headline = verdict::headline(report),
        css = include_str!("page.css"),
        about = escape(&scenario.about),
    )?;
    let bad = if report.judgement.verdict == Verdict::Pass { "" } else { " bad" };
    write!(out, "<p class=\"verdict{bad}\">{}</p>", verdict::headline(report))?;
    if let Some(why) = &run.stopped {
        write!(out, "<p>It stopped before its end: {}.</p>", escape(why))?;
    }
    write!(
        out,
        "<p class=soft>{} members in {} rooms, connected to <span class=break>{}</span>, on {}; {:.0} s in all, {:.0} s of publishing. Roomcast broadcasts \
         publications to the members of rooms; this test published to rooms and checked, for every publication and every member, \
         that it arrived once and in order.</p>",
        whole(report.account.members),
        whole(scenario.room_count() as u64),
        escape(&run.url),
        escape(&run.began),
        run.seconds,
        run.phases_s,
    )?;
    findings(report, out)?;
    account(report, out)?;
    times(report, out)?;
    charts(report).iter().try_for_each(|chart| out.write_str(&chart.draw()))?;
    calls(report, out)?;
    trouble(report, out)?;
    generator(report, out)?;
    write!(out, "<p class=soft>--json-out writes every number, histograms included.</p></html>")
}

fn findings(report: &Report, out: &mut String) -> std::fmt::Result {
    let judgement = &report.judgement;
    for (title, findings) in
        [("What is wrong", &judgement.violations), ("Why the times are invalid", &judgement.invalid)]
    {
        if findings.is_empty() {
            continue;
        }
        write!(out, "<h2>{title}</h2><div class=wide><table>")?;
        for finding in findings {
            write!(out, "<tr><td>{}<td>{}", escape(&finding.what), escape(&finding.told))?;
        }
        write!(out, "</table></div>")?;
    }
    if judgement.thresholds.is_empty() {
        return Ok(());
    }
    write!(out, "<h2>Thresholds</h2><div class=wide><table><tr><th>threshold<th class=n>at most<th class=n>was<th>")?;
    for threshold in &judgement.thresholds {
        let was = threshold.was.map_or_else(|| "not measured".to_owned(), |was| format!("{was:.2}"));
        let held = if threshold.held() { "held" } else { "failed" };
        write!(out, "<tr><td>{}<td class=n>{}<td class=n>{was}<td>{held}", threshold.name, threshold.at_most)?;
    }
    write!(out, "</table></div>")
}

fn account(report: &Report, out: &mut String) -> std::fmt::Result {
    let (account, tally) = (&report.account, &report.account.tally);
    let rows = [
        ("expected", account.expected, "pairs of a publication and a member"),
        ("delivered", tally.delivered, "received by the member's application"),
        ("missing", account.missing, "owed to a member in the room, and never received"),
        ("excused", account.excused.all(), "not received by a member that was not in the room then"),
        ("duplicated", tally.duplicates, "received twice by an application"),
        ("misordered", account.misordered, "received in another order than by most members"),
        ("repeated on the wire", tally.repeats_on_the_wire, "arrived twice, and the second one was dropped: harmless"),
        (
            "recovered",
            tally.recovered_in_gaps + tally.recovered_by_resume,
            "did not arrive live, and were read from the log",
        ),
    ];
    write!(
        out,
        "<h2>Account</h2><p class=soft>expected = delivered + missing + excused, exactly.</p><div class=wide><table>"
    )?;
    for (name, count, about) in rows {
        write!(out, "<tr><td>{name}<td class=n>{}<td>{about}", whole(count))?;
    }
    write!(out, "</table></div>")
}

fn times(report: &Report, out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "<h2>Times, in milliseconds</h2><p class=soft>From the intended time of sending, whether it was sent then or \
         not. p99: 99 of 100 took at most this; a dash where there are too few for that.</p>\
         <div class=wide><table><tr><th>until<th class=n>count<th class=n>p50<th class=n>p90<th class=n>p99<th class=n>p99.9<th class=n>max"
    )?;
    for (name, times) in report.times.named() {
        write!(out, "<tr><td>{name}<td class=n>{}", whole(times.count()))?;
        for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
            let ms = times.resolved(quantile).map_or_else(|| "–".to_owned(), grouped);
            write!(out, "<td class=n>{ms}")?;
        }
    }
    write!(out, "</table></div>")
}

fn calls(report: &Report, out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "<h2>Calls and cost</h2><p class=soft>As counted by {}.</p><div class=wide><table>",
        escape(&report.usage.counted_by)
    )?;
    for (name, value) in report.usage.lines(&report.account) {
        write!(out, "<tr><td>{name}<td class=n>{value}")?;
    }
    write!(out, "<tr><td>cost<td>{}</table></div>", escape(&report.cost.to_string()))
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
        write!(out, "<h2>{title}</h2><p class=soft>{about}</p><div class=wide><table>")?;
        for (name, number) in numbers {
            write!(out, "<tr><td>{}<td class=n>{}", escape(name), grouped(*number))?;
        }
        write!(out, "</table></div>")?;
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
    write!(out, "<h2>The load test itself</h2><div class=wide><table>")?;
    for (name, value) in rows {
        write!(out, "<tr><td>{name}<td class=n>{value}")?;
    }
    write!(out, "</table></div>")
}

fn whole(number: u64) -> String {
    grouped(number as f64)
}

/// Escapes untrusted text.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
