//! Who may come in: keys, guests, origins.

use lambda_kit::env;
use tokens::{KeySource, Verifier};

use crate::origin::Origins;

/// What the authorizer is told by its environment.
#[derive(Debug)]
pub struct Config<K = Verifier> {
    /// Checks tokens.
    pub verifier: K,
    /// What somebody without a token may do.
    pub guests: Guests,
    /// From which web pages connections may come.
    pub origins: Origins,
}

/// What somebody without a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// Nothing: a token is needed.
    Deny,
    /// Everything in plain rooms.
    Allow,
}

impl Config<KeySource> {
    /// Reads `GUESTS`, `ALLOWED_ORIGINS`, and what [`KeySource::from_environment`] reads.
    ///
    /// # Errors
    /// A sentence that names the variable, what is wrong with it, and what it takes.
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

    /// The same with what checks tokens: the keys of these secrets.
    pub fn with_verifier<K>(self, verifier: K) -> Config<K> {
        Config { verifier, guests: self.guests, origins: self.origins }
    }
}
