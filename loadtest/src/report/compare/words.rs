//! A comparison in words.

use std::fmt::Write;

use super::{Change, Comparison, Effect, Outcome};
use crate::report::chart::number;
use crate::report::{Report, verdict};

/// The method, for readers who do not know it.
pub(super) const METHOD: &str = "How noise is judged: the seconds of both runs are drawn anew 1,000 times, in pairs of \
     blocks of neighbouring seconds (a block bootstrap), and 99 of 100 changes between such draws are in the range; a \
     change is more than noise if its whole range is above +1% or below -1%. The range does not cover what differs from \
     run to run, such as another load of the machine: compare two runs of the same version to see that.";

/// Formats the changes from one run to another.
#[must_use]
pub fn text(a: &Report, b: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(a, b, &mut out);
    out
}

fn write(a: &Report, b: &Report, out: &mut String) -> std::fmt::Result {
    let comparison = Comparison::of(a, b);
    for (name, report) in [("A", a), ("B", b)] {
        writeln!(out, "{name}  {} on {}: {}", report.scenario.name, report.run.began, verdict::headline(report))?;
    }
    writeln!(out, "{}", headline(&comparison))?;
    comparison.caveats.iter().try_for_each(|caveat| writeln!(out, "{caveat}"))?;
    comparison.judged.iter().try_for_each(|change| writeln!(out, "  {}", sentence(change)))?;
    writeln!(out, "{METHOD}")?;
    writeln!(out, "Numbers that each run has once, so their noise is not known:")?;
    writeln!(out, "{:<34}{:>14}{:>14}{:>10}", "", "A", "B", "change")?;
    for (name, a, b) in &comparison.counted {
        let shown = |value: &Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.3}"));
        writeln!(out, "{name:<34}{:>14}{:>14}{:>10}", shown(a), shown(b), relative(*a, *b))?;
    }
    Ok(())
}

/// The comparison as one sentence.
pub(super) fn headline(comparison: &Comparison) -> &'static str {
    match comparison.outcome() {
        Outcome::Same => "SAME: no change of the delivery time is more than noise.",
        Outcome::Slower => "SLOWER: B delivers more slowly than A, by more than noise.",
        Outcome::Faster => "FASTER: B delivers faster than A, by more than noise.",
        Outcome::Mixed => "MIXED: B is slower than A in one respect and faster in another, both by more than noise.",
        Outcome::Unjudged => "NOT JUDGED: whether a change is more than noise cannot be known from these results.",
    }
}

/// One change as a sentence.
pub(super) fn sentence(change: &Change) -> String {
    let Change { what, percentile, from_ms, to_ms, .. } = change;
    let values = format!("{what}, {percentile}: {} -> {} ms", number(*from_ms), number(*to_ms));
    format!("{values} ({}). {}.", percent(change.relative()), effect(change))
}

/// The judgement of a change, with its range.
pub(super) fn effect(change: &Change) -> String {
    let (word, range) = match change.effect {
        Effect::WithinNoise(range) => ("Within noise", range),
        Effect::Slower(range) => ("Slower, by more than noise", range),
        Effect::Faster(range) => ("Faster, by more than noise", range),
        Effect::Unjudged(why) => return format!("Not judged: {why}"),
    };
    format!("{word}: the change is between {} and {}", percent(range.low), percent(range.high))
}

/// The change from one number to another.
pub(super) fn relative(a: Option<f64>, b: Option<f64>) -> String {
    match (a, b) {
        (Some(a), Some(b)) if a > 0.0 => percent(b / a - 1.0),
        (Some(a), Some(b)) if a.total_cmp(&b).is_eq() => "same".to_owned(),
        _ => "-".to_owned(),
    }
}

fn percent(change: f64) -> String {
    format!("{:+.1}%", change * 100.0)
}
