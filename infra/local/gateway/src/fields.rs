//! Headers and query parameters of a handshake, in the form of the events.
//!
//! Names keep the client's spelling. They are sorted as AWS sorts them, without regard to case. The
//! gateway adds the headers that API Gateway adds: a trace id, and the client's address as seen
//! through TLS on port 443.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, UPGRADE};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Names with their values, in the order of the event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, Vec<String>)>);

/// Serialises as `{"name":"last value"}`.
pub(crate) struct Single<'a>(pub(crate) &'a Fields);

/// Serialises as `{"name":["first value","last value"]}`.
pub(crate) struct Multiple<'a>(pub(crate) &'a Fields);

/// The handshake in the form that functions receive.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) headers: Fields,
    pub(crate) query: Fields,
    pub(crate) source_ip: IpAddr,
}

impl Request {
    /// Builds the request of a handshake. `names` are header names in the client's spelling.
    pub(crate) fn new(headers: &HeaderMap, names: &[String], query: &str, source_ip: IpAddr, trace: String) -> Self {
        let mut fields = Fields::default();
        for name in headers.keys().filter(|name| ![CONNECTION, UPGRADE, CONTENT_LENGTH].contains(name)) {
            let values = headers.get_all(name).iter();
            let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            fields.set(spelling(name, names), values.collect());
        }
        if fields.last("X-Amzn-Trace-Id").is_none() {
            fields.set("X-Amzn-Trace-Id".to_owned(), vec![trace]);
        }
        let behind = fields.last("X-Forwarded-For").map(|hops| format!("{hops}, ")).unwrap_or_default();
        fields.set("X-Forwarded-For".to_owned(), vec![format!("{behind}{source_ip}")]);
        fields.set("X-Forwarded-Port".to_owned(), vec!["443".to_owned()]);
        fields.set("X-Forwarded-Proto".to_owned(), vec!["https".to_owned()]);
        fields.sort();
        Self { headers: fields, query: Fields::query(query), source_ip }
    }

    /// Returns the headers and those that only an authorizer receives.
    pub(crate) fn authorizer_headers(&self) -> Fields {
        let mut fields = self.headers.clone();
        for (name, value) in [("Connection", "upgrade"), ("content-length", "0"), ("Upgrade", "websocket")] {
            fields.set(name.to_owned(), vec![value.to_owned()]);
        }
        fields.sort();
        fields
    }

    /// Returns `identity.userAgent`, if the client sent a `User-Agent`.
    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.headers.last("User-Agent")
    }
}

impl Fields {
    /// Returns the fixed headers of a `$disconnect` event.
    pub(crate) fn of_disconnect(host: &str) -> Self {
        let empty = |name: &str| (name.to_owned(), vec![String::new()]);
        let host = ("Host".to_owned(), vec![host.to_owned()]);
        Self(vec![host, empty("x-api-key"), empty("X-Forwarded-For"), empty("x-restapi")])
    }

    fn query(query: &str) -> Self {
        let mut fields = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match fields.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value.into_owned()),
                None => fields.0.push((name.into_owned(), vec![value.into_owned()])),
            }
        }
        fields
    }

    /// Returns whether there are no fields.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the last value of a header. The case of the name does not matter.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        let (_, values) = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        values.last().map(String::as_str)
    }

    /// Returns the last value of a query parameter. The name is case-sensitive.
    pub(crate) fn last_exact(&self, name: &str) -> Option<&str> {
        let (_, values) = self.0.iter().find(|(known, _)| known == name)?;
        values.last().map(String::as_str)
    }

    fn set(&mut self, name: String, values: Vec<String>) {
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, old)) => *old = values,
            None => self.0.push((name, values)),
        }
    }

    fn sort(&mut self) {
        self.0.sort_by_cached_key(|(name, _)| name.to_ascii_lowercase());
    }
}

fn spelling(name: &HeaderName, names: &[String]) -> String {
    let spelled = names.iter().find(|spelled| spelled.eq_ignore_ascii_case(name.as_str()));
    spelled.cloned().unwrap_or_else(|| by_rule(name.as_str()))
}

/// Spells a header name as browsers do: `sec-websocket-key` becomes `Sec-WebSocket-Key`. Used for a
/// head that was not recorded.
fn by_rule(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "websocket" => "WebSocket".to_owned(),
        _ => word[..1.min(word.len())].to_ascii_uppercase() + &word[1.min(word.len())..],
    });
    words.collect::<Vec<_>>().join("-")
}

impl Serialize for Single<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Fields(fields) = self.0;
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, values) in fields {
            map.serialize_entry(name, values.last().map_or("", String::as_str))?;
        }
        map.end()
    }
}

impl Serialize for Multiple<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Fields(fields) = self.0;
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, values) in fields {
            map.serialize_entry(name, values)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&'static str, &str)], query: &str) -> Request {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let names = ["Host".to_owned(), "headerAuth1".to_owned()];
        Request::new(&headers, &names, query, "192.0.2.1".parse().unwrap(), "Root=1-0-0".to_owned())
    }

    #[test]
    fn names_keep_the_clients_spelling_or_get_the_browsers() {
        let request = request(&[("headerauth1", "v"), ("sec-websocket-key", "k"), ("host", "h")], "");
        let names: Vec<_> = request.headers.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "headerAuth1",
                "Host",
                "Sec-WebSocket-Key",
                "X-Amzn-Trace-Id",
                "X-Forwarded-For",
                "X-Forwarded-Port",
                "X-Forwarded-Proto"
            ]
        );
    }

    #[test]
    fn a_repeated_header_is_whole_in_the_list_and_last_in_the_map() {
        let request = request(&[("x-a", "1"), ("x-a", "2")], "");
        let single = serde_json::to_string(&Single(&request.headers)).unwrap();
        assert!(single.starts_with(r#"{"X-A":"2","#), "{single}");
        let multiple = serde_json::to_string(&Multiple(&request.headers)).unwrap();
        assert!(multiple.starts_with(r#"{"X-A":["1","2"],"#), "{multiple}");
    }

    #[test]
    fn a_query_is_decoded_and_keeps_its_order() {
        let request = request(&[], "room=a%20b&z=1&a=2&room=c+d&empty");
        assert_eq!(
            serde_json::to_string(&Single(&request.query)).unwrap(),
            r#"{"room":"c d","z":"1","a":"2","empty":""}"#
        );
        assert_eq!(
            serde_json::to_string(&Multiple(&request.query)).unwrap(),
            r#"{"room":["a b","c d"],"z":["1"],"a":["2"],"empty":[""]}"#
        );
    }

    #[test]
    fn the_client_is_appended_to_where_it_says_it_came_from() {
        let forwarded = request(&[("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "http")], "").headers;
        assert_eq!(forwarded.last("x-forwarded-for"), Some("198.51.100.7, 192.0.2.1"));
        assert_eq!(forwarded.last("x-forwarded-proto"), Some("https"));
    }
}
