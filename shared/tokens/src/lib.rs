//! Verifies tokens, and derives the identity that a good token gives: the same one at the handshake
//! and at a renewal.
//!
//! A token is a JWT (RFC 7519) in a JWS (RFC 7515), checked after RFC 8725. The key determines the
//! algorithm, never the token. Other keys in the token (`jwk`, `jku`, `x5u`) are ignored. Every
//! mistake is refused and named. The text of a refusal is for the log: it names the claim at fault
//! and shows nothing of the token.

mod bad_token;
mod claims;
mod keyring;
mod keys;
mod signed;
mod verifier;

pub use bad_token::BadToken;
pub use keyring::{BadCredential, CheckBackends, CheckTokens, Credential, KeySource, Keyring, LoadError};
pub use keys::BadKeys;
pub use signed::{BadSignature, SCHEME, SignedRequest};
pub use verifier::Verifier;
