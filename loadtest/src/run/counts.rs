//! Counters of a run for readers. There is no order between two of them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a run.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections of members that are open now.
    pub connected: AtomicU64,
    /// Members that have joined.
    pub joined: AtomicU64,
    /// Publications that were sent.
    pub published: AtomicU64,
    /// Publications delivered to applications.
    pub delivered: AtomicU64,
    /// Text messages received by members.
    pub frames: AtomicU64,
    /// The bytes of these messages.
    pub frame_bytes: AtomicU64,
    /// Requests sent, by members and publishers.
    pub requests: AtomicU64,
    /// Handshakes that were refused, or failed.
    pub handshakes_failed: AtomicU64,
    /// Requests that the server refused for the moment.
    pub throttled: AtomicU64,
    /// Requests of the hostile connection.
    pub attacks: AtomicU64,
    /// Those of them that were refused.
    pub attacks_refused: AtomicU64,
    /// Connections that were lost unintentionally.
    pub lost: AtomicU64,
    /// Connections that were opened again.
    pub resumed: AtomicU64,
    /// Ephemeral publications sent.
    pub ephemeral_sent: AtomicU64,
    /// Ephemeral publications received.
    pub ephemeral_heard: AtomicU64,
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// Reads a counter.
#[must_use]
pub fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
