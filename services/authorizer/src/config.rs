//! Configuration of the authorizer: token keys, guests and allowed origins.

use lambda_kit::env;
use tokens::{KeySource, Verifier};

use crate::origin::Origins;

/// Settings of the authorizer.
#[derive(Debug)]
pub struct Config<K = Verifier> {
    /// Verifies the tokens of handshakes.
    pub verifier: K,
    /// Permissions of a client that presents no token.
    pub guests: Guests,
    /// Web pages that may open connections.
    pub origins: Origins,
}

/// Permissions of a client that presents no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// None: the handshake is refused with 401.
    Deny,
    /// All permissions in plain rooms.
    Allow,
}

impl Config<KeySource> {
    /// Reads `GUESTS`, `ALLOWED_ORIGINS`, and the variables of [`KeySource::from_environment`].
    ///
    /// # Errors
    /// A sentence that names the variable, its mistake, and the values that it takes.
    pub fn from_environment() -> Result<Self, String> {
        let guests = match env::optional("GUESTS").as_deref() {
            None | Some("deny") => Guests::Deny,
            Some("allow") => Guests::Allow,
            Some(other) => return Err(format!("environment variable GUESTS is {other:?}; it takes deny or allow")),
        };
        let origins = env::optional("ALLOWED_ORIGINS").unwrap_or_default();
        Ok(Self {
            verifier: KeySource::from_environment(env::optional),
            guests,
            origins: Origins::parse(&origins)
                .map_err(|error| format!("environment variable ALLOWED_ORIGINS: {error}"))?,
        })
    }

    /// Returns this configuration with `verifier` in place of the source of the keys.
    pub fn with_verifier<K>(self, verifier: K) -> Config<K> {
        Config { verifier, guests: self.guests, origins: self.origins }
    }
}
