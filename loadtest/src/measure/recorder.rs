//! All times of a run, and their course over time.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::times::Times;
use crate::ledger::{Micros, SECOND};

/// Maximum points of a chart over time.
const BUCKETS: i64 = 240;

/// All times of a run.
#[derive(Debug)]
pub struct Recorder {
    /// From the intended time of a publication to the reply that it is accepted.
    pub accepted: Times,
    /// From the intended time of a publication to a member.
    pub each: Times,
    /// From the request to join to its reply.
    pub join: Times,
    /// From the loss of a connection, or the end of an absence, to the reply that resumes it.
    pub resume: Times,
    width: Micros,
    over_time: Vec<Second>,
}

#[derive(Debug)]
struct Second {
    deliveries: u64,
    connected: u64,
    times: Histogram<u64>,
}

/// A point of the charts over time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// The start of the interval, in seconds since the run began.
    pub at_s: f64,
    /// Deliveries a second that arrived in it.
    pub deliveries_per_s: f64,
    /// Connections open at its end.
    pub connected: u64,
    /// The median time of publications that were intended in it; `None` without any.
    pub p50_ms: Option<f64>,
    /// The 99th percentile of the same times.
    pub p99_ms: Option<f64>,
}

impl Recorder {
    /// A recorder for a run of about this length.
    #[must_use]
    pub fn new(expected: Micros) -> Self {
        let width = (expected / BUCKETS).max(SECOND);
        let empty = Times::default;
        Self { accepted: empty(), each: empty(), join: empty(), resume: empty(), width, over_time: Vec::new() }
    }

    /// Records a delivery with its latency.
    pub fn deliver(&mut self, now: Micros, latency: Micros) {
        self.each.record(latency);
        if let Some(second) = self.second(now - latency) {
            second.times.saturating_record(u64::try_from(latency / 1_000).unwrap_or(0));
        }
    }

    /// Records deliveries that arrived, whether their times count or not.
    pub fn count(&mut self, now: Micros, deliveries: u64) {
        if let Some(second) = self.second(now) {
            second.deliveries += deliveries;
        }
    }

    /// Records the number of open connections.
    pub fn connected(&mut self, now: Micros, connections: u64) {
        if let Some(second) = self.second(now) {
            second.connected = connections;
        }
    }

    fn second(&mut self, at: Micros) -> Option<&mut Second> {
        let n = usize::try_from(at / self.width).ok().filter(|n| *n < 4 * BUCKETS as usize)?;
        while self.over_time.len() <= n {
            // Two digits, in milliseconds: one digit less than for the whole run, for a few
            // kilobytes each.
            let times = Histogram::new_with_bounds(1, 600_000, 2).ok()?;
            self.over_time.push(Second { deliveries: 0, connected: 0, times });
        }
        self.over_time.get_mut(n)
    }

    /// The points of the charts over time.
    #[must_use]
    pub fn over_time(&self) -> Vec<Bucket> {
        let width_s = self.width as f64 / SECOND as f64;
        let at = |second: &Second, quantile| {
            (!second.times.is_empty()).then(|| second.times.value_at_quantile(quantile) as f64)
        };
        let point = |(n, second): (usize, &Second)| Bucket {
            at_s: n as f64 * width_s,
            deliveries_per_s: second.deliveries as f64 / width_s,
            connected: second.connected,
            p50_ms: at(second, 0.5),
            p99_ms: at(second, 0.99),
        };
        self.over_time.iter().enumerate().map(point).collect()
    }
}

impl Bucket {
    /// Adds the bucket of another generator: the slower value of the two counts.
    pub fn add(&mut self, other: &Self) {
        let slower = |ours: Option<f64>, theirs: Option<f64>| ours.into_iter().chain(theirs).reduce(f64::max);
        self.deliveries_per_s += other.deliveries_per_s;
        self.connected += other.connected;
        self.p50_ms = slower(self.p50_ms, other.p50_ms);
        self.p99_ms = slower(self.p99_ms, other.p99_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_belongs_to_when_it_was_intended_and_a_delivery_to_when_it_came() {
        let mut recorder = Recorder::new(10 * SECOND);
        recorder.deliver(3 * SECOND, 2 * SECOND);
        recorder.count(3 * SECOND, 1);
        let over_time = recorder.over_time();
        assert_eq!(over_time.len(), 4);
        assert!(over_time[1].p50_ms.is_some_and(|ms| (ms - 2_000.0).abs() < 20.0));
        assert_eq!((over_time[3].deliveries_per_s, over_time[3].p50_ms), (1.0, None));
    }
}
