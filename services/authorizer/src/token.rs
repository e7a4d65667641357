//! Whether a token is good: signed by a key we know, with the algorithm of that key, now, for us.

use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use protocol::token::Claims;

/// A longer token is not looked at: a handshake's headers hold 10 KB.
const TOKEN_BYTES: usize = 8 * 1024;
/// HS256 keys are at least as long as the hash (RFC 7518, 3.2).
const SECRET_BYTES: usize = 32;

/// Checks tokens.
pub struct Verifier {
    keys: HashMap<String, (Algorithm, DecodingKey)>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl fmt::Debug for Verifier {
    /// Names the keys, and says nothing else of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.keys.keys()).finish_non_exhaustive()
    }
}

/// Why keys cannot be used. Never shows a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// Neither variable is set.
    #[error(
        "neither TOKEN_KEYS nor TOKEN_JWKS is set; set one: {{\"key id\":\"base64url of at least 32 bytes\"}} for HS256, or a JWK set"
    )]
    None,
    /// Not the JSON it should be.
    #[error("environment variable {0} is not the JSON it should be (line {1}, column {2})")]
    Malformed(&'static str, usize, usize),
    /// A secret that is no base64url or too short.
    #[error("key {0:?} of TOKEN_KEYS must be base64url of at least 32 bytes")]
    Secret(String),
    /// A key of a kind we do not take.
    #[error("key {0:?} of TOKEN_JWKS has no kid, or is not for RS256, ES256 or EdDSA")]
    Public(String),
}

/// Why a token is refused. For the log; the client learns only that it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Too long to be looked at.
    #[error("token is {0} bytes long; at most 8192 are looked at")]
    TooLong(usize),
    /// Not a JWT.
    #[error("token is no JWT")]
    Malformed,
    /// Names no key, or one we do not know.
    #[error("token names a key that is not known")]
    UnknownKey,
    /// Signed with another algorithm than its key's, or not at all.
    #[error("token uses another algorithm than its key")]
    WrongAlgorithm,
    /// Whatever else.
    #[error("token is refused: {0}")]
    Refused(String),
}

impl Verifier {
    /// With the secrets of `keys` (`{"key id": "base64url"}`, HS256) and the public keys of `jwks` (RFC 7517; RS256,
    /// ES256, EdDSA). Where an issuer or an audience is given, tokens must name it.
    ///
    /// # Errors
    /// [`BadKeys`].
    pub fn new(
        keys: Option<&str>,
        jwks: Option<&str>,
        issuer: Option<String>,
        audience: Option<String>,
    ) -> Result<Self, BadKeys> {
        if keys.is_none() && jwks.is_none() {
            return Err(BadKeys::None);
        }
        let mut all = keys.map(secrets).transpose()?.unwrap_or_default();
        all.extend(jwks.map(public_keys).transpose()?.unwrap_or_default());
        Ok(Self { keys: all, issuer, audience })
    }

    /// The claims of a good token.
    ///
    /// # Errors
    /// [`BadToken`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, BadToken> {
        if token.len() > TOKEN_BYTES {
            return Err(BadToken::TooLong(token.len()));
        }
        let header = decode_header(token).map_err(|_| BadToken::Malformed)?;
        let (algorithm, key) = self.key(header.kid.as_deref()).ok_or(BadToken::UnknownKey)?;
        if header.alg != *algorithm {
            return Err(BadToken::WrongAlgorithm);
        }
        let validation = self.validation(*algorithm);
        let claims =
            decode::<Claims>(token, key, &validation).map_err(|error| BadToken::Refused(error.to_string()))?.claims;
        within_its_time(&claims, now).map(|()| claims)
    }

    /// The key of that id; a token without one may use the only key there is.
    fn key(&self, kid: Option<&str>) -> Option<&(Algorithm, DecodingKey)> {
        match kid {
            Some(kid) => self.keys.get(kid),
            None if self.keys.len() == 1 => self.keys.values().next(),
            None => None,
        }
    }

    /// The time is checked by us: one clock for everything.
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        let mut required = vec!["exp", "sub"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

fn within_its_time(claims: &Claims, now: Timestamp) -> Result<(), BadToken> {
    if claims.exp <= now.as_s() {
        return Err(BadToken::Refused(format!("it expired {} s ago", now.as_s() - claims.exp)));
    }
    match claims.nbf.filter(|nbf| *nbf > now.as_s()) {
        Some(nbf) => Err(BadToken::Refused(format!("it is valid in {} s", nbf - now.as_s()))),
        None => Ok(()),
    }
}

type Keys = HashMap<String, (Algorithm, DecodingKey)>;

fn secrets(json: &str) -> Result<Keys, BadKeys> {
    let secrets: HashMap<String, String> =
        serde_json::from_str(json).map_err(|error| malformed("TOKEN_KEYS", &error))?;
    let parse = |(id, text): (String, String)| match URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')) {
        Ok(secret) if secret.len() >= SECRET_BYTES => Ok((id, (Algorithm::HS256, DecodingKey::from_secret(&secret)))),
        _ => Err(BadKeys::Secret(id)),
    };
    secrets.into_iter().map(parse).collect()
}

fn public_keys(json: &str) -> Result<Keys, BadKeys> {
    let set: JwkSet = serde_json::from_str(json).map_err(|error| malformed("TOKEN_JWKS", &error))?;
    let parse = |jwk: &jsonwebtoken::jwk::Jwk| {
        let id = jwk.common.key_id.clone().unwrap_or_default();
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
            AlgorithmParameters::OctetKeyPair(_) => Some(Algorithm::EdDSA),
            _ => None,
        };
        let key = DecodingKey::from_jwk(jwk).ok();
        match (algorithm, key) {
            (Some(algorithm), Some(key)) if !id.is_empty() => Ok((id, (algorithm, key))),
            _ => Err(BadKeys::Public(id)),
        }
    };
    set.keys.iter().map(parse).collect()
}

/// Where it is wrong, and not what stands there: it may be a key.
fn malformed(name: &'static str, error: &serde_json::Error) -> BadKeys {
    BadKeys::Malformed(name, error.line(), error.column())
}
