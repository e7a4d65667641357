//! Scenarios: the plan of a load test, read from a file.
//!
//! A file is read strictly. An unknown field, a missing field or a value out of bounds is reported
//! in one sentence with its line.

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

/// The plan of a load test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name: letters, digits and dashes.
    pub name: String,
    /// One sentence for the readers of the report.
    pub about: String,
    /// Rooms with their members and publications.
    pub rooms: Vec<Rooms>,
    /// The ramp in which members connect.
    #[serde(default)]
    pub ramp: Ramp,
    /// The phases after the ramp, one after the other.
    pub phases: Vec<Phase>,
    /// Members that leave and return meanwhile.
    #[serde(default)]
    pub churn: Vec<Churn>,
    /// Maximum time for the last deliveries, in seconds.
    #[serde(default = "a_minute")]
    pub drain_s: f64,
    /// Conditions for the run to pass, besides correctness.
    #[serde(default)]
    pub thresholds: Thresholds,
}

/// Rooms with the same settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rooms {
    /// The number of these rooms.
    #[serde(default = "one")]
    pub count: usize,
    /// Members of each room.
    pub members: usize,
    /// Members of each room that are the npm client in Node, out of `members`.
    #[serde(default)]
    pub npm_members: usize,
    /// Publications a second into each room.
    pub rate: f64,
    /// Bytes of `data` of each publication.
    #[serde(default = "small")]
    pub payload_bytes: usize,
    /// The doors to publish through, in turn.
    #[serde(default = "only_clients")]
    pub doors: Vec<Door>,
    /// Connections that publish, for each room. A connection may publish 20 times a second.
    #[serde(default)]
    pub publishers: Option<usize>,
    /// Ephemeral publications a second into each room.
    #[serde(default)]
    pub ephemeral_rate: f64,
    /// The share of the members that read slowly, from 0 to 1. Their times do not count.
    #[serde(default)]
    pub slow_readers: f64,
    /// The pause of a slow reader after each frame, in milliseconds.
    #[serde(default = "half_a_second")]
    pub slow_pause_ms: u64,
}

/// A way to publish.
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

/// The ramp in which members connect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// The shape of the ramp.
    #[serde(default)]
    pub shape: Shape,
    /// New connections a second. API Gateway accepts 500 for the whole account.
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
    /// Evenly, one after the other.
    #[default]
    Linear,
    /// In groups of `step_s` times `per_second` at once, with a pause until the next group.
    Step,
    /// All at once.
    Spike,
}

/// A period with one rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// The name in the report, such as warm, steady, spike or soak.
    pub name: String,
    /// The length of the phase.
    pub seconds: f64,
    /// The factor for the rooms' rates.
    #[serde(default = "unchanged")]
    pub rate: f64,
    /// True if its times count.
    #[serde(default = "yes")]
    pub measured: bool,
    /// The request that a hostile connection repeats as fast as it can meanwhile.
    #[serde(default)]
    pub hostile: Option<Attack>,
}

/// A request that a hostile connection repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// A sync of 100 rooms.
    Sync,
    /// A join of a room, from a position.
    Join,
    /// A leave of one room.
    Leave,
    /// The latest 100 publications of a room with publications of the largest size.
    History,
    /// The users of a room.
    Who,
    /// A ping with 100 positions.
    Ping,
    /// A renewal with a bad token.
    Auth,
    /// A publication to a room.
    Publish,
}

impl Scenario {
    /// The number of members of all rooms.
    #[must_use]
    pub fn members(&self) -> usize {
        self.rooms.iter().map(|rooms| rooms.count * rooms.members).sum()
    }

    /// Members of all rooms that are the npm client in Node.
    #[must_use]
    pub fn npm_members(&self) -> usize {
        self.rooms.iter().map(|rooms| rooms.count * rooms.npm_members).sum()
    }

    /// The number of rooms.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.iter().map(|rooms| rooms.count).sum()
    }

    /// Every room, with its settings.
    pub fn each_room(&self) -> impl Iterator<Item = &Rooms> {
        self.rooms.iter().flat_map(|rooms| std::iter::repeat_n(rooms, rooms.count))
    }
}

impl Rooms {
    /// The number of connections that publish to each room, if clients do.
    #[must_use]
    pub fn client_publishers(&self) -> usize {
        let enough = (self.rate / f64::from(CLIENT_RATE)).ceil().max(1.0) as usize;
        self.publishers.unwrap_or(enough)
    }
}

/// Publications a second of one publisher. A connection may publish 20 times a second; half of it
/// leaves space for repeats.
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
