//! Churn: members that leave and return.

use serde::{Deserialize, Serialize};

/// Members that leave and return.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// The way in which they leave.
    pub kind: Going,
    /// The share of the members, from 0 to 1.
    pub share: f64,
    /// Seconds between two departures of one member.
    pub every_s: f64,
    /// Seconds until the member returns.
    #[serde(default = "a_moment")]
    pub away_s: f64,
}

/// The way in which a member leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Going {
    /// It leaves the room, keeps its connection, and joins again. It is owed nothing for the time
    /// between.
    Leave,
    /// It closes its connection with a close frame, and resumes on another one.
    Close,
    /// It resets its connection (RST), and resumes on another one.
    Reset,
    /// It closes its sending half (FIN), reads no more, keeps the socket, and resumes on another
    /// connection.
    HalfOpen,
    /// It stops using the connection, which stays open and unread, and resumes on another one.
    BlackHole,
    /// All of them reset their connections at the same moment, and resume at once.
    Storm,
}

fn a_moment() -> f64 {
    2.0
}
