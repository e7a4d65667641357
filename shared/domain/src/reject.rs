//! Refusals: a stable code for programs, a sentence for people.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a request was refused. Codes are stable: clients switch on them; PROTOCOL.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The message is not a JSON object.
    NotJson,
    /// No such action.
    UnknownAction,
    /// A field is missing, of the wrong type or out of range; `field` names it.
    InvalidField,
    /// The room's name breaks the rules for names.
    InvalidRoom,
    /// The identity may not do this in this room.
    Forbidden,
    /// The token to go on with is a bad one; the connection stays as it was.
    InvalidToken,
    /// The token of this connection has expired: renew it, or connect again with another.
    TokenExpired,
    /// `data` or the whole request is over its limit.
    TooLarge,
    /// A limit on how many (rooms, items) would be passed.
    LimitExceeded,
    /// Too many requests: wait `after_ms`.
    RateLimited,
    /// The connection is not, or no longer, known: reconnect.
    NotConnected,
    /// Something we depend on did not answer: try again.
    Unavailable,
}

impl Code {
    /// Every code there is.
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

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn retry(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }

    /// The code as it stands on the wire.
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
    /// For programs.
    pub code: Code,
    /// For people: what was wrong and what would be right.
    pub message: String,
    /// The field at fault, if one is.
    pub field: Option<String>,
    /// When to try again, milliseconds from now.
    pub after_ms: Option<u64>,
}

impl Reject {
    /// A refusal that is no one field's fault.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, after_ms: None }
    }

    /// A refusal for the sake of one field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::InvalidField, message: message.into(), field: Some(field.into()), after_ms: None }
    }

    /// Something we depend on did not answer; worth another try after `after_ms`.
    #[must_use]
    pub fn unavailable(after_ms: u64) -> Self {
        let message = "the request could not be completed just now; send it again".to_owned();
        Self { code: Code::Unavailable, message, field: None, after_ms: Some(after_ms) }
    }

    /// Says when to try again, rounded up to whole milliseconds.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        self.after_ms = Some(u64::try_from(pause.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX));
        self
    }

    /// Names the field at fault.
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
