//! The printed tables, and the expected ratios.

use std::fmt;
use std::time::Duration;

use super::measure::Sample;
use super::ratio;
use super::side::Way;

/// Largest expected ratio to the recipe of the time to the last member, at 5,000 members.
const AT_MOST: f64 = 0.20;
/// Largest expected ratio to the recipe of the same time, with a latency of 10 ms for each post.
const AT_MOST_WITH_LATENCY: f64 = 0.01;

/// The rows in the form in which they are printed.
#[derive(Debug, Default)]
pub struct Table {
    sizes: Vec<String>,
    crowds: Vec<String>,
    verdicts: Vec<String>,
    reads: Vec<f64>,
    lasts: Vec<f64>,
    crowd_sizes: Vec<usize>,
}

impl Table {
    pub(crate) fn add_size(&mut self, members: usize, latency: Duration, way: Way, pairs: &[(Sample, Sample)]) {
        let last = ratio(pairs, |sample| sample.last_of(members).as_secs_f64() * 1e3);
        let cpu = ratio(pairs, |sample| sample.cpu.as_secs_f64() * 1e6 / sample.reached.max(1) as f64);
        let name = way.name();
        let reached = pairs.iter().map(|(_, theirs)| theirs.reached).min().unwrap_or(0);
        let ours = pairs.iter().map(|(ours, _)| ours.reached).min().unwrap_or(0);
        let missed = match (ours < members, reached < members) {
            (false, false) => String::new(),
            (false, true) => format!(" (at its pace: cut short at {reached})"),
            (true, _) => format!(" (WE reached {ours}; they {reached})"),
        };
        let ms = latency.as_millis();
        let row = format!(
            "| {members} | {ms} ms | {name} | {:.0} ms | {:.0} ms{missed} | {:.3} | {:.0} us | {:.0} us | {:.2} |",
            last.0, last.1, last.2, cpu.0, cpu.1, cpu.2
        );
        eprintln!("{row}");
        self.sizes.push(row);
        if members >= 5_000 && way == Way::OneAfterTheOther {
            let goal = if latency.is_zero() { AT_MOST } else { AT_MOST_WITH_LATENCY };
            let verdict = if last.2 <= goal { "reached" } else { "NOT reached" };
            let what = format!("time to the last of {members} members, {ms} ms a post");
            self.verdicts.push(format!("{what}: {:.3} of the recipe's, at most {goal:.2}: {verdict}", last.2));
        }
    }

    pub(crate) fn add_crowd(&mut self, unrelated: usize, members: usize, pairs: &[(Sample, Sample)]) {
        let last = ratio(pairs, |sample| sample.last.as_secs_f64() * 1e3);
        let reads = ratio(pairs, |sample| sample.read_units);
        let row = format!(
            "| {unrelated} | {members} | {:.0} ms | {:.0} ms | {:.3} | {:.1} | {:.1} |",
            last.0, last.1, last.2, reads.0, reads.1
        );
        eprintln!("{row}");
        self.crowds.push(row);
        self.reads.push(reads.0);
        self.lasts.push(last.0);
        self.crowd_sizes.push(unrelated);
    }

    fn flatness(&self) -> Option<String> {
        let most = self.crowd_sizes.last()?;
        let grown =
            |values: &[f64]| values.last().copied().unwrap_or(f64::NAN) / values.first().copied().unwrap_or(f64::NAN);
        let (reads, last) = (grown(&self.reads), grown(&self.lasts));
        Some(format!(
            "with {most} connections of others: {reads:.2} times the read units, {last:.2} times the time to the last member"
        ))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| members | a post takes | the recipe posts | last member: Roomcast | recipe | ratio | CPU a delivery: Roomcast | recipe | ratio |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")?;
        self.sizes.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(
            f,
            "\n| connections of others | members | last member: Roomcast | recipe | ratio | read units: Roomcast | recipe |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- |")?;
        self.crowds.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(f)?;
        self.verdicts.iter().try_for_each(|verdict| writeln!(f, "{verdict}"))?;
        self.flatness().map_or(Ok(()), |flatness| writeln!(f, "{flatness}"))
    }
}
