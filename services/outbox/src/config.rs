//! Configuration of the outbox function.

use lambda_kit::env;

/// Settings of the outbox function, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ROOMS_TABLE`.
    pub rooms_table: String,
    /// `PUBLICATIONS_QUEUE_URL`.
    pub publications_queue: String,
    /// `PUBLICATIONS_HELD_QUEUE_URL`.
    pub publications_held_queue: String,
    /// `OUTBOX_DEAD_QUEUE_URL`.
    pub dead_queue: String,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        Ok(Self {
            rooms_table: env::required("ROOMS_TABLE", "the name of the rooms table")?,
            publications_queue: env::required("PUBLICATIONS_QUEUE_URL", "the URL of the publications queue")?,
            publications_held_queue: env::required(
                "PUBLICATIONS_HELD_QUEUE_URL",
                "the URL of the publications-held queue",
            )?,
            dead_queue: env::required("OUTBOX_DEAD_QUEUE_URL", "the URL of the outbox-dead queue")?,
        })
    }
}
