//! The verdict as a few lines of text.

use std::fmt::Write;

use super::Report;
use super::judge::Verdict;
use crate::counters::grouped;

/// Formats the verdict with the most important numbers.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(report, &mut text);
    text
}

/// The verdict as one sentence.
#[must_use]
pub fn headline(report: &Report) -> &'static str {
    let correct = report.judgement.violations.is_empty();
    match report.judgement.verdict {
        Verdict::Pass => "PASS: every publication reached every member, once and in order",
        Verdict::Threshold => "TOO SLOW: every publication reached every member, and a threshold failed",
        Verdict::Incorrect => "NOT CORRECT",
        Verdict::Invalid if correct => {
            "INVALID: every publication reached every member, but the times are not reliable"
        }
        Verdict::Invalid => "INVALID",
        Verdict::Internal => "INTERNAL ERROR: the account does not add up; this is a fault of the load test",
    }
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    let (account, tally) = (&report.account, &report.account.tally);
    writeln!(text, "{}", headline(report))?;
    if let Some(why) = &report.run.stopped {
        writeln!(text, "  stopped before its end: {why}")?;
    }
    for finding in report.judgement.violations.iter().chain(&report.judgement.invalid) {
        writeln!(text, "  {:<24}{}", finding.what, finding.told)?;
    }
    for sample in tally.samples.iter().filter(|_| !report.judgement.violations.is_empty()).take(10) {
        writeln!(text, "    {}", sample.told)?;
    }
    for threshold in report.judgement.thresholds.iter().filter(|threshold| !threshold.held()) {
        let was = threshold.was.map_or_else(|| "not measured".to_owned(), |was| format!("{was:.3}"));
        writeln!(text, "  {:<24}measured {was}; at most {} is allowed", threshold.name, threshold.at_most)?;
    }
    for (fault, fired) in &report.usage.faults {
        writeln!(text, "  fault on demand         {fault}: {} times", grouped(*fired))?;
    }
    writeln!(
        text,
        "  members x publications  {} x {}, {} pairs expected",
        account.members, account.publications, account.expected
    )?;
    writeln!(text, "  delivered               {}", tally.delivered)?;
    writeln!(text, "  missing                 {}", account.missing)?;
    let excused = account.excused;
    writeln!(
        text,
        "  excused                 {} ({} not in the room then, {} in reported gaps, {} unknown)",
        excused.all(),
        excused.absent,
        excused.told,
        excused.unknown
    )?;
    writeln!(
        text,
        "  duplicated              {} to the application, {} on the wire",
        tally.duplicates, tally.repeats_on_the_wire
    )?;
    writeln!(
        text,
        "  misordered              {} to the application, {} on the wire",
        account.misordered, tally.out_of_order_on_the_wire
    )?;
    writeln!(
        text,
        "  recovered               {} in gaps, {} by resume",
        tally.recovered_in_gaps, tally.recovered_by_resume
    )?;
    writeln!(
        text,
        "  unknown                 {} published without a reply, {} refused",
        account.unknown, account.refused
    )?;
    writeln!(text, "  stalled members         {}", account.stalled_members)?;
    times(report, text)?;
    phases(report, text)?;
    calls(report, text)?;
    let generator = &report.generator;
    let number =
        |number: Option<f64>, unit: &str| number.map_or_else(|| "unknown".to_owned(), |n| format!("{n:.1}{unit}"));
    writeln!(
        text,
        "  the load test itself    lag p99 {}, {} of a processor, at most {} of memory",
        number(generator.lag.at(0.99), " ms"),
        number(generator.cpu_share.map(|share| share * 100.0), "%"),
        number(generator.memory_bytes.map(|bytes| bytes as f64 / 1_048_576.0), " MiB"),
    )
}

fn times(report: &Report, text: &mut String) -> std::fmt::Result {
    for (name, times) in report.times.named() {
        let name = format!("to {name}")
            .replace("to accepted", "accepted")
            .replace("to join", "joined")
            .replace("to resume", "resumed");
        if times.count() == 0 {
            continue;
        }
        let ms = |quantile| times.resolved(quantile).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"));
        writeln!(
            text,
            "  {name:<22}  p50 {} ms  p90 {}  p99 {}  p99.9 {}  max {}",
            ms(0.5),
            ms(0.9),
            ms(0.99),
            ms(0.999),
            ms(1.0)
        )?;
    }
    Ok(())
}

fn phases(report: &Report, text: &mut String) -> std::fmt::Result {
    if report.phases.is_empty() {
        return Ok(());
    }
    let traffic = &report.traffic;
    writeln!(text, "  hostile requests        {}, of which {} were refused", traffic.attacks, traffic.attacks_refused)?;
    for phase in &report.phases {
        let ms = |quantile| phase.last.resolved(quantile).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"));
        writeln!(text, "    to last, {:<14} p50 {} ms  p99 {}", phase.name, ms(0.5), ms(0.99))?;
    }
    Ok(())
}

fn calls(report: &Report, text: &mut String) -> std::fmt::Result {
    let usage = &report.usage;
    writeln!(text, "  calls, as counted by    {}", usage.counted_by)?;
    for (name, value) in usage.lines(&report.account) {
        writeln!(text, "    {name:<38}{value}")?;
    }
    for (call, failed) in &usage.failed_calls {
        writeln!(text, "    failed: {call:<30}{}", grouped(*failed))?;
    }
    writeln!(text, "  cost                    {}", report.cost)
}
