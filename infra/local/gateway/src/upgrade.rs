//! Checks whether a request is an opening handshake by RFC 6455, section 4.2.1.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{HeaderMap, Method, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::replies::{HttpResponse, forbidden, json};

/// The only version of the protocol.
const VERSION: &str = "13";

/// Length of a key: sixteen random bytes in base64 (RFC 6455 section 4.1, item 7).
const KEY_CHARACTERS: usize = 24;

/// Checks a handshake and returns its key.
///
/// # Errors
/// The answer to a request that is not a handshake: 403 for another method, 426 without an upgrade
/// or for another version, 400 for a malformed request.
pub(crate) fn check(method: &Method, version: Version, headers: &HeaderMap) -> Result<HeaderValue, Box<HttpResponse>> {
    if method != Method::GET {
        return Err(Box::new(forbidden()));
    }
    if !has_token(headers, &UPGRADE, "websocket") {
        return Err(Box::new(upgrade_required()));
    }
    if version != Version::HTTP_11 || !has_token(headers, &CONNECTION, "upgrade") {
        return Err(Box::new(bad_request()));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
    let Some(key) = key.filter(|_| headers.get_all(SEC_WEBSOCKET_KEY).iter().count() == 1) else {
        return Err(Box::new(bad_request()));
    };
    match headers.get(SEC_WEBSOCKET_VERSION) {
        Some(version) if version == VERSION => Ok(key.clone()),
        Some(_) => Err(Box::new(upgrade_required())),
        None => Err(Box::new(bad_request())),
    }
}

/// Builds the 101. No extension is negotiated.
pub(crate) fn switching_protocols(key: &HeaderValue, subprotocol: Option<&str>) -> HttpResponse {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(Ok(subprotocol)) = subprotocol.map(HeaderValue::from_str) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    response
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}

fn is_key(key: &[u8]) -> bool {
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || *b == b'+' || *b == b'/';
    key.len() == KEY_CHARACTERS && key.ends_with(b"==") && key[..KEY_CHARACTERS - 2].iter().all(is_base64)
}

fn bad_request() -> HttpResponse {
    json(StatusCode::BAD_REQUEST, r#"{"message":"Bad Request"}"#.to_owned())
}

/// Answers a request without an upgrade (RFC 9110 section 15.5.22), or with a version that is not
/// supported.
fn upgrade_required() -> HttpResponse {
    let mut response = json(StatusCode::UPGRADE_REQUIRED, r#"{"message":"Upgrade Required"}"#.to_owned());
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(change: impl FnOnce(&mut HeaderMap)) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        change(&mut headers);
        check(&Method::GET, Version::HTTP_11, &headers).map_or_else(|refusal| refusal.status().as_u16(), |_| 101)
    }

    fn set(name: HeaderName, value: &'static str) -> impl FnOnce(&mut HeaderMap) {
        move |headers| {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }

    fn without(name: HeaderName) -> impl FnOnce(&mut HeaderMap) {
        move |headers| {
            headers.remove(name);
        }
    }

    #[test]
    fn a_handshake_must_have_every_part_that_the_rfc_names() {
        assert_eq!(status(|_| ()), 101);
        assert_eq!(status(set(UPGRADE, "h2c, WebSocket")), 101);
        assert_eq!(status(without(UPGRADE)), 426);
        assert_eq!(status(set(UPGRADE, "h2c")), 426);
        assert_eq!(status(without(CONNECTION)), 400);
        assert_eq!(status(set(CONNECTION, "close")), 400);
        assert_eq!(status(without(SEC_WEBSOCKET_KEY)), 400);
        assert_eq!(status(set(SEC_WEBSOCKET_KEY, "short")), 400);
        assert_eq!(status(set(SEC_WEBSOCKET_KEY, "!!!!!!!!!!!!!!!!!!!!!!==")), 400);
        assert_eq!(status(without(SEC_WEBSOCKET_VERSION)), 400);
        assert_eq!(status(set(SEC_WEBSOCKET_VERSION, "8")), 426);
    }

    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        let response = switching_protocols(&HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="), Some("rooms.v1"));
        assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "rooms.v1");
    }
}
