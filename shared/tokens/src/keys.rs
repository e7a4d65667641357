//! The keys that verify tokens, each with its one algorithm.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// HS256 keys are at least as long as the hash (RFC 7518, 3.2).
pub(crate) const SECRET_BYTES: usize = 32;

/// RSA keys have at least so many bits (RFC 7518, 3.3).
const RSA_BITS: usize = 2_048;

/// A key and the algorithm it is for.
pub(crate) type Key = (Algorithm, DecodingKey);
/// Keys by their id.
pub(crate) type Keys = HashMap<String, Key>;

/// The reason why keys cannot be used. It never contains a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// No secret is named.
    #[error(
        "neither TOKEN_KEYS_SECRET nor TOKEN_JWKS_SECRET is set; set one to the name of a secret: \
         {{\"key id\":\"base64url of at least 32 bytes\"}} for HS256, or a JWK set"
    )]
    None,
    /// The secret is not the JSON that is expected; line and column of the error.
    #[error("the secret {0} is not the expected JSON (line {1}, column {2})")]
    Malformed(&'static str, usize, usize),
    /// A key of HS256 is not base64url, or is too short.
    #[error("key {0:?} of token_keys must be base64url of at least 32 bytes")]
    Secret(String),
    /// A signing key has no good id, name or secret.
    #[error(
        "key {0:?} of request_keys must have an id of letters, digits, - _ ., a name as users have, and a secret of base64url of at least 32 bytes"
    )]
    Signing(String),
    /// A public key is of a kind that is not supported, or has no id.
    #[error("key {0:?} of token_jwks has no kid, or is not for RS256, ES256 or EdDSA")]
    Public(String),
    /// An RSA key is too short.
    #[error("key {0:?} of token_jwks is RSA with fewer than {RSA_BITS} bits; take a longer key")]
    Weak(String),
    /// Two keys have one id, so a token that names the id would be ambiguous.
    #[error("key {0:?} is defined twice; each key of token_keys and token_jwks needs an id of its own")]
    Twice(String),
}

/// Parses all keys of both secrets.
pub(crate) fn all(secrets: Option<&str>, public: Option<&str>) -> Result<Keys, BadKeys> {
    if secrets.is_none() && public.is_none() {
        return Err(BadKeys::None);
    }
    let mut keys = Keys::new();
    let secrets = secrets.map(self::secrets).transpose()?.unwrap_or_default();
    let public = public.map(public_keys).transpose()?.unwrap_or_default();
    for (id, key) in secrets.into_iter().chain(public) {
        if keys.insert(id.clone(), key).is_some() {
            return Err(BadKeys::Twice(id));
        }
    }
    Ok(keys)
}

fn secrets(json: &str) -> Result<Vec<(String, Key)>, BadKeys> {
    let secrets: HashMap<String, String> =
        serde_json::from_str(json).map_err(|error| malformed("token_keys", &error))?;
    let parse = |(id, text): (String, String)| match URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')) {
        Ok(secret) if secret.len() >= SECRET_BYTES => Ok((id, (Algorithm::HS256, DecodingKey::from_secret(&secret)))),
        _ => Err(BadKeys::Secret(id)),
    };
    secrets.into_iter().map(parse).collect()
}

/// Returns the keys of a set that are for signatures. Providers publish keys for encryption beside
/// them.
fn public_keys(json: &str) -> Result<Vec<(String, Key)>, BadKeys> {
    let set: JwkSet = serde_json::from_str(json).map_err(|error| malformed("token_jwks", &error))?;
    set.keys.iter().filter(|key| !is_for_encryption(key)).map(public_key).collect()
}

fn is_for_encryption(key: &Jwk) -> bool {
    let encrypts = [KeyAlgorithm::RSA1_5, KeyAlgorithm::RSA_OAEP, KeyAlgorithm::RSA_OAEP_256];
    let verifies = |operations: &Vec<KeyOperations>| operations.contains(&KeyOperations::Verify);
    key.common.public_key_use == Some(PublicKeyUse::Encryption)
        || key.common.key_algorithm.is_some_and(|algorithm| encrypts.contains(&algorithm))
        || key.common.key_operations.as_ref().is_some_and(|operations| !verifies(operations))
}

fn public_key(jwk: &Jwk) -> Result<(String, Key), BadKeys> {
    let id = jwk.common.key_id.clone().unwrap_or_default();
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Some(Algorithm::EdDSA),
        _ => None,
    };
    // A key that names another algorithm is not for this one (RFC 7517, 4.4).
    let names = |algorithm| jwk.common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
    let algorithm = algorithm.filter(|algorithm| names(*algorithm));
    if let AlgorithmParameters::RSA(parameters) = &jwk.algorithm
        && bits(&parameters.n).is_some_and(|bits| bits < RSA_BITS)
    {
        return Err(BadKeys::Weak(id));
    }
    let key = DecodingKey::from_jwk(jwk).ok();
    match (algorithm, key) {
        (Some(algorithm), Some(key)) if !id.is_empty() => Ok((id, (algorithm, key))),
        _ => Err(BadKeys::Public(id)),
    }
}

/// Returns the bits of a number in base64url.
fn bits(number: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(number).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let first = bytes.get(zeros).copied().unwrap_or_default();
    Some((bytes.len() - zeros) * 8 - if first == 0 { 0 } else { first.leading_zeros() as usize })
}

/// Names the place of the mistake and not the text there, which may be a key.
pub(crate) fn malformed(name: &'static str, error: &serde_json::Error) -> BadKeys {
    BadKeys::Malformed(name, error.line(), error.column())
}
