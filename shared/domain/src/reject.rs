//! Refusals of requests: a stable code for programs, a sentence for people.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The reason for a refusal. Clients switch on the codes, so they are stable. PROTOCOL.md lists
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The message is not a JSON object.
    NotJson,
    /// The action does not exist.
    UnknownAction,
    /// A field is missing, of the wrong type or out of range; `field` names it.
    InvalidField,
    /// The room's name breaks the rules for names.
    InvalidRoom,
    /// The identity lacks this permission in this room.
    Forbidden,
    /// The token of an `auth` request is not valid. The connection keeps its current token.
    InvalidToken,
    /// The token of this connection has expired: renew it, or connect again with another one.
    TokenExpired,
    /// `data` or the whole request is over its limit.
    TooLarge,
    /// The request would exceed a limit on a number of rooms or items.
    LimitExceeded,
    /// Too many requests: wait `after_ms`.
    RateLimited,
    /// The connection is not stored, or no longer stored: reconnect.
    NotConnected,
    /// A dependency did not respond: try again.
    Unavailable,
}

impl Code {
    /// Every code, in the order of the declaration.
    pub const ALL: [Self; 12] = [
        Self::NotJson,
        Self::UnknownAction,
        Self::InvalidField,
        Self::InvalidRoom,
        Self::Forbidden,
        Self::InvalidToken,
        Self::TokenExpired,
        Self::TooLarge,
        Self::LimitExceeded,
        Self::RateLimited,
        Self::NotConnected,
        Self::Unavailable,
    ];

    /// Returns true if the same request may succeed later.
    #[must_use]
    pub fn retry(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }

    /// The code's text on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::UnknownAction => "unknown_action",
            Self::InvalidField => "invalid_field",
            Self::InvalidRoom => "invalid_room",
            Self::Forbidden => "forbidden",
            Self::InvalidToken => "invalid_token",
            Self::TokenExpired => "token_expired",
            Self::TooLarge => "too_large",
            Self::LimitExceeded => "limit_exceeded",
            Self::RateLimited => "rate_limited",
            Self::NotConnected => "not_connected",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Reject {
    /// The stable code, for programs.
    pub code: Code,
    /// The mistake and the rule, for people.
    pub message: String,
    /// The wrong field, if one field is the cause.
    pub field: Option<String>,
    /// The pause before a retry, in milliseconds.
    pub after_ms: Option<u64>,
}

impl Reject {
    /// A refusal without a field.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, after_ms: None }
    }

    /// A refusal with the code `invalid_field`, for the named field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::InvalidField, message: message.into(), field: Some(field.into()), after_ms: None }
    }

    /// A refusal because a dependency did not respond. The client may retry after `after_ms`.
    #[must_use]
    pub fn unavailable(after_ms: u64) -> Self {
        let message = "the request could not be completed just now; send it again".to_owned();
        Self { code: Code::Unavailable, message, field: None, after_ms: Some(after_ms) }
    }

    /// Sets the pause before a retry, rounded up to whole milliseconds.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        self.after_ms = Some(u64::try_from(pause.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX));
        self
    }

    /// Names the request field that caused the rejection.
    #[must_use]
    pub fn of(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}
