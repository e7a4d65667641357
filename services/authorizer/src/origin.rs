//! The web pages that may open connections.
//!
//! A browser lets any page open a WebSocket to any host, with or without cookies, and names the
//! page in `Origin` (RFC 6455, 10.2). Programs other than browsers send no `Origin`.

/// The pages that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// All pages, and all clients without an `Origin`.
    Any,
    /// The pages of these origins, and all clients without an `Origin`.
    Listed(Vec<String>),
}

/// An entry in a list of origins that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin; use * or a list such as https://chat.example.com,https://example.com:8443")]
pub struct NotAnOrigin(String);

impl Origins {
    /// Parses `*` or a list separated by commas. An empty list allows no page.
    ///
    /// # Errors
    /// [`NotAnOrigin`] for an entry that no browser would send.
    pub fn parse(list: &str) -> Result<Self, NotAnOrigin> {
        if list.trim() == "*" {
            return Ok(Self::Any);
        }
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(origin).collect::<Result<_, _>>().map(Self::Listed)
    }

    /// Reports whether a handshake with this `Origin` may go on. The whole origin is compared, with
    /// scheme and port.
    #[must_use]
    pub fn allow(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (Self::Listed(_), None) => true,
            (Self::Listed(listed), Some(origin)) => listed.contains(&origin.to_ascii_lowercase()),
        }
    }
}

/// Returns an origin as a browser spells it: in lower case, without the default port of its scheme
/// (RFC 6454, 6.2).
fn origin(entry: &str) -> Result<String, NotAnOrigin> {
    let mut lower = entry.to_ascii_lowercase();
    let default_port = if lower.starts_with("https:") { ":443" } else { ":80" };
    lower.truncate(lower.strip_suffix(default_port).unwrap_or(&lower).len());
    let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '*', ' ', '@', '?', '#']) => Ok(lower),
        _ => Err(NotAnOrigin(entry.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_origin_is_allowed() {
        let origins = Origins::parse("https://chat.example.com, http://localhost:8080").unwrap();
        for good in ["https://chat.example.com", "HTTPS://Chat.Example.com", "http://localhost:8080"] {
            assert!(origins.allow(Some(good)), "{good}");
        }
        for bad in [
            "null",
            "",
            "http://chat.example.com",
            "https://chat.example.com.evil",
            "https://evil.chat.example.com",
            "https://chat.example.com:8443",
            "https://chat.example.com/",
            "https://example.com",
            "http://localhost",
        ] {
            assert!(!origins.allow(Some(bad)), "{bad}");
        }
    }

    #[test]
    fn what_is_no_web_page_sends_no_origin_and_may_connect() {
        assert!(Origins::parse("").unwrap().allow(None));
        assert!(!Origins::parse("").unwrap().allow(Some("https://example.com")));
        assert!(Origins::parse("*").unwrap().allow(Some("null")));
    }

    #[test]
    fn an_entry_that_is_no_origin_is_refused() {
        for bad in ["example.com", "https://", "https://*.example.com", "https://example.com/path"] {
            assert!(Origins::parse(bad).is_err(), "{bad}");
        }
    }
}
