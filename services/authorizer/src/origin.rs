//! The web pages that may open connections.
//!
//! A browser lets any page open a WebSocket to any host, with or without cookies, and names the
//! page in `Origin` (RFC 6455, 10.2). Programs other than browsers send no `Origin`.

/// The page that opens a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// The client sends no `Origin`: it is not a browser.
    #[default]
    Absent,
    /// The `Origin` of the page.
    Page(String),
    /// Several values, or one that is not visible ASCII. No browser sends them.
    Unclear,
}

/// The pages that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// All pages, and all clients without an `Origin`.
    Any,
    /// The pages of these origins, and all clients without an `Origin`.
    Listed(Vec<Entry>),
}

/// An entry in a list of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// One origin, compared byte by byte.
    Exact(String),
    /// A scheme and a host with any port: for development servers.
    AnyPort(String),
}

/// An entry in a list of origins that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an origin; use * or a list such as https://chat.example.com,https://example.com:8443; \
     http://localhost:* is any port, file:// a file"
)]
pub struct NotAnOrigin(String);

/// The origin that browsers on Chromium's base send for a file. Others send `null`, as a sandboxed
/// frame of any site does.
const FILE: &str = "file://";
/// The longest number of a port.
const PORT_DIGITS: usize = 5;

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
        entries.map(parse_entry).collect::<Result<_, _>>().map(Self::Listed)
    }

    /// Reports whether a handshake with this `Origin` may go on. The whole origin is compared, with
    /// scheme and port.
    #[must_use]
    pub fn allow(&self, origin: &Origin) -> bool {
        match (self, origin) {
            (_, Origin::Unclear) => false,
            (Self::Any, _) | (Self::Listed(_), Origin::Absent) => true,
            (Self::Listed(listed), Origin::Page(origin)) => {
                let origin = origin.to_ascii_lowercase();
                listed.iter().any(|entry| entry.matches(&origin))
            }
        }
    }
}

impl Entry {
    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(listed) => origin == listed,
            Self::AnyPort(host) => match origin.strip_prefix(host.as_str()) {
                Some("") => true,
                Some(rest) => rest.strip_prefix(':').is_some_and(is_port),
                None => false,
            },
        }
    }
}

fn is_port(text: &str) -> bool {
    (1..=PORT_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns an origin as a browser spells it: in lower case, without the default port of its scheme
/// (RFC 6454, 6.2).
fn parse_entry(entry: &str) -> Result<Entry, NotAnOrigin> {
    let mut lower = entry.to_ascii_lowercase();
    if lower == FILE {
        return Ok(Entry::Exact(lower));
    }
    let any_port = lower.strip_suffix(":*").map(str::to_owned);
    if let Some(host) = &any_port {
        lower.clone_from(host);
    }
    let default_port = if lower.starts_with("https:") { ":443" } else { ":80" };
    lower.truncate(lower.strip_suffix(default_port).unwrap_or(&lower).len());
    let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '*', ' ', '@', '?', '#']) => {
            Ok(if any_port.is_some() { Entry::AnyPort(lower) } else { Entry::Exact(lower) })
        }
        _ => Err(NotAnOrigin(entry.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(origin: &str) -> Origin {
        Origin::Page(origin.to_owned())
    }

    #[test]
    fn only_the_very_origin_is_allowed() {
        let origins = Origins::parse("https://chat.example.com, http://localhost:8080").unwrap();
        let allows = |origin: &str| origins.allow(&page(origin));
        for good in ["https://chat.example.com", "HTTPS://Chat.Example.com", "http://localhost:8080"] {
            assert!(allows(good), "{good}");
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
            assert!(!allows(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_web_page_sends_no_origin_and_may_connect() {
        assert!(Origins::parse("").unwrap().allow(&Origin::Absent));
        assert!(!Origins::parse("").unwrap().allow(&page("https://example.com")));
        assert!(Origins::parse("*").unwrap().allow(&page("null")));
    }

    #[test]
    fn an_origin_that_cannot_be_read_is_allowed_by_no_list() {
        for list in ["", "*", "https://example.com"] {
            assert!(!Origins::parse(list).unwrap().allow(&Origin::Unclear), "{list}");
        }
    }

    #[test]
    fn any_port_of_a_host_is_allowed_and_no_other_host_or_scheme() {
        let list = "http://localhost:*,http://127.0.0.1:*,http://[::1]:*,file://";
        let origins = Origins::parse(list).unwrap();
        for good in ["http://localhost", "http://localhost:5173", "http://127.0.0.1:80", "http://[::1]:1", "file://"] {
            assert!(origins.allow(&page(good)), "{good}");
        }
        for bad in [
            "null",
            "https://localhost:5173",
            "http://localhost:",
            "http://localhost:x",
            "http://localhost:5173:1",
            "http://localhost:123456",
            "http://localhost.evil.org",
            "http://localhost:80.evil.org",
            "http://localhost:80@evil.org",
            "http://localhostevil.org:80",
            "http://127.0.0.1.evil.org:80",
            "file:///etc/passwd",
            "https://evil.org",
        ] {
            assert!(!origins.allow(&page(bad)), "{bad}");
        }
    }

    #[test]
    fn an_entry_that_is_no_origin_is_refused() {
        for bad in [
            "example.com",
            "https://",
            "https://:*",
            "https://*:*",
            "https://*.example.com",
            "https://example.com/path",
            "file:",
            "null",
        ] {
            assert!(Origins::parse(bad).is_err(), "{bad}");
        }
    }
}
