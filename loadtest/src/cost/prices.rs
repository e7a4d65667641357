//! The file of prices.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Prices of AWS, in US dollars.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The date at which the prices were read.
    pub as_of: String,
    /// The Region of the prices.
    pub region: String,
    /// A million units of 32 KB of a message, in or out.
    pub websocket_units_per_million: f64,
    /// A million minutes of a connection.
    pub connection_minutes_per_million: f64,
    /// A million invocations.
    pub invocations_per_million: f64,
    /// One second of one gigabyte of a function.
    pub gigabyte_second: f64,
    /// The memory of a function, in megabytes.
    pub function_memory_mb: f64,
    /// A million write units of DynamoDB.
    pub write_units_per_million: f64,
    /// A million read units of DynamoDB.
    pub read_units_per_million: f64,
    /// A million calls of SQS.
    pub queue_calls_per_million: f64,
    /// A million publishes of SNS.
    pub topic_publishes_per_million: f64,
}

/// The price file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}; a price file looks like loadtest/prices.toml", path.display())]
pub struct Error {
    path: PathBuf,
    why: String,
}

impl Default for Prices {
    /// The prices of `loadtest/prices.toml` at build time.
    fn default() -> Self {
        toml::from_str(include_str!("../../prices.toml")).unwrap_or_else(|_| unreachable!("a test reads this file"))
    }
}

/// Reads a file of prices.
///
/// # Errors
/// [`Error`] when the file cannot be read, or is not a price file.
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
