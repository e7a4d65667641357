//! Who may come in: keys, guests, origins.

use lambda_kit::env;
use tokens::Verifier;

use crate::origin::Origins;

/// What the authorizer is told by its environment.
#[derive(Debug)]
pub struct Config {
    /// Checks tokens.
    pub verifier: Verifier,
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

impl Config {
    /// Reads `GUESTS`, `ALLOWED_ORIGINS`, and what [`Verifier::from_environment`] reads.
    ///
    /// # Errors
    /// A sentence that names the variable, what is wrong with it, and what it takes.
    pub fn from_environment() -> Result<Self, String> {
        let verifier = Verifier::from_environment(env::optional);
        let guests = match env::optional("GUESTS").as_deref() {
            None | Some("deny") => Guests::Deny,
            Some("allow") => Guests::Allow,
            Some(other) => return Err(format!("environment variable GUESTS is {other:?}; it takes deny or allow")),
        };
        let origins = env::optional("ALLOWED_ORIGINS").unwrap_or_default();
        Ok(Self {
            verifier: verifier.map_err(|error| error.to_string())?,
            guests,
            origins: Origins::parse(&origins)
                .map_err(|error| format!("environment variable ALLOWED_ORIGINS: {error}"))?,
        })
    }
}
