//! What the membership function is told by its environment.

use domain::{Endpoint, Generation, limits};
use lambda_kit::env;
use tokens::KeySource;

/// What the membership function is told by its environment.
#[derive(Debug)]
pub struct Config {
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `ROOMS_TABLE`.
    pub rooms_table: String,
    /// The keys of the tokens that connections are renewed with.
    pub keys: KeySource,
    /// `MANAGEMENT_ENDPOINT`; without it the endpoint is derived from each event.
    pub management_endpoint: Option<Endpoint>,
    /// `GENERATION` of the deployment: grows with each restore of the rooms table; 0 if not set.
    pub generation: Generation,
    /// `ROOM_MEMBERS`: connections that a room takes; [`limits::ROOM_MEMBERS`] if not set.
    pub room_members: u64,
}

impl Config {
    /// Reads it, and what [`KeySource::from_environment`] reads.
    ///
    /// # Errors
    /// A sentence that names the variable, what is wrong with it, and what it takes.
    pub fn from_environment() -> Result<Self, String> {
        let text = |error: env::Error| error.to_string();
        let required = |name, hint| env::required(name, hint).map_err(text);
        let room_members = env::parsed("ROOM_MEMBERS", "a whole number of connections").map_err(text)?;
        let generation = env::parsed("GENERATION", "a whole number").map_err(text)?;
        Ok(Self {
            generation: generation.unwrap_or_default(),
            connections_table: required("CONNECTIONS_TABLE", "the name of the connections table")?,
            rooms_table: required("ROOMS_TABLE", "the name of the rooms table")?,
            keys: KeySource::from_environment(env::optional),
            management_endpoint: env::optional("MANAGEMENT_ENDPOINT").map(Endpoint::new),
            room_members: room_members.unwrap_or(limits::ROOM_MEMBERS),
        })
    }
}
