//! What a run came to: measured, judged, and told in text, JSON, HTML and JUnit.

mod charts;
mod collect;
pub mod compare;
pub mod html;
pub mod judge;
pub mod junit;
pub mod merge;
mod store;
mod svg;
pub mod verdict;

use serde::{Deserialize, Serialize};

pub use collect::collect;
pub use judge::{Finding, Judgement, Verdict};
pub use store::{Error, read, write};

use crate::cost::Cost;
use crate::counters::Usage;
use crate::ledger::Account;
use crate::measure::{Bucket, Health, Times};
use crate::run::census::Census;
use crate::scenario::Scenario;

/// The version of the schema: another number is another meaning.
pub const SCHEMA: &str = "roomcast-load/1";

/// What a run came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// When, where, by how many.
    pub run: Run,
    /// What was done.
    pub scenario: Scenario,
    /// What it is worth.
    pub judgement: Judgement,
    /// Every pair of publication and member.
    pub account: Account,
    /// How many members the server counts.
    pub census: Census,
    /// How long everything took.
    pub times: AllTimes,
    /// The charts over time.
    pub over_time: Vec<Bucket>,
    /// Time to the last member, publication by publication.
    pub last_members: Vec<LastMember>,
    /// What went over the wire.
    pub traffic: Traffic,
    /// The load test itself.
    pub generator: Health,
    /// What the server did for it, as far as it says.
    pub usage: Usage,
    /// What that costs.
    pub cost: Cost,
    /// What did not work at first, a few examples.
    pub complaints: Vec<String>,
}

/// When, where, by how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// What its rooms and publications are named after.
    pub id: String,
    /// Where it connected.
    pub url: String,
    /// When it began, RFC 3339.
    pub began: String,
    /// How long everything took.
    pub seconds: f64,
    /// How long the phases took.
    pub phases_s: f64,
    /// Whether it was stopped before its end, and by what.
    pub stopped: Option<String>,
    /// How many generators.
    pub generators: u32,
}

/// How long everything took, from intended times.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllTimes {
    /// From the intended time of a publication until it was accepted.
    pub accepted: Times,
    /// Until its first member had it.
    pub first: Times,
    /// Until each member had it.
    pub each: Times,
    /// Until its last member had it.
    pub last: Times,
    /// From the intended time of a member's connection until it had joined.
    pub join: Times,
    /// From the moment a member began to come back until nothing was missing.
    pub resume: Times,
}

/// Time to the last member of one publication.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastMember {
    /// When it was intended, seconds since the run began.
    pub at_s: f64,
    /// How long its last member waited.
    pub ms: f64,
}

/// What went over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Members that joined.
    pub joined: u64,
    /// Text messages that members received.
    pub frames: u64,
    /// Their bytes.
    pub frame_bytes: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Handshakes that were refused, or failed.
    pub handshakes_failed: u64,
    /// Times that the server said "later".
    pub throttled: u64,
    /// Connections that were lost though nobody meant to.
    pub connections_lost: u64,
    /// Connections that were opened again, on purpose or not.
    pub resumed: u64,
    /// Ephemeral publications sent.
    pub ephemeral_sent: u64,
    /// Ephemeral publications heard, by all members.
    pub ephemeral_heard: u64,
}

impl Traffic {
    /// Adds another generator's.
    pub fn add(&mut self, other: &Self) {
        self.joined += other.joined;
        self.frames += other.frames;
        self.frame_bytes += other.frame_bytes;
        self.requests += other.requests;
        self.handshakes_failed += other.handshakes_failed;
        self.throttled += other.throttled;
        self.connections_lost += other.connections_lost;
        self.resumed += other.resumed;
        self.ephemeral_sent += other.ephemeral_sent;
        self.ephemeral_heard += other.ephemeral_heard;
    }
}

impl AllTimes {
    /// Each with its name.
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
