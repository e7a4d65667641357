//! What the reaper is told by its environment.

use std::time::Duration;

use domain::limits;
use lambda_kit::env;

/// What the reaper is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `STALE_AFTER_S`: seconds of silence after which a connection is stale; [`limits::STALE`] if not set.
    pub stale_after: Duration,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        let stale_after_s = env::parsed("STALE_AFTER_S", "a whole number of seconds")?;
        Ok(Self {
            connections_table: env::required("CONNECTIONS_TABLE", "the name of the connections table")?,
            stale_after: stale_after_s.map_or(limits::STALE, Duration::from_secs),
        })
    }
}
