//! What the events function is told by its environment.

use domain::Generation;
use lambda_kit::env;

/// What the events function is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `ROOMS_TABLE`.
    pub rooms_table: String,
    /// `GENERATION` of the deployment: grows with each restore of the rooms table; 0 if not set.
    pub generation: Generation,
    /// `PUBLICATIONS_QUEUE_URL`.
    pub publications_queue: String,
    /// `PUBLICATIONS_HELD_QUEUE_URL`.
    pub publications_held_queue: String,
    /// `EVENTS_QUEUE_URL`.
    pub events_queue: String,
    /// `EVENTS_ORDERED_QUEUE_URL`.
    pub events_ordered_queue: String,
    /// `EVENTS_DEAD_QUEUE_URL`.
    pub dead_queue: String,
    /// `COMMAND_TOPICS`: names of topics, separated by commas; none if empty.
    pub command_topics: Vec<String>,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        let topics = env::optional("COMMAND_TOPICS").unwrap_or_default();
        let names = topics.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Self {
            connections_table: env::required("CONNECTIONS_TABLE", "the name of the connections table")?,
            rooms_table: env::required("ROOMS_TABLE", "the name of the rooms table")?,
            generation: env::parsed("GENERATION", "a whole number")?.unwrap_or_default(),
            publications_queue: env::required("PUBLICATIONS_QUEUE_URL", "the URL of the publications queue")?,
            publications_held_queue: env::required(
                "PUBLICATIONS_HELD_QUEUE_URL",
                "the URL of the publications-held queue",
            )?,
            events_queue: env::required("EVENTS_QUEUE_URL", "the URL of the events queue")?,
            events_ordered_queue: env::required("EVENTS_ORDERED_QUEUE_URL", "the URL of the events-ordered queue")?,
            dead_queue: env::required("EVENTS_DEAD_QUEUE_URL", "the URL of the events-dead queue")?,
            command_topics: names.map(str::to_owned).collect(),
        })
    }
}
