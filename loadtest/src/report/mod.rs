//! The report of a run: measured, judged, and written as text, JSON, HTML and JUnit.

mod chart;
mod charts;
mod collect;
pub mod compare;
pub mod judge;
pub mod junit;
mod markup;
pub mod merge;
pub mod page;
mod store;
pub mod verdict;

use serde::{Deserialize, Serialize};

pub use collect::collect;
pub use judge::{Finding, Judgement, Verdict};
pub use store::{Error, read, write};

use crate::cost::Cost;
use crate::counters::Usage;
use crate::ledger::Account;
use crate::measure::{Bucket, FaultMark, Health, Times};
use crate::run::census::Census;
use crate::scenario::Scenario;

/// The version of the schema. Another number has another meaning.
pub const SCHEMA: &str = "roomcast-load/1";

/// The report of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The version of the schema, [`SCHEMA`].
    pub schema: String,
    /// The time, place and size of the run.
    pub run: Run,
    /// The scenario that was run.
    pub scenario: Scenario,
    /// The judgement of the run.
    pub judgement: Judgement,
    /// The account of every pair of publication and member.
    pub account: Account,
    /// The server's count of members.
    pub census: Census,
    /// All measured times.
    pub times: AllTimes,
    /// Time to the last member, in each phase of a scenario with a hostile connection.
    #[serde(default)]
    pub phases: Vec<PhaseTimes>,
    /// The charts over time.
    pub over_time: Vec<Bucket>,
    /// When faults of the local stack fired.
    #[serde(default)]
    pub fault_marks: Vec<FaultMark>,
    /// Time to the last member, for each publication.
    pub last_members: Vec<LastMember>,
    /// Messages and bytes on the wire.
    pub traffic: Traffic,
    /// The health of the load test itself.
    pub generator: Health,
    /// The server's work, as far as it is counted.
    pub usage: Usage,
    /// The cost of that work.
    pub cost: Cost,
    /// A few examples of failed tries.
    pub complaints: Vec<String>,
}

/// The time, place and size of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The prefix of its rooms and publications.
    pub id: String,
    /// The URL of the server, without its query.
    pub url: String,
    /// The start of the run, RFC 3339.
    pub began: String,
    /// The length of the whole run.
    pub seconds: f64,
    /// The start of the first phase, in seconds since the run began; `None` in older results.
    #[serde(default)]
    pub phases_began_s: Option<f64>,
    /// The length of the phases.
    pub phases_s: f64,
    /// The reason, if the run was stopped before its end.
    pub stopped: Option<String>,
    /// The number of generators.
    pub generators: u32,
}

/// All measured times, from intended times.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllTimes {
    /// From the intended time of a publication until it was accepted.
    pub accepted: Times,
    /// Until its first member had received it.
    pub first: Times,
    /// Until each member had received it.
    pub each: Times,
    /// Until its last member had received it.
    pub last: Times,
    /// From the intended time of a member's connection until it had joined.
    pub join: Times,
    /// From the moment at which a member begins to return until nothing is missing.
    pub resume: Times,
}

/// Times of one phase.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseTimes {
    /// The name of the phase.
    pub name: String,
    /// True if the times of the phase count.
    pub measured: bool,
    /// True if a hostile connection was at work.
    pub hostile: bool,
    /// The time to the last member.
    pub last: Times,
}

/// Time to the last member of one publication.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastMember {
    /// The intended time, in seconds since the run began.
    pub at_s: f64,
    /// The time until its last member had received it.
    pub ms: f64,
}

/// Messages and bytes on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Members that joined.
    pub joined: u64,
    /// Text messages that members received.
    pub frames: u64,
    /// The bytes of these messages.
    pub frame_bytes: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Handshakes that were refused, or failed.
    pub handshakes_failed: u64,
    /// Requests that the server refused for the moment.
    pub throttled: u64,
    /// Requests of the hostile connection.
    #[serde(default)]
    pub attacks: u64,
    /// Those of them that were refused.
    #[serde(default)]
    pub attacks_refused: u64,
    /// Connections that were lost unintentionally.
    pub connections_lost: u64,
    /// Connections that were opened again, on purpose or not.
    pub resumed: u64,
    /// Ephemeral publications sent.
    pub ephemeral_sent: u64,
    /// Ephemeral publications received, by all members.
    pub ephemeral_heard: u64,
}

impl Traffic {
    /// Adds the traffic of another generator.
    pub fn add(&mut self, other: &Self) {
        self.joined += other.joined;
        self.frames += other.frames;
        self.frame_bytes += other.frame_bytes;
        self.requests += other.requests;
        self.handshakes_failed += other.handshakes_failed;
        self.throttled += other.throttled;
        self.attacks += other.attacks;
        self.attacks_refused += other.attacks_refused;
        self.connections_lost += other.connections_lost;
        self.resumed += other.resumed;
        self.ephemeral_sent += other.ephemeral_sent;
        self.ephemeral_heard += other.ephemeral_heard;
    }
}

impl AllTimes {
    /// Each kind of time with its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &Times); 6] {
        [
            ("accepted", &self.accepted),
            ("first member", &self.first),
            ("each member", &self.each),
            ("last member", &self.last),
            ("join", &self.join),
            ("resume", &self.resume),
        ]
    }
}
