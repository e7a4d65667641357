//! Validation of scenarios.

use std::ops::RangeInclusive;

use super::{Churn, Phase, Rooms, Scenario};

/// A number out of bounds, an empty list, or a bad name.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Wrong {
    /// A number is out of bounds.
    #[error("{what} is {is}; it must be from {from} to {to}{why}")]
    Number {
        /// The name of the number.
        what: String,
        /// The value of the number.
        is: f64,
        /// The lowest valid value.
        from: f64,
        /// The highest valid value.
        to: f64,
        /// The reason, if it is not obvious.
        why: &'static str,
    },
    /// A list is empty.
    #[error("there are no {0}; there must be at least one")]
    Nothing(String),
    /// A name is not valid.
    #[error("the name is {0:?}; it must be 1 to 40 letters, digits and dashes")]
    Name(String),
}

/// Bounds of the members of a whole run.
const MEMBERS: RangeInclusive<f64> = 1.0..=1_000_000.0;

/// Bounds of new connections a second.
pub(super) const CONNECT_RATES: RangeInclusive<f64> = 0.1..=100_000.0;
/// Bounds of the drain, in seconds.
pub(super) const DRAINS_S: RangeInclusive<f64> = 0.1..=3_600.0;

pub(super) fn check(scenario: &Scenario) -> Result<(), Wrong> {
    let name = &scenario.name;
    let fits = (1..=40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !fits {
        return Err(Wrong::Name(name.clone()));
    }
    some(&scenario.rooms, "rooms")?;
    some(&scenario.phases, "phases")?;
    for (n, rooms) in scenario.rooms.iter().enumerate() {
        check_rooms(rooms, n + 1)?;
    }
    for phase in &scenario.phases {
        check_phase(phase)?;
    }
    for (n, churn) in scenario.churn.iter().enumerate() {
        check_churn(churn, n + 1)?;
    }
    number("members of all rooms", scenario.members() as f64, MEMBERS, "")?;
    number("ramp.per_second", scenario.ramp.per_second, CONNECT_RATES, "")?;
    number("ramp.step_s", scenario.ramp.step_s, 0.1..=3_600.0, "")?;
    number("drain_s", scenario.drain_s, DRAINS_S, "")
}

fn check_rooms(rooms: &Rooms, n: usize) -> Result<(), Wrong> {
    let at = |what: &str| format!("{what} of rooms {n}");
    some(&rooms.doors, &at("doors"))?;
    number(at("count"), rooms.count as f64, 1.0..=100_000.0, "")?;
    number(at("members"), rooms.members as f64, 1.0..=100_000.0, ", the members of a room")?;
    let most = rooms.members as f64;
    number(at("npm_members"), rooms.npm_members as f64, 0.0..=most, ", which are some of the members")?;
    number(at("rate"), rooms.rate, 0.0..=100.0, ", which is what a room carries")?;
    number(at("payload_bytes"), rooms.payload_bytes as f64, 0.0..=24_576.0, ", the data of a publication")?;
    number(at("ephemeral_rate"), rooms.ephemeral_rate, 0.0..=100.0, "")?;
    number(at("slow_readers"), rooms.slow_readers, 0.0..=1.0, ", a part of the members")?;
    number(at("slow_pause_ms"), rooms.slow_pause_ms as f64, 0.0..=60_000.0, "")?;
    number(at("publishers"), rooms.client_publishers() as f64, 1.0..=100.0, "")
}

fn check_phase(phase: &Phase) -> Result<(), Wrong> {
    number(format!("seconds of phase {:?}", phase.name), phase.seconds, 0.001..=1_000_000.0, "")?;
    number(
        format!("rate of phase {:?}", phase.name),
        phase.rate,
        0.0..=100.0,
        ", by which the rooms' rates are multiplied",
    )
}

fn check_churn(churn: &Churn, n: usize) -> Result<(), Wrong> {
    number(format!("share of churn {n}"), churn.share, 0.0..=1.0, ", a part of the members")?;
    number(format!("every_s of churn {n}"), churn.every_s, 0.1..=1_000_000.0, "")?;
    number(format!("away_s of churn {n}"), churn.away_s, 0.0..=7_200.0, "")
}

fn some<T>(list: &[T], what: &str) -> Result<(), Wrong> {
    if list.is_empty() { Err(Wrong::Nothing(what.to_owned())) } else { Ok(()) }
}

fn number(what: impl Into<String>, is: f64, right: RangeInclusive<f64>, why: &'static str) -> Result<(), Wrong> {
    let (from, to) = (*right.start(), *right.end());
    if right.contains(&is) { Ok(()) } else { Err(Wrong::Number { what: what.into(), is, from, to, why }) }
}
