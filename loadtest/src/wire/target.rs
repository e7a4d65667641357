//! The destination of connections, and their source addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio_tungstenite::tungstenite::http::Uri;

/// Connections from one source address to one port: below the 28,232 ephemeral ports of Linux's
/// default.
const PER_SOURCE: usize = 20_000;

/// The destination of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The URL, such as `ws://127.0.0.1:3001/local` or
    /// `wss://abc.execute-api.eu-west-1.amazonaws.com/prod`.
    pub url: String,
    /// The host to resolve, without brackets.
    pub host: String,
    /// The TCP port; 80 or 443 by default.
    pub port: u16,
    /// True if the connection uses TLS.
    pub secure: bool,
    /// The token of all members; without it they are guests.
    pub token: Option<String>,
}

/// The text is not the URL of a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a WebSocket URL; expected a URL such as ws://127.0.0.1:3001/local or wss://example.com/prod")]
pub struct BadUrl(String);

impl Target {
    /// Parses a URL.
    ///
    /// # Errors
    /// [`BadUrl`] when it is not a WebSocket URL.
    pub fn parse(url: &str, token: Option<String>) -> Result<Self, BadUrl> {
        let bad = || BadUrl(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(bad()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { url: url.to_owned(), host, port, secure, token })
    }

    /// The path of the URL.
    #[must_use]
    pub fn path(&self) -> String {
        self.url.parse::<Uri>().map_or_else(|_| String::new(), |uri| uri.path().to_owned())
    }

    /// Returns true if the server is on this machine, where a run is free.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The source address of a connection, if it needs another than the default: on loopback, every
    /// 20,000 connections have a source address of their own.
    #[must_use]
    pub fn source(&self, connection: usize) -> Option<SocketAddr> {
        let v4_loopback = self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
        let turn = u8::try_from(connection / PER_SOURCE).ok().filter(|turn| *turn > 0 && *turn < 254 && v4_loopback)?;
        Some(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 1 + turn), 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, BadUrl> {
        Target::parse(url, None)
    }

    #[test]
    fn urls_of_websockets_are_read_and_others_are_not() {
        let local = parse("ws://127.0.0.1:3001/local").unwrap();
        assert_eq!((local.host.as_str(), local.port, local.secure), ("127.0.0.1", 3001, false));
        assert_eq!(parse("wss://example.com/prod").unwrap().port, 443);
        for wrong in ["", "http://x", "ws://", "ws:/x", "127.0.0.1:3001"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_this_machine_is_free() {
        let free = ["ws://127.0.0.1:1", "ws://localhost:1", "ws://[::1]:1", "ws://127.0.0.9:1"];
        assert!(free.iter().all(|url| parse(url).unwrap().is_loopback()));
        assert!(!parse("ws://10.0.0.1:1").unwrap().is_loopback());
        assert!(!parse("wss://localhost.example.com").unwrap().is_loopback());
    }

    #[test]
    fn more_source_addresses_are_used_when_ports_run_out_and_only_on_loopback() {
        let local = parse("ws://127.0.0.1:3001/local").unwrap();
        let source = |n| local.source(n).map(|address| address.ip().to_string());
        assert_eq!((source(0), source(19_999)), (None, None));
        assert_eq!(source(20_000), Some("127.0.0.2".to_owned()));
        assert_eq!(source(45_000), Some("127.0.0.3".to_owned()));
        assert_eq!(parse("wss://example.com").unwrap().source(45_000), None);
    }
}
