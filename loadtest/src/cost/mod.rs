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
    /// The parts of the counted cost. Their amounts add up to `counted_usd`.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Parts of the cost that no counter covers.
    pub unknown: Vec<String>,
    /// True if AWS charges for the run. A run on loopback is free.
    pub paid: bool,
}

/// A part of the cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The name of what is priced.
    pub name: String,
    /// The counted number of it.
    pub count: f64,
    /// The amount, in US dollars.
    pub usd: f64,
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
        let counted = parts.iter().filter_map(|(name, count, price)| {
            let count = (*count)?;
            Some(Part { name: (*name).to_owned(), count, usd: count * price })
        });
        let counted: Vec<Part> = counted.collect();
        Self {
            prices_of: prices.as_of.clone(),
            predicted_usd,
            counted_usd: counted.iter().map(|part| part.usd).sum(),
            parts: counted,
            unknown: parts
                .iter()
                .filter(|(_, count, _)| count.is_none())
                .map(|(name, ..)| (*name).to_owned())
                .collect(),
            paid,
        }
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
    fn the_parts_of_the_cost_add_up_to_it() {
        let usage = Usage { units_in: Some(3e6), invocations: Some(5e6), ..Usage::unknown("a test") };
        let cost = Cost::of(&usage, 120.0, 5.0, &Prices::default(), true);
        assert_eq!(cost.parts.len() + cost.unknown.len(), 9);
        let sum: f64 = cost.parts.iter().map(|part| part.usd).sum();
        assert!(sum > 3.0 && (sum - cost.counted_usd).abs() < 1e-12, "{cost:?}");
    }

    #[test]
    fn what_is_unknown_is_named_and_not_taken_for_nothing() {
        let usage = Usage { units_in: Some(1e6), units_out: Some(2e6), ..Usage::unknown("a test") };
        let cost = Cost::of(&usage, 0.0, 5.0, &Prices::default(), true);
        assert!((cost.counted_usd - 3.0).abs() < 1e-9, "{cost:?}");
        assert!(cost.unknown.contains(&"write units".to_owned()));
        assert!(cost.to_string().contains("and more for invocations"), "{cost}");
    }
}
