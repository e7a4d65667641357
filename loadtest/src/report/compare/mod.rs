//! Comparison of two results: what changed from A to B, and whether it is more than noise.

mod noise;
mod page;
mod words;

pub use page::page;
pub use words::text;

use self::noise::{Places, Range, Unknown, range};
use super::{Report, Verdict};
use crate::measure::Times;
use crate::scenario::schedule::spans;

/// The judged percentiles.
const JUDGED: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

/// What changed from one run to another.
#[derive(Debug, Clone, PartialEq)]
struct Comparison {
    /// Changes of the delivery time, each judged.
    judged: Vec<Change>,
    /// Numbers that each run has once, so that their noise is not known.
    counted: Vec<(String, Option<f64>, Option<f64>)>,
    /// Reasons why the runs may differ besides the server.
    caveats: Vec<String>,
}

/// The change of one percentile.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    /// What the percentile measures.
    what: &'static str,
    percentile: &'static str,
    /// The value in A and in B, in milliseconds.
    from_ms: f64,
    to_ms: f64,
    effect: Effect,
}

/// The judgement of a change.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    WithinNoise(Range),
    Slower(Range),
    Faster(Range),
    /// There is nothing to judge it by.
    Unjudged(Unknown),
}

/// The result of a comparison in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Same,
    Slower,
    Faster,
    Mixed,
    /// No change was judged.
    Unjudged,
}

impl Change {
    /// The change as a factor minus one.
    fn relative(&self) -> f64 {
        self.to_ms / self.from_ms - 1.0
    }
}

impl Comparison {
    fn of(a: &Report, b: &Report) -> Self {
        let kinds = [
            ("delivery to each member", &a.times.each, &b.times.each, each(a), each(b)),
            ("delivery to the last member", &a.times.last, &b.times.last, last(a), last(b)),
        ];
        let judged = kinds.iter().flat_map(|(what, a, b, a_places, b_places)| {
            JUDGED.iter().filter_map(|percentile| change(what, *percentile, (a, a_places), (b, b_places)))
        });
        let mut judged: Vec<Change> = judged.collect();
        if [a, b].iter().any(|report| !report.judgement.invalid.is_empty()) {
            judged.iter_mut().for_each(|change| change.effect = Effect::Unjudged(Unknown::Invalid));
        }
        Self { judged, counted: counted(a, b), caveats: caveats(a, b) }
    }

    fn outcome(&self) -> Outcome {
        let any = |is: fn(Effect) -> bool| self.judged.iter().any(|change| is(change.effect));
        let slower = any(|effect| matches!(effect, Effect::Slower(_)));
        let faster = any(|effect| matches!(effect, Effect::Faster(_)));
        match (slower, faster) {
            (true, true) => Outcome::Mixed,
            (true, false) => Outcome::Slower,
            (false, true) => Outcome::Faster,
            (false, false) if any(|effect| matches!(effect, Effect::WithinNoise(_))) => Outcome::Same,
            (false, false) => Outcome::Unjudged,
        }
    }
}

fn change(
    what: &'static str,
    (percentile, quantile): (&'static str, f64),
    (a, a_places): (&Times, &Places),
    (b, b_places): (&Times, &Places),
) -> Option<Change> {
    let (from_ms, to_ms) = (a.resolved(quantile)?, b.resolved(quantile)?);
    let effect = match range(a_places, b_places, quantile) {
        Err(unknown) => Effect::Unjudged(unknown),
        Ok(range) if !range.is_more_than_noise() => Effect::WithinNoise(range),
        Ok(range) if range.low > 0.0 => Effect::Slower(range),
        Ok(range) => Effect::Faster(range),
    };
    Some(Change { what, percentile, from_ms, to_ms, effect })
}

/// Times to each member, by interval since the phases began.
fn each(report: &Report) -> Places {
    let width =
        report.over_time.get(1).zip(report.over_time.first()).map_or(1.0, |(next, first)| next.at_s - first.at_s);
    let Some(began) = report.run.phases_began_s else { return Places::new() };
    let place = |at_s: f64| ((at_s - began) / width).floor() as i64;
    let places = report.over_time.iter().map(|bucket| (place(bucket.at_s), bucket.values()));
    places.filter(|(_, values)| !values.is_empty()).collect()
}

/// Times to the last member of publications whose times count, by second since the phases began.
fn last(report: &Report) -> Places {
    let mut places = Places::new();
    let Some(began) = report.run.phases_began_s else { return places };
    let measured: Vec<_> = spans(&report.scenario.phases)
        .filter(|(phase, ..)| phase.measured)
        .map(|(_, from, until)| from as f64 / 1e6..until as f64 / 1e6)
        .collect();
    let since = |at_s: f64| at_s - began;
    let counts = |at_s: f64| measured.iter().any(|span| span.contains(&since(at_s)));
    let points: Vec<_> = report.last_members.iter().filter(|point| counts(point.at_s)).collect();
    // A result with very many publications has only the slowest of neighbours.
    if (points.len() as u64) < report.times.last.count() {
        return places;
    }
    for point in points {
        places.entry(since(point.at_s).floor() as i64).or_default().push(((point.ms * 1_000.0).round() as u64, 1));
    }
    places
}

fn caveats(a: &Report, b: &Report) -> Vec<String> {
    let mut caveats = Vec::new();
    if a.scenario != b.scenario {
        caveats.push("The scenarios differ, so the numbers may differ for that reason alone.".to_owned());
    }
    for (name, report) in [("A", a), ("B", b)] {
        if !report.judgement.invalid.is_empty() {
            let why: Vec<&str> = report.judgement.invalid.iter().map(|finding| finding.what.as_str()).collect();
            caveats.push(format!("The times of {name} are invalid ({}).", why.join(", ")));
        }
        if report.judgement.verdict == Verdict::Incorrect {
            let what: Vec<&str> = report.judgement.violations.iter().map(|finding| finding.what.as_str()).collect();
            caveats.push(format!("{name} is not correct ({}). No amount of that is noise.", what.join(", ")));
        }
    }
    caveats
}

/// Reads a number of a result; `None` if the result does not have it.
type Number = fn(&Report) -> Option<f64>;

fn counted(a: &Report, b: &Report) -> Vec<(String, Option<f64>, Option<f64>)> {
    let mut rows = Vec::new();
    for ((name, ours), (_, theirs)) in a.times.named().into_iter().zip(b.times.named()) {
        for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            let is_judged = quantile < 0.999 && ["each member", "last member"].contains(&name);
            if !is_judged {
                rows.push((format!("{name} {label}, ms"), ours.resolved(quantile), theirs.resolved(quantile)));
            }
        }
    }
    let numbers: [(&str, Number); 9] = [
        ("missing", |report| Some(report.account.missing as f64)),
        ("duplicated", |report| Some(report.account.tally.duplicates as f64)),
        ("recovered in gaps", |report| Some(report.account.tally.recovered_in_gaps as f64)),
        ("recovered by resume", |report| Some(report.account.tally.recovered_by_resume as f64)),
        ("deliveries a second", per_second),
        ("posts per delivery", |report| report.usage.posts_per(report.account.tally.delivered)),
        ("invocations", |report| report.usage.invocations),
        ("invocation milliseconds", |report| report.usage.invocation_ms),
        ("dollars, of what was counted", |report| Some(report.cost.counted_usd)),
    ];
    rows.extend(numbers.map(|(name, number)| (name.to_owned(), number(a), number(b))));
    rows.retain(|(_, a, b)| a.is_some() || b.is_some());
    rows
}

/// Deliveries a second during the phases.
fn per_second(report: &Report) -> Option<f64> {
    (report.run.phases_s > 0.0).then(|| report.account.tally.delivered as f64 / report.run.phases_s)
}
