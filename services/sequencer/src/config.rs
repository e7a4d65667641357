//! Configuration of the sequencer function.

use domain::Generation;
use lambda_kit::env;

/// Settings of the sequencer function, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ROOMS_TABLE`.
    pub rooms_table: String,
    /// `GENERATION` of the deployment: grows with each restore of the rooms table; 0 if not set.
    pub generation: Generation,
    /// `PUBLICATIONS_QUEUE_URL`: the queue of publications, which invokes this function.
    pub publications_queue: String,
    /// `PUBLICATIONS_DEAD_QUEUE_URL`.
    pub publications_dead_queue: String,
    /// `PUBLICATIONS_HELD_QUEUE_URL`: the queue of held publications, which also invokes this function.
    pub publications_held_queue: String,
    /// `PUBLICATIONS_HELD_DEAD_QUEUE_URL`.
    pub publications_held_dead_queue: String,
    /// `DELIVERIES_QUEUE_URL`.
    pub deliveries_queue: String,
    /// `DELIVERIES_WIDE_QUEUE_URL`.
    pub deliveries_wide_queue: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        Ok(Self {
            rooms_table: env::required("ROOMS_TABLE", "the name of the rooms table")?,
            generation: env::parsed("GENERATION", "a whole number")?.unwrap_or_default(),
            publications_queue: env::required("PUBLICATIONS_QUEUE_URL", "the URL of the publications queue")?,
            publications_dead_queue: env::required(
                "PUBLICATIONS_DEAD_QUEUE_URL",
                "the URL of the publications-dead queue",
            )?,
            publications_held_queue: env::required(
                "PUBLICATIONS_HELD_QUEUE_URL",
                "the URL of the publications-held queue",
            )?,
            publications_held_dead_queue: env::required(
                "PUBLICATIONS_HELD_DEAD_QUEUE_URL",
                "the URL of the publications-held-dead queue",
            )?,
            deliveries_queue: env::required("DELIVERIES_QUEUE_URL", "the URL of the deliveries queue")?,
            deliveries_wide_queue: env::required("DELIVERIES_WIDE_QUEUE_URL", "the URL of the deliveries-wide queue")?,
        })
    }
}
