//! The schedule: intended times of all actions. It is an open model, so no action waits for
//! another.

use super::{Attack, Churn, Going, Phase, Ramp, Scenario, Shape};
use crate::ledger::{Micros, SECOND};

/// The intended time of a connection, since the ramp began.
#[must_use]
pub fn connects_at(ramp: &Ramp, connection: usize) -> Micros {
    let group = (ramp.per_second * ramp.step_s).max(1.0) as usize;
    match ramp.shape {
        Shape::Linear => micros(connection as f64 / ramp.per_second),
        Shape::Step => micros((connection / group) as f64 * ramp.step_s),
        Shape::Spike => 0,
    }
}

/// A publication, or another action with a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The intended time, since the phases began.
    pub at: Micros,
    /// True if its phase is measured.
    pub measured: bool,
}

/// The intended times of actions in a room, at `rate` a second. `offset` (0 to 1) is the room's
/// phase between two actions, so that rooms do not publish at the same instant.
pub fn due(phases: &[Phase], rate: f64, offset: f64) -> impl Iterator<Item = Due> + '_ {
    let mut begins = 0.0;
    phases.iter().flat_map(move |phase| {
        let (start, rate) = (begins, rate * phase.rate);
        begins += phase.seconds;
        let count = (phase.seconds * rate).round() as u64;
        (0..count).map(move |n| Due { at: micros(start + (n as f64 + offset) / rate), measured: phase.measured })
    })
}

/// The length of all phases together.
#[must_use]
pub fn length(phases: &[Phase]) -> Micros {
    phases.iter().map(|phase| micros(phase.seconds)).sum()
}

/// The start and the end of each phase, since the phases began.
pub fn spans(phases: &[Phase]) -> impl Iterator<Item = (&Phase, Micros, Micros)> {
    let mut begins = 0.0;
    phases.iter().map(move |phase| {
        let start = begins;
        begins += phase.seconds;
        (phase, micros(start), micros(begins))
    })
}

/// The attacks of the hostile connection, each with its start and end since the phases began.
pub fn attacks(phases: &[Phase]) -> impl Iterator<Item = (Attack, Micros, Micros)> {
    spans(phases).filter_map(|(phase, from, until)| Some((phase.hostile?, from, until)))
}

/// The next departure of a member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goes {
    /// The time since the phases began.
    pub at: Micros,
    /// The way in which the member leaves.
    pub kind: Going,
    /// The length of the absence.
    pub away: Micros,
}

/// The next departure of a member after this time; `None` if it stays.
#[must_use]
pub fn goes(churn: &[Churn], member: usize, after: Micros) -> Option<Goes> {
    churn
        .iter()
        .filter(|churn| takes_part(member, churn.share))
        .filter_map(|churn| next(churn, member, after))
        .min_by_key(|goes| goes.at)
}

fn next(churn: &Churn, member: usize, after: Micros) -> Option<Goes> {
    let every = micros(churn.every_s).max(1);
    // Members leave one after the other; in a storm, all at once.
    let (own, away) = match churn.kind {
        Going::Storm => (0, 0),
        _ => ((every as f64 * spread(member)) as Micros, micros(churn.away_s)),
    };
    let times = (after - own).div_euclid(every) + 1;
    let at = own + times.max(i64::from(own == 0)) * every;
    Some(Goes { at, kind: churn.kind, away })
}

/// Returns true if a member belongs to this share of all members. The same members belong to it
/// each time.
#[must_use]
pub fn takes_part(member: usize, share: f64) -> bool {
    spread(member.wrapping_mul(31).wrapping_add(7)) < share
}

/// A number from 0 to 1 for each member, spread evenly.
fn spread(member: usize) -> f64 {
    (member as f64 * 0.618_033_988_749_894_9).fract()
}

fn micros(seconds: f64) -> Micros {
    (seconds * SECOND as f64).round() as Micros
}

/// The approximate length of a run.
#[must_use]
pub fn expected_length(scenario: &Scenario) -> Micros {
    let ramp = connects_at(&scenario.ramp, scenario.members().saturating_sub(1));
    ramp + length(&scenario.phases) + 10 * SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(seconds: f64, rate: f64) -> Phase {
        Phase { name: "x".to_owned(), seconds, rate, measured: rate >= 1.0, hostile: None }
    }

    #[test]
    fn publications_are_due_evenly_in_each_phase() {
        let due: Vec<_> = due(&[phase(2.0, 0.5), phase(1.0, 3.0)], 2.0, 0.0).collect();
        let at: Vec<_> = due.iter().map(|due| due.at).collect();
        assert_eq!(at, [0, 1_000_000, 2_000_000, 2_166_667, 2_333_333, 2_500_000, 2_666_667, 2_833_333]);
        assert!(!due[1].measured && due[2].measured);
    }

    #[test]
    fn ramps_have_their_shapes() {
        let ramp = |shape| Ramp { shape, per_second: 2.0, step_s: 5.0 };
        let at = |shape| [0, 1, 10, 25].map(|n| connects_at(&ramp(shape), n) / SECOND);
        assert_eq!(at(Shape::Linear), [0, 0, 5, 12]);
        assert_eq!(at(Shape::Step), [0, 0, 5, 10]);
        assert_eq!(at(Shape::Spike), [0; 4]);
    }

    #[test]
    fn members_go_again_and_again_each_at_its_own_time_and_in_a_storm_together() {
        let churn = |kind| Churn { kind, share: 1.0, every_s: 10.0, away_s: 1.0 };
        let resets = [churn(Going::Reset)];
        let first = goes(&resets, 3, 0).unwrap();
        let second = goes(&resets, 3, first.at).unwrap();
        assert_eq!(second.at - first.at, 10 * SECOND);
        assert_ne!(goes(&resets, 4, 0).unwrap().at, first.at);
        let storms = [churn(Going::Storm)];
        assert_eq!(goes(&storms, 3, 0).unwrap().at, goes(&storms, 4, 0).unwrap().at);
    }

    #[test]
    fn a_share_of_the_members_takes_part() {
        let part = (0..10_000).filter(|member| takes_part(*member, 0.2)).count();
        assert!((1_900..2_100).contains(&part), "{part}");
    }
}
