//! Builds the report of a finished run.

use super::judge::judge;
use super::{AllTimes, LastMember, PhaseTimes, Report, Run, SCHEMA, Traffic};
use crate::cost::Cost;
use crate::counters::Usage;
use crate::ledger::{Account, Answer, Micros, Publication, SECOND};
use crate::measure::Times;
use crate::run::Ended;
use crate::run::world::{Counts, World, read};
use crate::scenario::schedule::spans;

/// Maximum stored times to last members.
const LAST_MEMBERS: usize = 6_000;

/// Builds a report, and judges it.
#[must_use]
pub fn collect(world: &World, ended: &Ended, usage: Usage, cost: Cost) -> Report {
    let mut account = Account::default();
    (0..world.room_count()).for_each(|room| account.add(&Account::of(&world.room(room))));
    let (first, last, last_members) = of_publications(world);
    let now = world.clock.now();
    let recorder = world.recorder();
    let times = AllTimes {
        accepted: recorder.accepted.clone(),
        first,
        each: recorder.each.clone(),
        last,
        join: recorder.join.clone(),
        resume: recorder.resume.clone(),
    };
    let mut report = Report {
        schema: SCHEMA.to_owned(),
        run: of_run(world, ended),
        scenario: world.scenario.clone(),
        judgement: super::Judgement::default(),
        account,
        census: ended.census.clone(),
        times,
        phases: of_phases(world, ended.phases.0),
        over_time: recorder.over_time(),
        fault_marks: recorder.faults.clone(),
        last_members,
        traffic: of_traffic(&world.counts),
        generator: world.generator.health(now),
        usage,
        cost,
        complaints: world.complaints(),
    };
    report.judgement = judge(&report);
    report
}

fn of_run(world: &World, ended: &Ended) -> Run {
    let seconds = |micros: i64| micros as f64 / SECOND as f64;
    let began = i64::try_from(world.clock.began_at_s()).unwrap_or(0);
    let (begin, end) = ended.phases;
    Run {
        id: world.pids.run().to_owned(),
        // The query of the URL may contain a token.
        url: world.target.url.split('?').next().unwrap_or_default().to_owned(),
        began: jiff::Timestamp::from_second(began).map(|at| at.to_string()).unwrap_or_default(),
        seconds: seconds(world.clock.now()),
        phases_began_s: Some(seconds(begin)),
        phases_s: seconds(end - begin),
        stopped: ended.interrupted.then(|| world.stopped_by()),
        generators: 1,
    }
}

/// Times to first and last members, and the chart of the latter.
fn of_publications(world: &World) -> (crate::measure::Times, crate::measure::Times, Vec<LastMember>) {
    let (mut first, mut last, mut chart) = Default::default();
    for room in 0..world.room_count() {
        for publication in world.room(room).publications() {
            note(publication, &mut first, &mut last, &mut chart);
        }
    }
    chart.sort_by(|a: &LastMember, b| a.at_s.total_cmp(&b.at_s));
    (first, last, thin(&chart, LAST_MEMBERS))
}

/// Times of each phase, in a scenario with a hostile connection.
fn of_phases(world: &World, begin: Micros) -> Vec<PhaseTimes> {
    let phases = &world.scenario.phases;
    if phases.iter().all(|phase| phase.hostile.is_none()) {
        return Vec::new();
    }
    let mut times: Vec<_> = spans(phases)
        .map(|(phase, from, until)| {
            let (name, measured, hostile) = (phase.name.clone(), phase.measured, phase.hostile.is_some());
            (begin + from..begin + until, PhaseTimes { name, measured, hostile, last: Times::default() })
        })
        .collect();
    for room in 0..world.room_count() {
        for publication in world.room(room).publications() {
            let Some(last) = publication.last else { continue };
            if let Some((_, phase)) = times.iter_mut().find(|(span, _)| span.contains(&publication.intended)) {
                phase.last.record(last - publication.intended);
            }
        }
    }
    times.into_iter().map(|(_, phase)| phase).collect()
}

fn note(
    publication: &Publication,
    first: &mut crate::measure::Times,
    last: &mut crate::measure::Times,
    chart: &mut Vec<LastMember>,
) {
    let Publication { intended, answer, measured, .. } = publication;
    let (Some(first_at), Some(last_at), true) = (publication.first, publication.last, *answer != Answer::Refused)
    else {
        return;
    };
    chart.push(LastMember { at_s: *intended as f64 / SECOND as f64, ms: (last_at - intended) as f64 / 1_000.0 });
    if *measured {
        first.record(first_at - intended);
        last.record(last_at - intended);
    }
}

/// Reduces points to a maximum. Of neighbouring points the slowest stays.
pub(super) fn thin(chart: &[LastMember], most: usize) -> Vec<LastMember> {
    let group = chart.len().div_ceil(most).max(1);
    let slowest = |points: &[LastMember]| points.iter().copied().max_by(|a, b| a.ms.total_cmp(&b.ms));
    chart.chunks(group).filter_map(slowest).collect()
}

fn of_traffic(counts: &Counts) -> Traffic {
    Traffic {
        joined: read(&counts.joined),
        frames: read(&counts.frames),
        frame_bytes: read(&counts.frame_bytes),
        requests: read(&counts.requests),
        handshakes_failed: read(&counts.handshakes_failed),
        throttled: read(&counts.throttled),
        attacks: read(&counts.attacks),
        attacks_refused: read(&counts.attacks_refused),
        connections_lost: read(&counts.lost),
        resumed: read(&counts.resumed),
        ephemeral_sent: read(&counts.ephemeral_sent),
        ephemeral_heard: read(&counts.ephemeral_heard),
    }
}
