//! The token: a JWT (RFC 7519) that a backend signs and a client presents.

use std::fmt;

use domain::{Permissions, Scope};
use serde::{Deserialize, Serialize};

/// A token as a client presents it. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes any text, which need not be a good token.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, for code that verifies or sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

/// The claims that Roomcast reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The id of the user.
    pub sub: String,
    /// When the token expires, in seconds since 1970.
    pub exp: u64,
    /// When the token becomes valid, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// The issuer, where the deployment requires one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The audience, where the deployment requires one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// The device of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// True if the user may publish everywhere and to everyone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
    /// Permissions in plain rooms; all permissions, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rooms: Option<Permissions>,
    /// The scope of a backend. A token with it is for the HTTP API, and opens no connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Scope>,
    /// The id of the token, by which it can be banned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// When the token was issued, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
}

impl Claims {
    /// Returns the claims of a user who may do everything in plain rooms until `exp`, in seconds
    /// since 1970.
    #[must_use]
    pub fn of(user: impl Into<String>, exp: u64) -> Self {
        Self {
            sub: user.into(),
            exp,
            nbf: None,
            iss: None,
            aud: None,
            device: None,
            admin: false,
            rooms: None,
            backend: None,
            jti: None,
            iat: None,
        }
    }
}

/// One audience or several (RFC 7519, 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A single name.
    One(String),
    /// A list of names.
    Several(Vec<String>),
}
