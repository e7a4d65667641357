//! Who goes and comes back, and how.

use serde::{Deserialize, Serialize};

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

fn a_moment() -> f64 {
    2.0
}
