//! What the ingest function is told by its environment.

use domain::Endpoint;
use lambda_kit::env;

/// What the ingest function is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `ROOMS_TABLE`.
    pub rooms_table: String,
    /// `PUBLICATIONS_QUEUE_URL`.
    pub publications_queue: String,
    /// `MANAGEMENT_ENDPOINT`; without it the endpoint is derived from each event.
    pub management_endpoint: Option<Endpoint>,
}

impl Config {
    /// Reads it.
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
