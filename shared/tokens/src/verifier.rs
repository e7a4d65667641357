//! Verifies tokens: a known key must have signed them with its algorithm, they must be valid now,
//! and be for this deployment.

use std::fmt;
use std::time::Duration;

use domain::{Backend, Device, Identity, Timestamp, limits};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::value::RawValue;

use crate::bad_token::BadToken;
use crate::claims::Claims;
use crate::keys::{self, BadKeys, Key, Keys};
use crate::signed::{BadSignature, SignedRequest, Signers};

/// Verifies tokens with keys that are loaded.
pub struct Verifier {
    keys: Keys,
    signers: Signers,
    issuer: Option<String>,
    audience: Option<String>,
}

impl fmt::Debug for Verifier {
    /// Shows the ids of the keys, and nothing else of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.keys.keys()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Uses the secrets of `keys` (`{"key id": "base64url"}`, HS256) and the public keys of `jwks`
    /// (RFC 7517; RS256, ES256, EdDSA). Where an issuer or an audience is given, tokens must name
    /// it.
    ///
    /// # Errors
    /// [`BadKeys`] when a secret holds no usable keys.
    pub fn new(
        keys: Option<&str>,
        jwks: Option<&str>,
        issuer: Option<String>,
        audience: Option<String>,
    ) -> Result<Self, BadKeys> {
        Ok(Self { keys: keys::all(keys, jwks)?, signers: Signers::default(), issuer, audience })
    }

    /// Adds the keys that sign requests: `{"key id": {"name", "secret", "scope"}}`.
    ///
    /// # Errors
    /// [`BadKeys`] when a key is not usable.
    pub fn with_signing_keys(self, keys: &str) -> Result<Self, BadKeys> {
        Ok(Self { signers: Signers::parse(keys)?, ..self })
    }

    /// Returns the identity that a good token gives. Its device is the one that the token names, or
    /// else `device`.
    ///
    /// The token is good until the second in `exp` and not longer, because deliveries stop then.
    /// `nbf` may lie [`limits::CLOCKS_DIFFER`] ahead.
    ///
    /// # Errors
    /// [`BadToken`] with the first mistake that is found.
    pub fn identify(&self, token: &str, device: Option<Device>, now: Timestamp) -> Result<Identity, BadToken> {
        let claims = self.claims(token)?;
        self.check_parties(&claims)?;
        if claims.is_of_backend() {
            return Err(BadToken::OfBackend);
        }
        let expires_at = claims.expires_at()?;
        check_time(expires_at, claims.not_before()?, now)?;
        Ok(Identity {
            user: claims.user()?,
            device: claims.device()?.or(device),
            guest: false,
            admin: claims.admin()?,
            expires_at: Some(expires_at),
            permissions: claims.permissions()?,
            stamp: claims.stamp()?,
        })
    }

    /// Returns the backend that a good token of a backend gives. It is good as long as
    /// [`Self::identify`] describes.
    ///
    /// # Errors
    /// [`BadToken`] with the first mistake that is found. A token of a user misses the claim
    /// `backend`.
    pub fn backend(&self, token: &str, now: Timestamp) -> Result<Backend, BadToken> {
        let claims = self.claims(token)?;
        self.check_parties(&claims)?;
        check_time(claims.expires_at()?, claims.not_before()?, now)?;
        Ok(Backend { name: claims.user()?, scope: claims.scope()? })
    }

    /// Returns the backend that signed a request.
    ///
    /// # Errors
    /// [`BadSignature`] with the first mistake that is found.
    pub fn signer(&self, request: &SignedRequest<'_>, now: Timestamp) -> Result<Backend, BadSignature> {
        self.signers.verify(request, now)
    }

    /// Returns the claims of a token whose signature is good.
    fn claims(&self, token: &str) -> Result<Claims, BadToken> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(BadToken::TooLong(token.len()));
        }
        let header = decode_header(token).map_err(|_| BadToken::Malformed)?;
        if header.crit.is_some() {
            return Err(BadToken::Critical);
        }
        let (algorithm, key) = self.key(header.kid.as_deref())?;
        if header.alg != *algorithm {
            return Err(BadToken::WrongAlgorithm);
        }
        // This crate checks the claims itself, so that each refusal names its claim, and one clock
        // is enough.
        let mut validation = Validation::new(*algorithm);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        let payload = decode::<Box<RawValue>>(token, key, &validation).map_err(|error| match error.kind() {
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => BadToken::NoClaims,
            _ => BadToken::WrongSignature,
        })?;
        Claims::parse(&payload.claims)
    }

    /// Returns the key with this id. A token without an id may use the only key that there is.
    fn key(&self, kid: Option<&str>) -> Result<&Key, BadToken> {
        match kid {
            Some(kid) => self.keys.get(kid).ok_or(BadToken::UnknownKey),
            None if self.keys.len() == 1 => self.keys.values().next().ok_or(BadToken::NoKey),
            None => Err(BadToken::NoKey),
        }
    }

    fn check_parties(&self, claims: &Claims) -> Result<(), BadToken> {
        claims.check_issuer(self.issuer.as_deref())?;
        claims.check_audience(self.audience.as_deref())
    }
}

fn check_time(expires_at: Timestamp, not_before: Option<Timestamp>, now: Timestamp) -> Result<(), BadToken> {
    if expires_at <= now {
        return Err(BadToken::Expired(now.since(expires_at).as_secs()));
    }
    let early = not_before.map_or(Duration::ZERO, |not_before| not_before.since(now));
    if early > limits::CLOCKS_DIFFER {
        return Err(BadToken::NotYet(early.as_secs()));
    }
    Ok(())
}
