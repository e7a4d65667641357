//! A page for somebody who was not there: one file, no network, dark and light.

use std::fmt::Write;

use super::charts::charts;
use super::judge::Verdict;
use super::{Report, verdict};

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
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
    write!(
        out,
        "<p class=soft>{} members in {} rooms, connected to {}, on {}; {:.0} s in all, {:.0} s of publishing. Roomcast broadcasts \
         publications to the members of rooms; this test published to rooms and looked, for every publication and every member, \
         whether it came, once and in order.</p>",
        report.account.members,
        scenario.room_count(),
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
    write!(
        out,
        "<h2>All of it in text</h2><pre>{}</pre><p class=soft>result.json has every number, histograms included.</p></html>",
        escape(&verdict::text(report))
    )
}

fn findings(report: &Report, out: &mut String) -> std::fmt::Result {
    let judgement = &report.judgement;
    for (title, findings) in
        [("What is wrong", &judgement.violations), ("Why the times say nothing", &judgement.invalid)]
    {
        if findings.is_empty() {
            continue;
        }
        write!(out, "<h2>{title}</h2><table>")?;
        for finding in findings {
            write!(out, "<tr><td>{}<td>{}", escape(&finding.what), escape(&finding.told))?;
        }
        write!(out, "</table>")?;
    }
    if judgement.thresholds.is_empty() {
        return Ok(());
    }
    write!(out, "<h2>Thresholds</h2><table><tr><th>threshold<th class=n>at most<th class=n>was<th>")?;
    for threshold in &judgement.thresholds {
        let was = threshold.was.map_or_else(|| "not measured".to_owned(), |was| format!("{was:.2}"));
        let held = if threshold.held() { "held" } else { "failed" };
        write!(out, "<tr><td>{}<td class=n>{}<td class=n>{was}<td>{held}", threshold.name, threshold.at_most)?;
    }
    write!(out, "</table>")
}

fn account(report: &Report, out: &mut String) -> std::fmt::Result {
    let (account, tally) = (&report.account, &report.account.tally);
    let rows = [
        ("expected", account.expected, "pairs of a publication and a member"),
        ("delivered", tally.delivered, "heard by the member's application"),
        ("missing", account.missing, "owed to a member that was there, and never came"),
        ("excused", account.excused.all(), "not heard, by a member that was not in the room then"),
        ("duplicated", tally.duplicates, "heard twice by an application"),
        ("misordered", account.misordered, "heard in another order than by most members"),
        ("repeated on the wire", tally.repeats_on_the_wire, "came twice, and the second was dropped: harmless"),
        (
            "recovered",
            tally.recovered_in_gaps + tally.recovered_by_resume,
            "did not come live, and were got from the log",
        ),
    ];
    write!(out, "<h2>Account</h2><p class=soft>expected = delivered + missing + excused, exactly.</p><table>")?;
    for (name, count, about) in rows {
        write!(out, "<tr><td>{name}<td class=n>{count}<td>{about}")?;
    }
    write!(out, "</table>")
}

fn times(report: &Report, out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "<h2>Times, in milliseconds</h2><p class=soft>From the moment something was meant to be sent, whether it was sent then or \
         not. p99: 99 of 100 took at most this.</p>\
         <table><tr><th>until<th class=n>count<th class=n>p50<th class=n>p90<th class=n>p99<th class=n>p99.9<th class=n>max"
    )?;
    for (name, times) in report.times.named() {
        write!(out, "<tr><td>{name}<td class=n>{}", times.count())?;
        for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
            let ms = times.at(quantile).map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0}"));
            write!(out, "<td class=n>{ms}")?;
        }
    }
    write!(out, "</table>")
}

fn calls(report: &Report, out: &mut String) -> std::fmt::Result {
    write!(out, "<h2>Calls and cost</h2><p class=soft>As counted by {}.</p><table>", escape(&report.usage.counted_by))?;
    for (name, value) in report.usage.lines(&report.account) {
        write!(out, "<tr><td>{name}<td class=n>{value}")?;
    }
    write!(out, "<tr><td>cost<td>{}</table>", escape(&report.cost.to_string()))
}

/// Text that is not ours to trust.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
