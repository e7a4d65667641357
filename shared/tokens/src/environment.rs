//! The variables that say which tokens are good.

use crate::{BadKeys, Verifier};

impl Verifier {
    /// From `TOKEN_KEYS` and `TOKEN_JWKS` (at least one of them), `TOKEN_ISSUER` and `TOKEN_AUDIENCE` (where they are set,
    /// tokens must name them). `lookup` gives the value of a variable that is set and not empty.
    ///
    /// # Errors
    /// [`BadKeys`], which names the variable.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadKeys> {
        Self::new(
            lookup("TOKEN_KEYS").as_deref(),
            lookup("TOKEN_JWKS").as_deref(),
            lookup("TOKEN_ISSUER"),
            lookup("TOKEN_AUDIENCE"),
        )
    }
}
