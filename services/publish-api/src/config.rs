//! Configuration of the publish-api function.

use domain::Generation;
use lambda_kit::env;
use tokens::KeySource;

/// Settings of the publish-api function, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ROOMS_TABLE`: the name of the rooms table.
    pub rooms_table: String,
    /// `GENERATION` of the deployment: grows with each restore of the rooms table; 0 if not set.
    pub generation: Generation,
    /// `PUBLICATIONS_QUEUE_URL`.
    pub publications_queue: String,
    /// `PUBLICATIONS_HELD_QUEUE_URL`.
    pub publications_held_queue: String,
    /// `COMMANDS_TOPIC_ARN`.
    pub commands_topic: String,
    /// The secrets with the keys of tokens and of signed requests.
    pub keys: KeySource,
}

impl Config {
    /// Reads the environment variables, and those of [`KeySource::from_environment`].
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        Ok(Self {
            rooms_table: env::required("ROOMS_TABLE", "the name of the rooms table")?,
            generation: env::parsed("GENERATION", "a whole number")?.unwrap_or_default(),
            publications_queue: env::required("PUBLICATIONS_QUEUE_URL", "the URL of the publications queue")?,
            publications_held_queue: env::required(
                "PUBLICATIONS_HELD_QUEUE_URL",
                "the URL of the publications-held queue",
            )?,
            commands_topic: env::required("COMMANDS_TOPIC_ARN", "the ARN of the commands topic")?,
            keys: KeySource::from_environment(env::optional),
        })
    }
}
