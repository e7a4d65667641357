//! Signing keys for tests; no deployment trusts them.

/// A private RSA key, for RS256. Key id `rsa`.
pub const RSA: &str = include_str!("keys/rsa.pem");
/// The public key of [`RSA`], as a verifier has it.
pub const RSA_PUBLIC: &str = include_str!("keys/rsa-public.pem");
/// A private key on P-256, for ES256. Key id `ec`.
pub const EC: &str = include_str!("keys/ec.pem");
/// A private Ed25519 key, for `EdDSA`. Key id `ed`.
pub const ED: &str = include_str!("keys/ed.pem");
/// The public keys of all three as a JWK set, and a key for encryption, which must be ignored.
pub const JWKS: &str = include_str!("keys/jwks.json");
