//! Configuration of the disconnect function.

use lambda_kit::env;

/// Settings of the disconnect function, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`: the name of the connections table.
    pub connections_table: String,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        Ok(Self { connections_table: env::required("CONNECTIONS_TABLE", "the name of the connections table")? })
    }
}
