//! Options of a client: the server, the identity, and timeouts.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Device;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_tungstenite::tungstenite::http::Uri;

/// Maximum time for a handshake, including cold starts of the authorizer and of `$connect`. API
/// Gateway permits them 29 s at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Events that may wait for the application.
const EVENTS_WAITING: usize = 1_024;

/// Options of a client: the server, the identity, and timeouts.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server's URL, such as `wss://chat.example.com/prod` or `ws://127.0.0.1:3001/local`.
    pub url: String,
    /// The identity that connects.
    pub token: Token,
    /// The place of the token in the handshake.
    pub token_place: TokenPlace,
    /// The device of the user, if the token names none. Guests have no device.
    pub device: Option<Device>,
    /// The secret by which the server recognises a returning guest. Random by default. Store it to
    /// remain the same guest in another process.
    pub guest: GuestSecret,
    /// Maximum time for a handshake. Default: 15 s.
    pub connect_timeout: Duration,
    /// Events that may wait for the application before the socket is no longer read. Default:
    /// 1,024.
    pub events_waiting: usize,
    /// The seed of all jitter. Random by default.
    pub seed: u64,
}

/// The secret that identifies a guest. Each client that has it is this guest. Debug output hides
/// it.
#[derive(Clone, PartialEq, Eq)]
pub struct GuestSecret(String);

/// A secret is too short, too long, or has characters outside the alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a guest's secret must have {least} to {most} characters of A-Z a-z 0-9 - _", least = GuestSecret::CHARACTERS.start(), most = GuestSecret::CHARACTERS.end())]
pub struct BadGuestSecret;

impl GuestSecret {
    /// The length that the server accepts: 22 characters of base64url hold 128 bits.
    const CHARACTERS: std::ops::RangeInclusive<usize> = 22..=128;

    /// Draws the secret of a new guest: 128 random bits.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// Parses a stored secret. It must be hard to guess.
    ///
    /// # Errors
    /// [`BadGuestSecret`] for a wrong length or a wrong character.
    pub fn parse(text: impl Into<String>) -> Result<Self, BadGuestSecret> {
        let text = text.into();
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let good = Self::CHARACTERS.contains(&text.len()) && text.bytes().all(is_good);
        if good { Ok(Self(text)) } else { Err(BadGuestSecret) }
    }

    /// The secret as text. Store it where no other user can read it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GuestSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestSecret(…)")
    }
}

/// The identity that connects.
#[derive(Clone, Default)]
pub enum Token {
    /// A guest, without a token.
    #[default]
    None,
    /// The user of this token, until it expires.
    Fixed(String),
    /// The user of tokens that are requested before every handshake and before the current one
    /// expires; see [`Token::renewed`].
    Renewed(Arc<Renew>),
}

/// Requests a token; `None` if none is available now.
pub type Renew = dyn Fn() -> BoxFuture<'static, Option<String>> + Send + Sync;

/// A token was requested, and none is available now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoToken;

/// The place of the token in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenPlace {
    /// The subprotocol `token.<jwt>`, the only place that browsers can use.
    #[default]
    Subprotocol,
    /// The header `Authorization: Bearer <jwt>`.
    Header,
}

/// The options are not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOptions {
    /// The URL is not valid, or not a WebSocket URL.
    #[error("{0:?} is not a WebSocket URL; expected a URL such as ws://127.0.0.1:3001/local or wss://example.com/prod")]
    Url(String),
}

impl Options {
    /// Options of a guest at this URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: Token::None,
            token_place: TokenPlace::default(),
            device: None,
            guest: GuestSecret::random(),
            connect_timeout: CONNECT_TIMEOUT,
            events_waiting: EVENTS_WAITING,
            seed: rand::random(),
        }
    }

    /// Sets the token.
    #[must_use]
    pub fn with_token(self, token: Token) -> Self {
        Self { token, ..self }
    }

    /// Sets the device.
    #[must_use]
    pub fn with_device(self, device: Option<Device>) -> Self {
        Self { device, ..self }
    }

    /// Sets the guest's secret.
    #[must_use]
    pub fn with_guest(self, guest: GuestSecret) -> Self {
        Self { guest, ..self }
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let good = self.url.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("ws" | "wss")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if good { Ok(()) } else { Err(BadOptions::Url(self.url.clone())) }
    }
}

impl Token {
    /// Makes a token source that calls `renew` before every handshake, and again on a live
    /// connection before the current token expires (its claim `exp`). If `renew` returns none, it
    /// is called again later.
    #[must_use]
    pub fn renewed<F>(renew: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<String>> + Send + 'static,
    {
        Self::Renewed(Arc::new(move || renew().boxed()))
    }

    /// Returns the token for the next handshake.
    pub(super) async fn current(&self) -> Result<Option<String>, NoToken> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(token) => Ok(Some(token.clone())),
            Self::Renewed(renew) => renew().await.map(Some).ok_or(NoToken),
        }
    }

    pub(super) fn is_renewed(&self) -> bool {
        matches!(self, Self::Renewed(_))
    }
}

/// The remaining life of a token by this clock, from its claim `exp` (RFC 7519, 4.1.4); `None`
/// without a readable one. The signature is not verified here.
pub(super) fn lasts(token: &str, now: SystemTime) -> Option<Duration> {
    #[derive(serde::Deserialize)]
    struct Claims {
        exp: f64,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    let expires = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(exp).ok()?)?;
    Some(expires.duration_since(now).unwrap_or_default())
}

impl fmt::Debug for Token {
    /// Shows the variant, and hides the token.
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
    fn a_token_tells_how_long_it_lasts_or_nothing() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(lasts(&token(r#"{"sub":"ada","exp":1060}"#), now), Some(Duration::from_secs(60)));
        assert_eq!(lasts(&token(r#"{"exp":1000.5}"#), now), Some(Duration::from_millis(500)));
        assert_eq!(lasts(&token(r#"{"exp":5}"#), now), Some(Duration::ZERO));
        for none in [r#"{"sub":"ada"}"#, r#"{"exp":"1060"}"#, r#"{"exp":-1}"#, r#"{"exp":1e300}"#, "", "[]"] {
            assert_eq!(lasts(&token(none), now), None, "{none}");
        }
        for none in ["", "opaque", "a.b", "a.!.c"] {
            assert_eq!(lasts(none, now), None, "{none}");
        }
    }

    #[test]
    fn a_guest_has_a_secret_of_its_own_that_is_never_shown() {
        let (one, other) = (Options::new("ws://h").guest, Options::new("ws://h").guest);
        assert_ne!(one, other);
        assert_eq!(GuestSecret::parse(one.expose()), Ok(one.clone()));
        assert!(!format!("{:?}", Options::new("ws://h").with_guest(one.clone())).contains(one.expose()));
        for bad in ["", "too-short", &"x".repeat(129), "with a space in the middle of it"] {
            assert_eq!(GuestSecret::parse(bad), Err(BadGuestSecret), "{bad}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let options = Options::new("ws://h").with_token(Token::Fixed("secret".to_owned()));
        assert!(!format!("{options:?}").contains("secret"));
    }
}
