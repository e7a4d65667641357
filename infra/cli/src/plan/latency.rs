//! The time from a publication to its members, and what a cost estimate is worth: constants fitted
//! to results of the load test.
//!
//! The time is linear in three numbers: a constant, the time in which the lane posts to all members
//! of the room once (its service), and the passes for other publications and rooms before it (its
//! queueing). Waiting does not grow without bound: what waits for the same members goes into one
//! frame, so at most one pass to the members of all busy rooms of the lane comes before. Whatever
//! was fitted, the time is not shorter than the rate of posts allows after a full burst.

use domain::limits;
use serde::{Deserialize, Serialize};

use super::work::{Group, Load};

/// Standard deviations of an error bar.
const DEVIATIONS: f64 = 2.0;
/// Constants of a time.
const TERMS: usize = 3;
/// The fewest results to fit: two more than constants.
pub(crate) const FEWEST_RESULTS: usize = TERMS + 2;

/// What the time to a member of a room is linear in, in seconds but for the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Features {
    /// The time of a pass to the members of the room.
    pub(crate) pass_s: f64,
    /// The time of the passes before it.
    pub(crate) queue_s: f64,
    /// The posts that the lane needs, as a part of those that it may make.
    pub(crate) used: f64,
}

impl Features {
    /// The features of a room in a load, whose lane posts so many times a second.
    pub(crate) fn of(group: &Group, load: &Load, post_rate: f64) -> Self {
        let busy = || load.of(group.lane).filter(|group| group.publications() > 0.0);
        let wanted = load.wanted_posts(group.lane);
        let everyone_s = busy().map(|group| group.rooms * group.members).sum::<f64>() / post_rate;
        let weighted: f64 = busy().map(|group| group.deliveries() * group.members / post_rate).sum();
        let deliveries: f64 = busy().map(Group::deliveries).sum();
        let mean_pass_s = if deliveries > 0.0 { weighted / deliveries } else { 0.0 };
        let used = wanted / post_rate;
        let waiting_s = if used < 1.0 { mean_pass_s * used / (2.0 * (1.0 - used)) } else { f64::INFINITY };
        Self { pass_s: group.members / post_rate, queue_s: waiting_s.min(everyone_s), used }
    }

    /// The shortest time in milliseconds in which this part of the members can have been posted to.
    fn shortest_ms(self, part: f64) -> f64 {
        let burst_s = f64::from(limits::POST_RATE.burst()) / limits::POST_RATE.count_per_second() as f64;
        let after_a_burst_s = part * self.pass_s - burst_s;
        let without_a_burst_s = if self.used < 1.0 { 0.0 } else { part * self.queue_s };
        1_000.0 * after_a_burst_s.max(without_a_burst_s)
    }

    fn terms(self) -> [f64; TERMS] {
        [1.0, self.pass_s, self.queue_s]
    }
}

/// The constants of one time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// The time of a room with a single member and without other load.
    pub(crate) constant_ms: f64,
    /// Milliseconds for each second of the pass to the members of the room.
    pub(crate) ms_per_pass_s: f64,
    /// Milliseconds for each second of the passes before it.
    pub(crate) ms_per_queue_s: f64,
    /// The standard deviation of the residuals, as a part of the time.
    pub(crate) residual: f64,
}

/// A number with its error bar.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Estimate {
    /// The expected value.
    pub(crate) value: f64,
    /// The lower end of the error bar, two standard deviations below.
    pub(crate) low: f64,
    /// The upper end of the error bar.
    pub(crate) high: f64,
}

impl Estimate {
    /// A value with a standard deviation that is a part of it.
    pub(crate) fn new(value: f64, residual: f64) -> Self {
        let factor = 1.0 + DEVIATIONS * residual;
        Self { value, low: value / factor, high: value * factor }
    }
}

impl Line {
    /// The time in milliseconds until this part of the members has a publication.
    pub(crate) fn at(&self, features: Features, part: f64) -> Estimate {
        let constants = [self.constant_ms, self.ms_per_pass_s, self.ms_per_queue_s];
        let linear: f64 = features.terms().iter().zip(constants).map(|(term, constant)| term * constant).sum();
        Estimate::new(linear.max(features.shortest_ms(part)), self.residual)
    }

    /// Fits the constants: least squares of the relative residuals, and no constant below zero, so
    /// that more members never take less time.
    pub(crate) fn fit(points: &[(Features, f64)]) -> Self {
        let subsets = (1_usize..1 << TERMS).filter_map(|chosen| {
            let chosen: Vec<usize> = (0..TERMS).filter(|term| chosen & (1 << term) != 0).collect();
            let constants = least_squares(points, &chosen)?;
            constants.iter().all(|constant| *constant >= 0.0).then(|| (squares(points, &constants), constants))
        });
        let best = subsets.min_by(|(ours, _), (theirs, _)| ours.total_cmp(theirs));
        let (squares, [constant_ms, ms_per_pass_s, ms_per_queue_s]) = best.unwrap_or((0.0, [0.0; TERMS]));
        let freedom = points.len().saturating_sub(TERMS).max(1) as f64;
        Self { constant_ms, ms_per_pass_s, ms_per_queue_s, residual: (squares / freedom).sqrt() }
    }
}

/// The sum of the squared relative residuals.
fn squares(points: &[(Features, f64)], constants: &[f64; TERMS]) -> f64 {
    let residual = |(features, measured): &(Features, f64)| {
        let expected: f64 = features.terms().iter().zip(constants).map(|(term, constant)| term * constant).sum();
        (expected - measured) / measured
    };
    points.iter().map(residual).map(|residual| residual * residual).sum()
}

/// Solves for the chosen constants; the others are zero. `None` if the points do not determine
/// them.
fn least_squares(points: &[(Features, f64)], chosen: &[usize]) -> Option<[f64; TERMS]> {
    let mut rows = vec![vec![0.0; chosen.len() + 1]; chosen.len()];
    for (features, measured) in points {
        let terms = features.terms();
        for (row, term) in rows.iter_mut().zip(chosen) {
            let weighted = terms[*term] / measured;
            for (cell, other) in row.iter_mut().zip(chosen) {
                *cell += weighted * terms[*other] / measured;
            }
            if let Some(right) = row.last_mut() {
                *right += weighted;
            }
        }
    }
    let solution = solve(rows)?;
    let mut constants = [0.0; TERMS];
    chosen.iter().zip(solution).for_each(|(term, constant)| constants[*term] = constant);
    Some(constants)
}

/// Gaussian elimination with pivots.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    const SINGULAR: f64 = 1e-15;
    let size = rows.len();
    for at in 0..size {
        let pivot = (at..size).max_by(|a, b| rows[*a][at].abs().total_cmp(&rows[*b][at].abs()))?;
        rows.swap(at, pivot);
        if rows[at][at].abs() < SINGULAR {
            return None;
        }
        let (above, below) = rows.split_at_mut(at + 1);
        let first = &above[at];
        for row in below {
            let factor = row[at] / first[at];
            row.iter_mut().zip(first).for_each(|(cell, over)| *cell -= factor * over);
        }
    }
    let mut solution = vec![0.0; size];
    for at in (0..size).rev() {
        let known: f64 = (at + 1..size).map(|other| rows[at][other] * solution[other]).sum();
        solution[at] = (rows[at][size] - known) / rows[at][at];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(constants: [f64; 3], noise: &[f64]) -> Vec<(Features, f64)> {
        let features = noise.iter().enumerate().map(|(at, noise)| {
            let features = Features { pass_s: 0.01 * (at * at) as f64, queue_s: 0.1 * (at % 4) as f64, used: 0.5 };
            let exact: f64 = features.terms().iter().zip(constants).map(|(term, constant)| term * constant).sum();
            (features, exact * noise)
        });
        features.collect()
    }

    proptest! {
        #[test]
        fn a_fit_finds_the_constants_of_exact_results(
            constant in 1.0..500.0_f64, pass in 1.0..2_000.0_f64, queue in 1.0..2_000.0_f64,
        ) {
            let fitted = Line::fit(&points([constant, pass, queue], &[1.0; 9]));
            prop_assert!((fitted.constant_ms / constant - 1.0).abs() < 1e-6, "{fitted:?}");
            prop_assert!((fitted.ms_per_pass_s / pass - 1.0).abs() < 1e-6, "{fitted:?}");
            prop_assert!((fitted.ms_per_queue_s / queue - 1.0).abs() < 1e-6, "{fitted:?}");
            prop_assert!(fitted.residual < 1e-6, "{fitted:?}");
        }

        #[test]
        fn no_constant_is_below_zero_and_noisier_results_have_wider_bars(
            noise in prop::collection::vec(0.5..1.5_f64, 9),
        ) {
            let fitted = Line::fit(&points([50.0, 300.0, 100.0], &noise));
            prop_assert!(fitted.constant_ms >= 0.0 && fitted.ms_per_pass_s >= 0.0 && fitted.ms_per_queue_s >= 0.0);
            let damped: Vec<f64> = noise.iter().map(|noise| 1.0 + (noise - 1.0) / 100.0).collect();
            let calm = Line::fit(&points([50.0, 300.0, 100.0], &damped));
            prop_assert!(calm.residual <= fitted.residual + 1e-9, "{calm:?} {fitted:?}");
        }
    }

    #[test]
    fn no_time_is_shorter_than_the_rate_of_posts_allows() {
        let quick = Line { constant_ms: 1.0, ms_per_pass_s: 0.0, ms_per_queue_s: 0.0, residual: 0.0 };
        let at = |used| quick.at(Features { pass_s: 10.0, queue_s: 20.0, used }, 0.5).value;
        assert_eq!((at(0.5), at(1.5)), (2_500.0, 10_000.0));
    }

    #[test]
    fn an_estimate_is_inside_of_its_error_bar() {
        let estimate = Estimate::new(100.0, 0.25);
        assert!((estimate.low - 66.666).abs() < 0.001 && (estimate.high - 150.0).abs() < 1e-9, "{estimate:?}");
    }
}
