//! Checks the host names by which a port of this machine is addressed, and the origins of web
//! pages.
//!
//! A web page of any site can send requests to loopback ports, and can make its own host name
//! resolve to 127.0.0.1. The request shows both: the page in `Origin`, the host name in `Host`.

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, HeaderValue, ORIGIN};

/// A header that browsers set and scripts cannot set: `same-origin`, `same-site`, `cross-site`, or
/// `none` for a user's own navigation.
///
/// Source: <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The hosts, with their ports, that a port answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

/// The reason why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// `Host` is absent, repeated, or the name of another machine.
    #[error("this port answers only to Host localhost, 127.0.0.1 or [::1], with the port")]
    Host,
    /// A web page of another origin sent the request.
    #[error("this port answers only to its own web pages")]
    Origin,
}

impl Hosts {
    /// Returns the names of the loopback addresses, and `more` names of this machine, such as
    /// `host.docker.internal`.
    #[must_use]
    pub fn loopback(port: u16, more: &[String]) -> Self {
        let names = ["localhost", "127.0.0.1", "[::1]"].into_iter().chain(more.iter().map(String::as_str));
        Self(names.map(|name| format!("{}:{port}", name.to_ascii_lowercase())).collect())
    }

    /// Checks the name in `Host`. For WebSocket handshakes, whose `Origin` is checked by the
    /// authorizer. The port may be that of a proxy in front of this one.
    ///
    /// # Errors
    /// [`Foreign::Host`].
    pub fn check_name(&self, headers: &HeaderMap) -> Result<(), Foreign> {
        let host = only(headers, &HOST).ok_or(Foreign::Host)?;
        let (name, port) = host.rsplit_once(':').ok_or(Foreign::Host)?;
        let is_own = |own: &String| own.rsplit_once(':').is_some_and(|(own, _)| own.eq_ignore_ascii_case(name));
        if port.parse::<u16>().is_ok() && self.0.iter().any(is_own) { Ok(()) } else { Err(Foreign::Host) }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Foreign> {
        let host = only(headers, &HOST).ok_or(Foreign::Host)?;
        if self.contains(host) { Ok(()) } else { Err(Foreign::Host) }
    }

    /// Checks `Host`, and that the request does not come from a web page of another origin.
    ///
    /// # Errors
    /// The check that failed.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Foreign> {
        self.check_host(headers)?;
        if headers.contains_key(ORIGIN) {
            let origin = only(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
            return if origin.is_some_and(|host| self.contains(host)) { Ok(()) } else { Err(Foreign::Origin) };
        }
        // A form or an image of another site sends no `Origin` with a GET request.
        let is_foreign = |site: &HeaderValue| site == "cross-site" || site == "same-site";
        if headers.get_all(FETCH_SITE).iter().any(is_foreign) { Err(Foreign::Origin) } else { Ok(()) }
    }

    fn contains(&self, host: &str) -> bool {
        self.0.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

/// Returns the value of a header that occurs exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(lines: &[(&str, &str)]) -> Result<(), Foreign> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Hosts::loopback(4566, &["Host.docker.internal".to_owned()]).check(&headers)
    }

    #[test]
    fn programs_reach_a_port_by_every_name_of_the_loopback_addresses_and_by_the_names_that_were_added() {
        for host in ["localhost:4566", "LOCALHOST:4566", "127.0.0.1:4566", "[::1]:4566", "host.docker.internal:4566"] {
            assert_eq!(checked(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_name_that_somebody_made_resolve_to_this_machine_is_foreign() {
        for host in
            ["evil.example:4566", "localhost", "localhost:80", "127.0.0.1.evil.example:4566", "", "127.0.0.2:4566"]
        {
            assert_eq!(checked(&[("host", host)]), Err(Foreign::Host), "{host}");
        }
        assert_eq!(checked(&[]), Err(Foreign::Host));
        assert_eq!(checked(&[("host", "localhost:4566"), ("host", "localhost:4566")]), Err(Foreign::Host));
    }

    #[test]
    fn a_handshake_may_come_through_a_proxy_on_another_port_of_this_machine_and_by_no_other_name() {
        let named = |host: &str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            Hosts::loopback(4566, &[]).check_name(&headers)
        };
        for host in ["localhost:4566", "127.0.0.1:80", "[::1]:9999"] {
            assert_eq!(named(host), Ok(()), "{host}");
        }
        for host in ["evil.example:4566", "127.0.0.1.evil.example:4566", "127.0.0.1", "::1:80", "localhost:port", ""] {
            assert_eq!(named(host), Err(Foreign::Host), "{host}");
        }
    }

    #[test]
    fn only_pages_of_the_port_itself_may_ask() {
        let with = |origin| checked(&[("host", "localhost:4566"), ("origin", origin)]);
        assert_eq!(with("http://localhost:4566"), Ok(()));
        assert_eq!(with("http://127.0.0.1:4566"), Ok(()));
        for origin in ["http://evil.example", "http://localhost:3000", "https://localhost:4566", "null", "file://"] {
            assert_eq!(with(origin), Err(Foreign::Origin), "{origin}");
        }
        let own = ("origin", "http://localhost:4566");
        assert_eq!(checked(&[("host", "localhost:4566"), own, own]), Err(Foreign::Origin));
    }

    #[test]
    fn a_request_that_a_browser_marks_as_of_another_site_is_foreign_without_an_origin_too() {
        let with = |site| checked(&[("host", "localhost:4566"), ("sec-fetch-site", site)]);
        assert_eq!((with("none"), with("same-origin")), (Ok(()), Ok(())));
        assert_eq!((with("cross-site"), with("same-site")), (Err(Foreign::Origin), Err(Foreign::Origin)));
    }
}
