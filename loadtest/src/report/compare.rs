//! Comparison of two results.

use std::fmt::Write;

use super::{Report, verdict};

/// Formats the changes from one run to another.
#[must_use]
pub fn text(a: &Report, b: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(a, b, &mut out);
    out
}

fn write(a: &Report, b: &Report, out: &mut String) -> std::fmt::Result {
    for (name, report) in [("A", a), ("B", b)] {
        writeln!(out, "{name}  {} on {}: {}", report.scenario.name, report.run.began, verdict::headline(report))?;
    }
    if a.scenario != b.scenario {
        writeln!(out, "The scenarios differ: so may the numbers, for that reason alone.")?;
    }
    writeln!(out, "{:<34}{:>14}{:>14}{:>10}", "", "A", "B", "change")?;
    for ((name, ours), (_, theirs)) in a.times.named().into_iter().zip(b.times.named()) {
        for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            row(&format!("{name} {label}, ms"), ours.at(quantile), theirs.at(quantile), out)?;
        }
    }
    let count = |count: u64| Some(count as f64);
    row("missing", count(a.account.missing), count(b.account.missing), out)?;
    row("duplicated", count(a.account.tally.duplicates), count(b.account.tally.duplicates), out)?;
    row("recovered in gaps", count(a.account.tally.recovered_in_gaps), count(b.account.tally.recovered_in_gaps), out)?;
    row("deliveries a second", per_second(a), per_second(b), out)?;
    let (posts_a, posts_b) =
        (a.usage.posts_per(a.account.tally.delivered), b.usage.posts_per(b.account.tally.delivered));
    row("posts per delivery", posts_a, posts_b, out)?;
    row("invocations", a.usage.invocations, b.usage.invocations, out)?;
    row("invocation milliseconds", a.usage.invocation_ms, b.usage.invocation_ms, out)?;
    row("dollars, of what was counted", Some(a.cost.counted_usd), Some(b.cost.counted_usd), out)
}

/// Deliveries a second during the phases.
fn per_second(report: &Report) -> Option<f64> {
    (report.run.phases_s > 0.0).then(|| report.account.tally.delivered as f64 / report.run.phases_s)
}

fn row(name: &str, a: Option<f64>, b: Option<f64>, out: &mut String) -> std::fmt::Result {
    if a.is_none() && b.is_none() {
        return Ok(());
    }
    let number = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.3}"));
    let change = match (a, b) {
        (Some(a), Some(b)) if a > 0.0 => format!("{:+.1}%", (b / a - 1.0) * 100.0),
        (Some(a), Some(b)) if a == b => "same".to_owned(),
        _ => "-".to_owned(),
    };
    writeln!(out, "{name:<34}{:>14}{:>14}{change:>10}", number(a), number(b))
}
