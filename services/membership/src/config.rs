//! Configuration of the membership function.

use domain::{Endpoint, Generation, limits};
use lambda_kit::env;
use tokens::KeySource;

/// Settings of the membership function, read from environment variables.
#[derive(Debug)]
pub struct Config {
    /// `CONNECTIONS_TABLE`: the name of the connections table.
    pub connections_table: String,
    /// `ROOMS_TABLE`: the name of the rooms table.
    pub rooms_table: String,
    /// The secrets with the keys of the tokens that renew connections.
    pub keys: KeySource,
    /// `MANAGEMENT_ENDPOINT`; without it the endpoint is derived from each event.
    pub management_endpoint: Option<Endpoint>,
    /// `GENERATION` of the deployment, which grows with each restore of the rooms table; 0 if not
    /// set.
    pub generation: Generation,
    /// `ROOM_MEMBERS`: connections that a room takes; [`limits::ROOM_MEMBERS`] if not set.
    pub room_members: u64,
}

impl Config {
    /// Reads the environment variables, and those of [`KeySource::from_environment`].
    ///
    /// # Errors
    /// A sentence that names the variable, its mistake, and the values that it takes.
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
