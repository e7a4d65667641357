//! Configuration of the connect function.

use std::num::NonZeroUsize;

use domain::{Endpoint, limits};
use lambda_kit::env;

/// Settings of the connect function, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`: the name of the connections table.
    pub connections_table: String,
    /// `ROOMS_TABLE`: the name of the rooms table.
    pub rooms_table: String,
    /// `MANAGEMENT_ENDPOINT`; without it the endpoint is derived from each event.
    pub management_endpoint: Option<Endpoint>,
    /// `ROOM_MEMBERS`: connections that a room takes; [`limits::ROOM_MEMBERS`] if not set.
    pub room_members: u64,
    /// `USER_CONNECTIONS`: connections that a user may have; [`limits::USER_CONNECTIONS`] if not
    /// set.
    pub user_connections: usize,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        let user_connections = env::parsed("USER_CONNECTIONS", "a whole number of connections")?;
        Ok(Self {
            user_connections: user_connections.map_or(limits::USER_CONNECTIONS, NonZeroUsize::get),
            connections_table: env::required("CONNECTIONS_TABLE", "the name of the connections table")?,
            rooms_table: env::required("ROOMS_TABLE", "the name of the rooms table")?,
            management_endpoint: env::optional("MANAGEMENT_ENDPOINT").map(Endpoint::new),
            room_members: env::parsed("ROOM_MEMBERS", "a whole number of connections")?.unwrap_or(limits::ROOM_MEMBERS),
        })
    }
}
