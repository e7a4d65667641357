//! Adds the results of several generators.

use super::judge::judge;
use super::{Report, SCHEMA};

/// The results cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The list of results is empty.
    #[error("cannot merge: no result was given")]
    Nothing,
    /// The results are of different scenarios.
    #[error("cannot merge: the results are of different scenarios, {0:?} and {1:?}")]
    Different(String, String),
}

/// Adds the results of generators that ran the same scenario at the same time, each with rooms of
/// its own.
///
/// The server's counters cover all generators together, and would be added more than once. So they
/// are taken from the first result that has them.
///
/// # Errors
/// [`Error`] when the results are of different scenarios.
pub fn merge(reports: Vec<Report>) -> Result<Report, Error> {
    let mut reports = reports.into_iter();
    let mut sum = reports.next().ok_or(Error::Nothing)?;
    for report in reports {
        if report.scenario.name != sum.scenario.name {
            return Err(Error::Different(sum.scenario.name, report.scenario.name));
        }
        add(&mut sum, report);
    }
    SCHEMA.clone_into(&mut sum.schema);
    sum.judgement = judge(&sum);
    Ok(sum)
}

fn add(sum: &mut Report, report: Report) {
    sum.run.generators += report.run.generators;
    sum.run.seconds = sum.run.seconds.max(report.run.seconds);
    sum.run.phases_s = sum.run.phases_s.max(report.run.phases_s);
    sum.run.stopped = sum.run.stopped.take().or(report.run.stopped);
    sum.scenario.rooms.extend(report.scenario.rooms);
    sum.account.add(&report.account);
    sum.census.add(&report.census);
    let ours = &mut sum.times;
    for (ours, theirs) in [
        (&mut ours.accepted, &report.times.accepted),
        (&mut ours.first, &report.times.first),
        (&mut ours.each, &report.times.each),
        (&mut ours.last, &report.times.last),
        (&mut ours.join, &report.times.join),
        (&mut ours.resume, &report.times.resume),
    ] {
        ours.add(theirs);
    }
    for theirs in report.phases {
        match sum.phases.iter_mut().find(|ours| ours.name == theirs.name) {
            Some(ours) => ours.last.add(&theirs.last),
            None => sum.phases.push(theirs),
        }
    }
    for (n, theirs) in report.over_time.into_iter().enumerate() {
        match sum.over_time.get_mut(n) {
            Some(ours) => ours.add(&theirs),
            None => sum.over_time.push(theirs),
        }
    }
    if sum.fault_marks.is_empty() {
        // All generators polled the same counters.
        sum.fault_marks = report.fault_marks;
    }
    sum.last_members.extend(report.last_members);
    sum.last_members.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    sum.traffic.add(&report.traffic);
    sum.generator.add(&report.generator);
    if sum.usage.posts.is_none() {
        sum.usage = report.usage;
        sum.cost.counted_usd = report.cost.counted_usd;
        sum.cost.unknown = report.cost.unknown;
        sum.cost.parts = report.cost.parts;
    }
    sum.cost.predicted_usd += report.cost.predicted_usd;
    sum.complaints.extend(report.complaints);
}
