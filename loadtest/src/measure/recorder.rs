//! All times of a run, and their course over time.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::times::{LONGEST_US, Times, decode, encode};
use crate::ledger::{Micros, SECOND};

/// Maximum points of a chart over time.
const BUCKETS: i64 = 240;
/// Maximum stored marks of faults, of all kinds together.
const FAULT_MARKS: usize = 2_000;

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
    /// When faults of the server fired, in the order of time.
    pub faults: Vec<FaultMark>,
    width: Micros,
    over_time: Vec<Second>,
}

/// A number of times that a fault fired, and when this was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultMark {
    /// The time at which it was seen, in seconds since the run began: at most one poll after it
    /// fired.
    pub at_s: f64,
    /// The number and the description of the fault.
    pub fault: String,
    /// The number of times since the mark before.
    pub fired: f64,
}

#[derive(Debug)]
struct Second {
    deliveries: u64,
    connected: u64,
    times: Histogram<u64>,
}

/// A point of the charts over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// All of these times: HdrHistogram, V2, deflated, base64; microseconds, two digits. Empty
    /// without any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hdr: String,
}

impl Recorder {
    /// A recorder for a run of about this length.
    #[must_use]
    pub fn new(expected: Micros) -> Self {
        let width = (expected / BUCKETS).max(SECOND);
        let empty = Times::default;
        Self {
            accepted: empty(),
            each: empty(),
            join: empty(),
            resume: empty(),
            faults: Vec::new(),
            width,
            over_time: Vec::new(),
        }
    }

    /// Records a delivery with its latency.
    pub fn deliver(&mut self, now: Micros, latency: Micros) {
        self.each.record(latency);
        if let Some(second) = self.second(now - latency) {
            second.times.saturating_record(u64::try_from(latency).unwrap_or(0).clamp(1, LONGEST_US));
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

    /// Records that a fault of the server fired. Marks beyond the maximum are dropped.
    pub fn fault(&mut self, now: Micros, fault: &str, fired: f64) {
        if self.faults.len() < FAULT_MARKS {
            let at_s = now as f64 / SECOND as f64;
            self.faults.push(FaultMark { at_s, fault: fault.to_owned(), fired });
        }
    }

    fn second(&mut self, at: Micros) -> Option<&mut Second> {
        let n = usize::try_from(at / self.width).ok().filter(|n| *n < 4 * BUCKETS as usize)?;
        while self.over_time.len() <= n {
            // Two digits: one less than for the whole run, for 24 KB each.
            let times = Histogram::new_with_bounds(1, LONGEST_US, 2).ok()?;
            self.over_time.push(Second { deliveries: 0, connected: 0, times });
        }
        self.over_time.get_mut(n)
    }

    /// The points of the charts over time.
    #[must_use]
    pub fn over_time(&self) -> Vec<Bucket> {
        let width_s = self.width as f64 / SECOND as f64;
        let point = |(n, second): (usize, &Second)| Bucket {
            at_s: n as f64 * width_s,
            deliveries_per_s: second.deliveries as f64 / width_s,
            connected: second.connected,
            p50_ms: at(&second.times, 0.5),
            p99_ms: at(&second.times, 0.99),
            hdr: if second.times.is_empty() { String::new() } else { encode(&second.times) },
        };
        self.over_time.iter().enumerate().map(point).collect()
    }
}

impl Bucket {
    /// The distribution of the times: each value in microseconds with its count. Empty if the
    /// result was written without it.
    #[must_use]
    pub fn values(&self) -> Vec<(u64, u64)> {
        let Ok(histogram) = decode(&self.hdr) else { return Vec::new() };
        histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }

    /// Adds the bucket of another generator. Without the distribution of both, the slower value of
    /// the two counts.
    pub fn add(&mut self, other: &Self) {
        let slower = |ours: Option<f64>, theirs: Option<f64>| ours.into_iter().chain(theirs).reduce(f64::max);
        self.deliveries_per_s += other.deliveries_per_s;
        self.connected += other.connected;
        if let (Ok(mut sum), Ok(theirs)) = (decode(&self.hdr), decode(&other.hdr))
            && sum.add(&theirs).is_ok()
        {
            (self.p50_ms, self.p99_ms, self.hdr) = (at(&sum, 0.5), at(&sum, 0.99), encode(&sum));
            return;
        }
        // The sum of a known and an unknown distribution is unknown.
        match (self.hdr.is_empty(), self.p50_ms, other.p50_ms) {
            (true, None, _) => self.hdr.clone_from(&other.hdr),
            (false, _, Some(_)) => self.hdr.clear(),
            _ => {}
        }
        self.p50_ms = slower(self.p50_ms, other.p50_ms);
        self.p99_ms = slower(self.p99_ms, other.p99_ms);
    }
}

/// The time in milliseconds at a quantile; `None` if the histogram is empty.
fn at(times: &Histogram<u64>, quantile: f64) -> Option<f64> {
    (!times.is_empty()).then(|| times.value_at_quantile(quantile) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_generators_are_added_with_their_distributions() {
        let bucket = |ms: i64, count: i64| {
            let mut recorder = Recorder::new(10 * SECOND);
            (0..count).for_each(|_| recorder.deliver(ms * 1_000, ms * 1_000));
            recorder.over_time().remove(0)
        };
        let mut sum = bucket(10, 99);
        sum.add(&bucket(200, 1));
        assert_eq!(sum.values().iter().map(|(_, count)| count).sum::<u64>(), 100);
        let close = |ms: Option<f64>, to: f64| ms.is_some_and(|ms| (ms / to - 1.0).abs() < 0.01);
        assert!(close(sum.p50_ms, 10.0) && close(sum.p99_ms, 10.0), "{sum:?}");
        let mut empty =
            Bucket { at_s: 0.0, deliveries_per_s: 0.0, connected: 0, p50_ms: None, p99_ms: None, hdr: String::new() };
        empty.add(&bucket(10, 3));
        assert_eq!(empty.values(), bucket(10, 3).values());
        let mut old = Bucket { hdr: String::new(), ..bucket(10, 3) };
        old.add(&bucket(200, 1));
        assert_eq!((old.values(), old.p50_ms), (Vec::new(), bucket(200, 1).p50_ms), "unknown and not half of it");
    }

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
