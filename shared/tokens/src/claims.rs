//! Reads the claims one by one: a claim that is present must be right, and may be present once.
//!
//! A claim that is null is not absent: `"rooms": null` is a mistake of a backend, and an absent
//! claim allows everything.

use domain::{Device, Permissions, Scope, Timestamp, TokenId, TokenStamp, UserId};
use protocol::token::Audience;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::BadToken;

/// The last second that a token can name, 9999-12-31T23:59:59Z. Larger numbers are milliseconds by
/// mistake.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// The claims that are read. The type of each claim is checked when it is used.
#[derive(Deserialize)]
pub(crate) struct Claims {
    #[serde(default, deserialize_with = "present")]
    sub: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    iss: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    device: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    admin: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    rooms: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    backend: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    jti: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Box<RawValue>>,
}

impl Claims {
    /// Parses the payload of a token.
    pub(crate) fn parse(payload: &RawValue) -> Result<Self, BadToken> {
        object(payload).ok_or(BadToken::NoClaims)
    }

    /// Returns the time when the token expires.
    pub(crate) fn expires_at(&self) -> Result<Timestamp, BadToken> {
        seconds("exp", required("exp", self.exp.as_deref())?)
    }

    /// Returns the time when the token becomes valid, if the token names one.
    pub(crate) fn not_before(&self) -> Result<Option<Timestamp>, BadToken> {
        self.nbf.as_deref().map(|raw| seconds("nbf", raw)).transpose()
    }

    /// Returns the user of the token.
    pub(crate) fn user(&self) -> Result<UserId, BadToken> {
        let name = string("sub", required("sub", self.sub.as_deref())?)?;
        let user = UserId::parse(name).map_err(|reject| BadToken::Name { name: "sub", message: reject.message })?;
        if user.is_reserved() { Err(BadToken::Reserved) } else { Ok(user) }
    }

    /// Returns the device of the user, if the token names one.
    pub(crate) fn device(&self) -> Result<Option<Device>, BadToken> {
        let parse = |raw| {
            let name = string("device", raw)?;
            Device::parse(name).map_err(|reject| BadToken::Name { name: "device", message: reject.message })
        };
        self.device.as_deref().map(parse).transpose()
    }

    /// Reports whether the user may publish everywhere.
    pub(crate) fn admin(&self) -> Result<bool, BadToken> {
        let parse = |raw: &RawValue| {
            serde_json::from_str(raw.get()).map_err(|_| BadToken::Claim { name: "admin", right: "true or false" })
        };
        self.admin.as_deref().map_or(Ok(false), parse)
    }

    /// Returns the permissions in plain rooms: all permissions, if the token names none.
    pub(crate) fn permissions(&self) -> Result<Permissions, BadToken> {
        let right = "an object of lists of patterns: join, publish, history, presence";
        let parse = |raw| object(raw).ok_or(BadToken::Claim { name: "rooms", right });
        self.rooms.as_deref().map_or_else(|| Ok(Permissions::all()), parse)
    }

    /// Reports whether the token is one of a backend.
    pub(crate) fn is_of_backend(&self) -> bool {
        self.backend.is_some()
    }

    /// Returns the scope of the backend.
    pub(crate) fn scope(&self) -> Result<Scope, BadToken> {
        let right = "an object of lists of patterns: publish, read, close";
        let raw = required("backend", self.backend.as_deref())?;
        object(raw).ok_or(BadToken::Claim { name: "backend", right })
    }

    /// Returns the marks by which the token can be revoked.
    pub(crate) fn stamp(&self) -> Result<TokenStamp, BadToken> {
        let id = |raw| {
            let id = string("jti", raw)?;
            TokenId::parse(id).map_err(|reject| BadToken::Name { name: "jti", message: reject.message })
        };
        let issued_at = self.iat.as_deref().map(|raw| seconds("iat", raw)).transpose()?;
        Ok(TokenStamp { id: self.jti.as_deref().map(id).transpose()?, issued_at })
    }

    /// Checks the issuer that the token names. Its shape is checked even if any issuer will do.
    pub(crate) fn check_issuer(&self, wanted: Option<&str>) -> Result<(), BadToken> {
        let named = self.iss.as_deref().map(|raw| string("iss", raw)).transpose()?;
        match (wanted, named) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(BadToken::Missing("iss")),
            (Some(wanted), Some(named)) if named == wanted => Ok(()),
            (Some(_), Some(_)) => Err(BadToken::WrongIssuer),
        }
    }

    /// Checks the audience that the token names. Its shape is checked even if any audience will do.
    pub(crate) fn check_audience(&self, wanted: Option<&str>) -> Result<(), BadToken> {
        let wrong = |_| BadToken::Claim { name: "aud", right: "a string or a list of strings" };
        let named = self.aud.as_deref().map(|raw| serde_json::from_str(raw.get()).map_err(wrong)).transpose()?;
        let names = |wanted: &str, named: &Audience| match named {
            Audience::One(named) => named == wanted,
            Audience::Several(named) => named.iter().any(|named| named == wanted),
        };
        match (wanted, named) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(BadToken::Missing("aud")),
            (Some(wanted), Some(named)) if names(wanted, &named) => Ok(()),
            (Some(_), Some(_)) => Err(BadToken::WrongAudience),
        }
    }
}

/// Parses an object. Serde by itself would accept a list of the fields' values too.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok()).flatten()
}

/// Reads a claim that is present, even if it is null. Serde by itself treats null as absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

fn required<'a>(name: &'static str, raw: Option<&'a RawValue>) -> Result<&'a RawValue, BadToken> {
    raw.ok_or(BadToken::Missing(name))
}

fn string(name: &'static str, raw: &RawValue) -> Result<String, BadToken> {
    serde_json::from_str(raw.get()).map_err(|_| BadToken::Claim { name, right: "a string" })
}

/// Parses a `NumericDate` (RFC 7519, 2): seconds since 1970, which may have a fraction.
fn seconds(name: &'static str, raw: &RawValue) -> Result<Timestamp, BadToken> {
    let right = "a number of seconds since 1970, at most 253402300799 (it is not milliseconds)";
    let seconds: Option<f64> = serde_json::from_str(raw.get()).ok();
    let seconds = seconds.filter(|seconds| (0.0..=LAST_SECOND).contains(seconds));
    // The number is in range and not negative, so whole milliseconds fit.
    seconds.map(|seconds| Timestamp::from_ms((seconds * 1_000.0) as u64)).ok_or(BadToken::Claim { name, right })
}
