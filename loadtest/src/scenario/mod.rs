//! Scenarios: what a load test does, as a file says it.
//!
//! A file is read strictly: what is not known, missing or out of bounds is told in one sentence with its line.

mod check;
mod overrides;
mod read;
pub mod schedule;

use serde::{Deserialize, Serialize};

pub use check::Wrong;
pub use overrides::Overrides;
pub use read::{Error, parse, read};

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

/// Who goes and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// How they go.
    pub kind: Going,
    /// Which part of the members, from 0 to 1.
    pub share: f64,
    /// Seconds between two goings of one member.
    pub every_s: f64,
    /// Seconds until it comes back.
    #[serde(default = "a_moment")]
    pub away_s: f64,
}

/// How a member goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Going {
    /// It leaves the room, keeps its connection, and joins anew: it is owed nothing for the time between.
    Leave,
    /// It closes its connection politely, and resumes on another.
    Close,
    /// It resets its connection (RST), and resumes on another.
    Reset,
    /// It says that it sends no more and reads no more (FIN), keeps the socket, and resumes on another.
    HalfOpen,
    /// It is never heard of again on this connection, which stays open and unread; it resumes on another.
    BlackHole,
    /// All of them reset their connections at the same moment, and resume at once.
    Storm,
}

/// What must hold, beside correctness. What is not named is not judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Half of all publications are accepted within so many milliseconds.
    pub accepted_p50_ms: Option<f64>,
    /// 99 of 100 are.
    pub accepted_p99_ms: Option<f64>,
    /// Half of all deliveries take at most this.
    pub each_p50_ms: Option<f64>,
    /// 99 of 100 do.
    pub each_p99_ms: Option<f64>,
    /// 999 of 1,000 do.
    pub each_p999_ms: Option<f64>,
    /// The last member has half of all publications within this.
    pub last_p50_ms: Option<f64>,
    /// And 99 of 100.
    pub last_p99_ms: Option<f64>,
    /// 99 of 100 joins take at most this.
    pub join_p99_ms: Option<f64>,
    /// 99 of 100 resumes do.
    pub resume_p99_ms: Option<f64>,
    /// Posts for each delivery, at most.
    pub posts_per_delivery: Option<f64>,
    /// Members that may wait 5 s or more for something.
    pub stalled_members: Option<u64>,
    /// Connections that may be lost though nobody meant to.
    pub connections_lost: Option<u64>,
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

fn a_moment() -> f64 {
    2.0
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
