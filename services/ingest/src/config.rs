//! Configuration of the ingest function.

use domain::Endpoint;
use lambda_kit::env;

/// Settings of the ingest function, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`: the name of the connections table.
    pub connections_table: String,
    /// `ROOMS_TABLE`: the name of the rooms table.
    pub rooms_table: String,
    /// `PUBLICATIONS_QUEUE_URL`: the URL of the publications queue.
    pub publications_queue: String,
    /// `MANAGEMENT_ENDPOINT`; without it the endpoint is derived from each event.
    pub management_endpoint: Option<Endpoint>,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        Ok(Self {
            connections_table: env::required("CONNECTIONS_TABLE", "the name of the connections table")?,
            rooms_table: env::required("ROOMS_TABLE", "the name of the rooms table")?,
            publications_queue: env::required("PUBLICATIONS_QUEUE_URL", "the URL of the publications queue")?,
            management_endpoint: env::optional("MANAGEMENT_ENDPOINT").map(Endpoint::new),
        })
    }
}
