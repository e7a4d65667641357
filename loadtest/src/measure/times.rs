//! Histograms of times, in microseconds, to three digits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use crate::ledger::Micros;

/// Ten minutes. Longer times count as ten minutes.
pub(super) const LONGEST_US: u64 = 600_000_000;

/// Times of one kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Times {
    histogram: Histogram<u64>,
    /// Times below zero. A reliable clock never gives them.
    pub negative: u64,
}

/// The stored form: percentiles for readers, and the whole histogram.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    count: u64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    negative: u64,
    /// HdrHistogram, V2, deflated, base64; microseconds.
    hdr: String,
}

impl Default for Times {
    fn default() -> Self {
        // The bounds are valid: one microsecond to ten minutes, three digits.
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3);
        Self { histogram: histogram.unwrap_or_else(|_| unreachable!("the bounds are constants")), negative: 0 }
    }
}

impl Times {
    /// Records a time.
    pub fn record(&mut self, time: Micros) {
        match u64::try_from(time) {
            Ok(time) => self.histogram.saturating_record(time.clamp(1, LONGEST_US)),
            Err(_) => self.negative += 1,
        }
    }

    /// Adds all times of another histogram.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.histogram.add(&other.histogram);
        self.negative += other.negative;
    }

    /// The time in milliseconds at a quantile; `None` if the histogram is empty.
    #[must_use]
    pub fn at(&self, quantile: f64) -> Option<f64> {
        (self.count() > 0).then(|| self.histogram.value_at_quantile(quantile) as f64 / 1_000.0)
    }

    /// The same, if there are enough times to resolve the quantile: 99.9% needs 1,000 of them. The
    /// maximum is always available.
    #[must_use]
    pub fn resolved(&self, quantile: f64) -> Option<f64> {
        self.at(quantile).filter(|_| quantile >= 1.0 || quantile <= self.deepest())
    }

    /// The highest quantile that differs from the maximum: at least one time lies above it.
    fn deepest(&self) -> f64 {
        // The constant compensates for rounding of binary quantiles.
        1.0 - 1.0 / self.count().max(1) as f64 + 1e-7
    }

    /// The number of recorded times.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Points of the percentile curve: percentile and milliseconds.
    #[must_use]
    pub fn curve(&self) -> Vec<(f64, f64)> {
        if self.count() == 0 {
            return Vec::new();
        }
        self.histogram
            .iter_quantiles(4)
            .filter(|step| step.quantile_iterated_to() <= self.deepest())
            .map(|step| (step.quantile_iterated_to(), step.value_iterated_to() as f64 / 1_000.0))
            .collect()
    }
}

impl From<Times> for Stored {
    fn from(times: Times) -> Self {
        let at = |quantile| times.at(quantile).unwrap_or(0.0);
        Self {
            count: times.count(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
            negative: times.negative,
            hdr: encode(&times.histogram),
        }
    }
}

impl TryFrom<Stored> for Times {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let read = decode(&stored.hdr)?;
        let mut times = Self { negative: stored.negative, ..Self::default() };
        times.histogram.add(&read).map_err(|error| wrong(&error))?;
        Ok(times)
    }
}

/// Stores a histogram as text: HdrHistogram, V2, deflated, base64.
pub(super) fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Writing to a vector cannot fail.
    let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    STANDARD.encode(bytes)
}

/// Reads a stored histogram. The error is a sentence for readers of the file.
pub(super) fn decode(stored: &str) -> Result<Histogram<u64>, String> {
    let bytes = STANDARD.decode(stored).map_err(|error| wrong(&error))?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| wrong(&error))
}

fn wrong(why: &dyn std::fmt::Display) -> String {
    format!("hdr is not an HdrHistogram in base64: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_from_json_as_they_were() {
        let mut times = Times::default();
        (1..=1_000).for_each(|n| times.record(n * 1_000));
        times.record(-1);
        let read: Times = serde_json::from_str(&serde_json::to_string(&times).unwrap()).unwrap();
        assert_eq!((read.count(), read.negative), (1_000, 1));
        assert_eq!(read.at(0.99), times.at(0.99));
        assert!((read.at(0.5).unwrap() - 500.0).abs() < 1.0);
    }

    #[test]
    fn a_percentile_needs_as_many_times_as_tell_it_from_the_longest() {
        let of = |count: i64| {
            let mut times = Times::default();
            (1..=count).for_each(|n| times.record(n * 1_000));
            times
        };
        assert_eq!((of(40).resolved(0.99), of(40).resolved(0.9).is_some()), (None, true));
        assert_eq!((of(100).resolved(0.99).is_some(), of(100).resolved(0.999)), (true, None));
        assert!(of(1_000).resolved(0.999).is_some() && of(1).resolved(1.0).is_some());
        assert!(of(40).curve().iter().all(|(quantile, _)| *quantile < 0.976));
        assert!(of(10_000).curve().iter().any(|(quantile, _)| *quantile > 0.999));
    }

    #[test]
    fn nothing_is_not_zero() {
        assert_eq!(Times::default().at(0.5), None);
    }
}
