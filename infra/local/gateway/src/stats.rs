//! Counters of the gateway, named like its CloudWatch metrics and the items of its bill.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::METERED_UNIT_BYTES;

/// A snapshot of the counters since the gateway was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections open now.
    pub connections_open: u64,
    /// Handshakes answered with 101 (`ConnectCount`).
    pub connections_accepted: u64,
    /// Handshakes answered with another status.
    pub connections_refused: u64,
    /// Messages received (`MessageCount`, inbound half).
    pub messages_received: u64,
    /// `messages_received` in metered units of 32 KB.
    pub units_received: u64,
    /// Messages accepted for a client: posts, route responses and the gateway's own frames.
    pub messages_sent: u64,
    /// `messages_sent` in metered units of 32 KB.
    pub units_sent: u64,
    /// `messages_sent` in bytes of their payload.
    pub bytes_sent: u64,
    /// Messages refused because the account's bucket was empty.
    pub messages_throttled: u64,
    /// Messages that matched no route (`ClientError`).
    pub messages_unrouted: u64,
    /// Integrations that failed, exceeded their timeout, or gave an answer that is not valid
    /// (`IntegrationError`).
    pub integrations_failed: u64,
    /// `$disconnect` functions invoked.
    pub disconnects_invoked: u64,
    /// Posts answered with 200.
    pub posts_delivered: u64,
    /// Posts answered with 410.
    pub posts_gone: u64,
    /// Calls answered with 429 because the account's bucket was empty, or because of a fault.
    pub calls_throttled: u64,
    /// Posts answered with 429 because the client does not read.
    pub posts_buffer_full: u64,
    /// Posts answered with 413.
    pub posts_too_large: u64,
    /// Calls answered with 403.
    pub calls_forbidden: u64,
    /// Calls answered with 500. Only faults cause these.
    pub calls_unavailable: u64,
    /// Calls whose answer never reached the caller. Only faults cause these.
    pub calls_unanswered: u64,
    /// `GetConnection` calls answered with 200.
    pub gets: u64,
    /// `DeleteConnection` calls answered with 204.
    pub deletes: u64,
}

/// One counter. It is for display: reads of two counters have no defined order.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Counts one more event.
    pub(crate) fn add_one(&self) {
        self.add(1);
    }

    fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The live counters behind [`Stats`], field by field.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections_accepted: Counter,
    pub(crate) connections_refused: Counter,
    messages_received: Counter,
    units_received: Counter,
    messages_sent: Counter,
    units_sent: Counter,
    bytes_sent: Counter,
    pub(crate) messages_throttled: Counter,
    pub(crate) messages_unrouted: Counter,
    pub(crate) integrations_failed: Counter,
    pub(crate) disconnects_invoked: Counter,
    pub(crate) posts_delivered: Counter,
    pub(crate) posts_gone: Counter,
    pub(crate) calls_throttled: Counter,
    pub(crate) posts_buffer_full: Counter,
    pub(crate) posts_too_large: Counter,
    pub(crate) calls_forbidden: Counter,
    pub(crate) calls_unavailable: Counter,
    pub(crate) calls_unanswered: Counter,
    pub(crate) gets: Counter,
    pub(crate) deletes: Counter,
}

impl Counters {
    /// Counts a message from a client.
    pub(crate) fn received(&self, bytes: usize) {
        self.messages_received.add_one();
        self.units_received.add(metered_units(bytes));
    }

    /// Counts a message that was accepted for a client.
    pub(crate) fn sent(&self, bytes: usize) {
        self.messages_sent.add_one();
        self.units_sent.add(metered_units(bytes));
        self.bytes_sent.add(bytes as u64);
    }

    /// Returns a snapshot of all counters.
    pub(crate) fn snapshot(&self, connections_open: usize) -> Stats {
        Stats {
            connections_open: connections_open as u64,
            connections_accepted: self.connections_accepted.get(),
            connections_refused: self.connections_refused.get(),
            messages_received: self.messages_received.get(),
            units_received: self.units_received.get(),
            messages_sent: self.messages_sent.get(),
            units_sent: self.units_sent.get(),
            bytes_sent: self.bytes_sent.get(),
            messages_throttled: self.messages_throttled.get(),
            messages_unrouted: self.messages_unrouted.get(),
            integrations_failed: self.integrations_failed.get(),
            disconnects_invoked: self.disconnects_invoked.get(),
            posts_delivered: self.posts_delivered.get(),
            posts_gone: self.posts_gone.get(),
            calls_throttled: self.calls_throttled.get(),
            posts_buffer_full: self.posts_buffer_full.get(),
            posts_too_large: self.posts_too_large.get(),
            calls_forbidden: self.calls_forbidden.get(),
            calls_unavailable: self.calls_unavailable.get(),
            calls_unanswered: self.calls_unanswered.get(),
            gets: self.gets.get(),
            deletes: self.deletes.get(),
        }
    }
}

/// Returns the number of metered units: 33 KB are two units, an empty message is one.
fn metered_units(bytes: usize) -> u64 {
    bytes.div_ceil(METERED_UNIT_BYTES).max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_metered_by_started_units_of_32_kb() {
        let units = [0, 1, 32_768, 32_769, 131_072].map(metered_units);
        assert_eq!(units, [1, 1, 1, 2, 4]);
    }
}
