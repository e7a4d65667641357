//! Configuration of the events function.

use domain::Generation;
use lambda_kit::env;
use protocol::backend::Wrapping;

/// Settings of the events function, read from environment variables.
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
    pub events_dead_queue: String,
    /// `COMMANDS_QUEUE_URL`.
    pub commands_queue: String,
    /// `COMMANDS_DEAD_QUEUE_URL`.
    pub commands_dead_queue: String,
    /// `EVENTS_DELIVERY`: `envelope` or `raw`, as the subscriptions of all queues deliver;
    /// `envelope` if not set.
    pub wrapping: Wrapping,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// A sentence that names the variable, its mistake, and the values that it takes.
    pub fn from_environment() -> Result<Self, String> {
        let delivery = env::optional("EVENTS_DELIVERY").unwrap_or_else(|| "envelope".to_owned());
        let wrapping = Wrapping::from_name(&delivery)
            .ok_or_else(|| format!("environment variable EVENTS_DELIVERY is {delivery:?}; it takes envelope or raw"))?;
        Self::of(wrapping).map_err(|error| error.to_string())
    }

    fn of(wrapping: Wrapping) -> Result<Self, env::Error> {
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
            events_dead_queue: env::required("EVENTS_DEAD_QUEUE_URL", "the URL of the events-dead queue")?,
            commands_queue: env::required("COMMANDS_QUEUE_URL", "the URL of the commands queue")?,
            commands_dead_queue: env::required("COMMANDS_DEAD_QUEUE_URL", "the URL of the commands-dead queue")?,
            wrapping,
        })
    }
}
