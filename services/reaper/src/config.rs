//! Configuration of the reaper.

use std::time::Duration;

use domain::limits;
use lambda_kit::env;

/// Settings of the reaper, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`: the name of the connections table.
    pub connections_table: String,
    /// `ROOMS_TABLE`: the name of the rooms table.
    pub rooms_table: String,
    /// `STALE_AFTER_S`: seconds of silence after which a connection is stale; [`limits::STALE`] if
    /// not set.
    pub stale_after: Duration,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        let stale_after_s = env::parsed("STALE_AFTER_S", "a whole number of seconds")?;
        Ok(Self {
            connections_table: env::required("CONNECTIONS_TABLE", "the name of the connections table")?,
            rooms_table: env::required("ROOMS_TABLE", "the name of the rooms table")?,
            stale_after: stale_after_s.map_or(limits::STALE, Duration::from_secs),
        })
    }
}
