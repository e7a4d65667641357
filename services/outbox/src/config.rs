//! What the outbox function is told by its environment.

use lambda_kit::env;

/// What the outbox function is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// `PUBLICATIONS_QUEUE_URL`.
    pub publications_queue: String,
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
            publications_queue: env::required("PUBLICATIONS_QUEUE_URL", "the URL of the publications queue")?,
            dead_queue: env::required("OUTBOX_DEAD_QUEUE_URL", "the URL of the outbox-dead queue")?,
        })
    }
}
