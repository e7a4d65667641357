//! Scenarios: what a load test does, as a file says it.
//!
//! A file is read strictly: what is not known, missing or out of bounds is told in one sentence with its line.

mod check;
mod churn;
mod overrides;
mod read;
pub mod schedule;
mod thresholds;

use serde::{Deserialize, Serialize};

pub use check::Wrong;
pub use churn::{Churn, Going};
pub use overrides::Overrides;
pub use read::{Error, parse, read};
pub use thresholds::Thresholds;

/// What a load test does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called: letters, digits and dashes.
    pub name: String,
    /// One sentence for whoever reads the report.
    pub about: String,
    /// Who is where, and what is published there.
    pub rooms: Vec<Rooms>,
    /// How members come.
    #[serde(default)]
    pub ramp: Ramp,
    /// What happens once they are there, one after the other.
    pub phases: Vec<Phase>,
    /// Who goes and comes back meanwhile.
    #[serde(default)]
    pub churn: Vec<Churn>,
    /// How long the last deliveries may take, in seconds.
    #[serde(default = "a_minute")]
    pub drain_s: f64,
    /// What must hold for the run to pass, beside correctness.
    #[serde(default)]
    pub thresholds: Thresholds,
}

/// Rooms that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rooms {
    /// How many.
    #[serde(default = "one")]
    pub count: usize,
    /// Members of each.
    pub members: usize,
    /// Publications a second into each.
    pub rate: f64,
    /// Bytes of `data` of each publication.
    #[serde(default = "small")]
    pub payload_bytes: usize,
    /// The ways in, taken in turn.
    #[serde(default = "only_clients")]
    pub doors: Vec<Door>,
    /// Connections that publish, for each room; a connection may publish 20 times a second.
    #[serde(default)]
    pub publishers: Option<usize>,
    /// Ephemeral publications a second into each.
    #[serde(default)]
    pub ephemeral_rate: f64,
    /// Which part of the members reads slowly, from 0 to 1. Their times do not count.
    #[serde(default)]
    pub slow_readers: f64,
    /// How long a slow reader sleeps after each frame, in milliseconds.
    #[serde(default = "half_a_second")]
    pub slow_pause_ms: u64,
}

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// A connection, as members have.
    Client,
    /// The `events` topic. Needs `ROOMCAST_EVENTS_TOPIC_ARN` and the variables of every AWS SDK.
    Events,
    /// A row of the outbox. Needs `ROOMCAST_ROOMS_TABLE` and the variables of every AWS SDK.
    Outbox,
}

/// How members come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// One after the other, in groups, or all at once.
    #[serde(default)]
    pub shape: Shape,
    /// New connections a second. API Gateway takes 500, of everybody in the account.
    #[serde(default = "gently")]
    pub per_second: f64,
    /// Seconds between two groups of a step ramp.
    #[serde(default = "a_while")]
    pub step_s: f64,
}

/// The shape of a ramp.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// One after the other, evenly.
    #[default]
    Linear,
    /// In groups: so many as come in `step_s` at `per_second`, at once; then nobody until the next group.
    Step,
    /// All at once.
    Spike,
}

/// A time with one rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What it is called in the report: warm, steady, spike, soak.
    pub name: String,
    /// How long it is.
    pub seconds: f64,
    /// What the rooms' rates are multiplied by.
    #[serde(default = "unchanged")]
    pub rate: f64,
    /// Whether its times count.
    #[serde(default = "yes")]
    pub measured: bool,
}

impl Scenario {
    /// All members of all rooms.
    #[must_use]
    pub fn members(&self) -> usize {
        self.rooms.iter().map(|rooms| rooms.count * rooms.members).sum()
    }

    /// All rooms.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.iter().map(|rooms| rooms.count).sum()
    }

    /// Every room, with what it is like.
    pub fn each_room(&self) -> impl Iterator<Item = &Rooms> {
        self.rooms.iter().flat_map(|rooms| std::iter::repeat_n(rooms, rooms.count))
    }
}

impl Rooms {
    /// How many connections publish to each, if clients do.
    #[must_use]
    pub fn client_publishers(&self) -> usize {
        let enough = (self.rate / f64::from(CLIENT_RATE)).ceil().max(1.0) as usize;
        self.publishers.unwrap_or(enough)
    }
}

/// A connection may publish 20 times a second: half of it leaves room for what has to be said twice.
const CLIENT_RATE: u32 = 10;

impl Default for Ramp {
    fn default() -> Self {
        Self { shape: Shape::default(), per_second: gently(), step_s: a_while() }
    }
}

fn one() -> usize {
    1
}

fn small() -> usize {
    64
}

fn only_clients() -> Vec<Door> {
    vec![Door::Client]
}

fn half_a_second() -> u64 {
    500
}

fn gently() -> f64 {
    200.0
}

fn a_while() -> f64 {
    5.0
}

fn a_minute() -> f64 {
    60.0
}

fn unchanged() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}
