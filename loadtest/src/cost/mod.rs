//! The cost of a run on AWS: predicted before it, and computed from counters after it.

mod estimate;
mod prices;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use estimate::{Work, estimate, planned};
pub use prices::{Error, Prices, read};

use crate::counters::Usage;

/// The cost of a run, in US dollars.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// The date of the prices.
    pub prices_of: String,
    /// The prediction for the planned work.
    pub predicted_usd: f64,
    /// The cost of the counted work, without the unknown parts.
    pub counted_usd: f64,
    /// Parts of the cost that no counter covers.
    pub unknown: Vec<String>,
    /// True if AWS charges for the run. A run on loopback is free.
    pub paid: bool,
}

impl Cost {
    /// Computes the cost from counters.
    #[must_use]
    pub fn of(usage: &Usage, connection_minutes: f64, predicted_usd: f64, prices: &Prices, paid: bool) -> Self {
        let gigabyte_seconds = usage.invocation_ms.map(|ms| ms / 1_000.0 * prices.function_memory_mb / 1_024.0);
        let million = |price: f64| price / 1e6;
        let parts = [
            ("units in", usage.units_in, million(prices.websocket_units_per_million)),
            ("units out", usage.units_out, million(prices.websocket_units_per_million)),
            ("connection minutes", Some(connection_minutes), million(prices.connection_minutes_per_million)),
            ("invocations", usage.invocations, million(prices.invocations_per_million)),
            ("invocation time", gigabyte_seconds, prices.gigabyte_second),
            ("write units", usage.write_units, million(prices.write_units_per_million)),
            ("read units", usage.read_units, million(prices.read_units_per_million)),
            ("queue calls", usage.queue_calls, million(prices.queue_calls_per_million)),
            ("topic publishes", usage.topic_publishes, million(prices.topic_publishes_per_million)),
        ];
        Self {
            prices_of: prices.as_of.clone(),
            predicted_usd,
            counted_usd: parts.iter().filter_map(|(_, count, price)| count.map(|count| count * price)).sum(),
            unknown: parts
                .iter()
                .filter(|(_, count, _)| count.is_none())
                .map(|(name, ..)| (*name).to_owned())
                .collect(),
            paid,
        }
    }

    /// Adds the cost of another generator.
    pub fn add(&mut self, other: &Self) {
        self.predicted_usd += other.predicted_usd;
        self.counted_usd += other.counted_usd;
        self.paid |= other.paid;
        self.unknown
            .extend(other.unknown.iter().filter(|name| !self.unknown.contains(name)).cloned().collect::<Vec<_>>());
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (counted, predicted) = (dollars(self.counted_usd), dollars(self.predicted_usd));
        let whether = if self.paid { "" } else { "on AWS it would be " };
        write!(f, "{whether}{counted} of what was counted ({predicted} predicted; prices of {})", self.prices_of)?;
        if self.unknown.is_empty() { Ok(()) } else { write!(f, ", and more for {}: unknown", self.unknown.join(", ")) }
    }
}

/// Formats an amount for readers.
#[must_use]
pub fn dollars(usd: f64) -> String {
    if usd < 0.01 { format!("${usd:.5}") } else { format!("${usd:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_named_and_not_taken_for_nothing() {
        let usage = Usage { units_in: Some(1e6), units_out: Some(2e6), ..Usage::unknown("a test") };
        let cost = Cost::of(&usage, 0.0, 5.0, &Prices::default(), true);
        assert!((cost.counted_usd - 3.0).abs() < 1e-9, "{cost:?}");
        assert!(cost.unknown.contains(&"write units".to_owned()));
        assert!(cost.to_string().contains("and more for invocations"), "{cost}");
    }
}
