//! What the disconnect function is told by its environment.

use lambda_kit::env;

/// What the disconnect function is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        Ok(Self { connections_table: env::required("CONNECTIONS_TABLE", "the name of the connections table")? })
    }
}
