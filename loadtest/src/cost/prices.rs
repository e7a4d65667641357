//! The price file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What AWS asks for, in US dollars.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The day they were read.
    pub as_of: String,
    /// Where they hold.
    pub region: String,
    /// 32 KB of a message, in or out.
    pub websocket_units_per_million: f64,
    /// A minute of a connection.
    pub connection_minutes_per_million: f64,
    /// An invocation.
    pub invocations_per_million: f64,
    /// A second of a gigabyte of a function.
    pub gigabyte_second: f64,
    /// What a function has, in megabytes.
    pub function_memory_mb: f64,
    /// A write unit of DynamoDB.
    pub write_units_per_million: f64,
    /// A read unit.
    pub read_units_per_million: f64,
    /// A call of SQS.
    pub queue_calls_per_million: f64,
    /// A publish of SNS.
    pub topic_publishes_per_million: f64,
}

/// Why there are no prices.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}; a price file looks like loadtest/prices.toml", path.display())]
pub struct Error {
    path: PathBuf,
    why: String,
}

impl Default for Prices {
    /// Those of `loadtest/prices.toml` when this was built.
    fn default() -> Self {
        toml::from_str(include_str!("../../prices.toml")).unwrap_or_else(|_| unreachable!("a test reads this file"))
    }
}

/// Reads a price file.
///
/// # Errors
/// [`Error`] when it is none.
pub fn read(path: &Path) -> Result<Prices, Error> {
    let failed = |why: String| Error { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    toml::from_str(&text).map_err(|error| failed(error.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_file_has_a_date_and_every_price() {
        let prices = Prices::default();
        assert!(prices.as_of.parse::<jiff::civil::Date>().is_ok(), "{}", prices.as_of);
        assert!(prices.websocket_units_per_million > 0.0);
    }
}
