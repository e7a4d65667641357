//! Whether a token is good, and whom it makes its bearer: the same answer at the handshake and at a renewal.
//!
//! A token is a JWT (RFC 7519) in a JWS (RFC 7515), checked after RFC 8725: the key says the algorithm, never the token;
//! what the token says of other keys (`jwk`, `jku`, `x5u`) is not looked at; whatever is wrong is refused and named. What
//! a refusal says is for the log: it names the claim at fault and shows nothing of the token.

mod bad_token;
mod claims;
mod keyring;
mod keys;
mod verifier;

pub use bad_token::BadToken;
pub use keyring::{CheckTokens, KeySource, Keyring, LoadError};
pub use keys::BadKeys;
pub use verifier::Verifier;
