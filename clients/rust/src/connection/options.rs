//! Where to connect to, and as whom.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::Device;
use tokio_tungstenite::tungstenite::http::Uri;

/// A handshake takes as long as the authorizer and `$connect` do, cold; API Gateway gives them 29 s at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Events that may wait for the application.
const EVENTS_WAITING: usize = 1_024;

/// Where to connect to, and as whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// Such as `wss://chat.example.com/prod`, or `ws://127.0.0.1:3001/local`.
    pub url: String,
    /// Who connects.
    pub token: Token,
    /// Where the token goes.
    pub token_place: TokenPlace,
    /// Which of the user's devices this is, if the token does not say.
    pub device: Option<Device>,
    /// A handshake that takes longer has failed. 15 s unless set.
    pub connect_timeout: Duration,
    /// Events that may wait for the application before the socket is read no further. 1,024 unless set.
    pub events_waiting: usize,
    /// Decides all jitter. Random unless set.
    pub seed: u64,
}

/// Who connects.
#[derive(Clone, Default)]
pub enum Token {
    /// A guest.
    #[default]
    None,
    /// Whoever this token names, for as long as it is good.
    Fixed(String),
    /// As before, with a token that is asked for before every handshake. The function must not block.
    Renewed(Arc<dyn Fn() -> String + Send + Sync>),
}

/// Where the token goes in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenPlace {
    /// The subprotocol `token.<jwt>`, as browsers must.
    #[default]
    Subprotocol,
    /// The header `Authorization: Bearer <jwt>`.
    Header,
}

/// Why nothing can be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOptions {
    /// The URL is none, or not of a WebSocket.
    #[error("{0:?} is no WebSocket URL; it should look like ws://127.0.0.1:3001/local or wss://example.com/prod")]
    Url(String),
}

impl Options {
    /// A guest at this URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: Token::None,
            token_place: TokenPlace::default(),
            device: None,
            connect_timeout: CONNECT_TIMEOUT,
            events_waiting: EVENTS_WAITING,
            seed: rand::random(),
        }
    }

    /// As somebody.
    #[must_use]
    pub fn with_token(self, token: Token) -> Self {
        Self { token, ..self }
    }

    /// From a device.
    #[must_use]
    pub fn with_device(self, device: Option<Device>) -> Self {
        Self { device, ..self }
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let good = self.url.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("ws" | "wss")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if good { Ok(()) } else { Err(BadOptions::Url(self.url.clone())) }
    }
}

impl Token {
    /// The token of the next handshake.
    pub(super) fn current(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Fixed(token) => Some(token.clone()),
            Self::Renewed(renew) => Some(renew()),
        }
    }
}

impl fmt::Debug for Token {
    /// Says which kind, and nothing of the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed(…)",
            Self::Renewed(_) => "Renewed(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_something_else_is_refused_with_an_example() {
        for good in ["ws://127.0.0.1:3001/local", "wss://example.com/prod?room=lobby", "ws://[::1]:80"] {
            assert_eq!(Options::new(good).check(), Ok(()), "{good}");
        }
        for bad in ["", "lobby", "http://127.0.0.1/", "ws://", "ws:///x", "ws://a b/"] {
            let error = Options::new(bad).check().unwrap_err();
            assert!(error.to_string().contains("ws://127.0.0.1:3001/local"), "{bad}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let options = Options::new("ws://h").with_token(Token::Fixed("secret".to_owned()));
        assert!(!format!("{options:?}").contains("secret"));
    }
}
