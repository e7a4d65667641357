//! What happens besides, counted for people to look at: no order is promised between two of them.

use std::sync::atomic::{AtomicU64, Ordering};

/// What happens besides, counted.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections open now, of members.
    pub connected: AtomicU64,
    /// Members that have joined.
    pub joined: AtomicU64,
    /// Publications sent.
    pub published: AtomicU64,
    /// Deliveries to the application.
    pub delivered: AtomicU64,
    /// Text messages received by members.
    pub frames: AtomicU64,
    /// Their bytes.
    pub frame_bytes: AtomicU64,
    /// Requests sent, by members and publishers.
    pub requests: AtomicU64,
    /// Handshakes that were refused, or failed.
    pub handshakes_failed: AtomicU64,
    /// Times that the server said "later".
    pub throttled: AtomicU64,
    /// Connections that were lost though nobody meant to.
    pub lost: AtomicU64,
    /// Connections opened again.
    pub resumed: AtomicU64,
    /// Ephemeral publications sent.
    pub ephemeral_sent: AtomicU64,
    /// Ephemeral publications heard.
    pub ephemeral_heard: AtomicU64,
}

/// One more.
pub fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// How many.
#[must_use]
pub fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
