//! The HTTP request that opens a connection.

use protocol::{GUEST_PARAMETER, SUBPROTOCOL, TOKEN_SUBPROTOCOL};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

use super::options::{Options, TokenPlace};

/// The reason why no request can be made. Never contains the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot build the handshake: the URL is not a valid WebSocket URL")]
    Url,
    #[error("cannot build the handshake: the token has characters that an HTTP header may not have")]
    Token,
}

/// Builds the handshake: subprotocol `rooms.v1`, and the token in the configured place.
pub(super) fn request(options: &Options, token: Option<&str>) -> Result<Request, Error> {
    let mut request = url(options, token.is_none()).into_client_request().map_err(|_| Error::Url)?;
    let mut subprotocols = SUBPROTOCOL.to_owned();
    match (token, options.token_place) {
        (None, _) => {}
        (Some(token), TokenPlace::Subprotocol) => {
            subprotocols = format!("{SUBPROTOCOL}, {TOKEN_SUBPROTOCOL}{token}");
        }
        (Some(token), TokenPlace::Header) => {
            request.headers_mut().insert(AUTHORIZATION, secret(&format!("Bearer {token}"))?);
        }
    }
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, secret(&subprotocols)?);
    Ok(request)
}

/// The URL with `?device=` for a user, or with the guest's secret for a guest.
fn url(options: &Options, is_guest: bool) -> String {
    let parameter = match (&options.device, is_guest) {
        (_, true) => (GUEST_PARAMETER, options.guest.expose()),
        (Some(device), false) => ("device", device.as_ref()),
        (None, false) => return options.url.clone(),
    };
    let separator = if options.url.contains('?') { '&' } else { '?' };
    let parameter = form_urlencoded::Serializer::new(String::new()).append_pair(parameter.0, parameter.1).finish();
    format!("{}{separator}{parameter}", options.url)
}

fn secret(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Error::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Device;

    fn header(request: &Request, name: &str) -> Option<String> {
        request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_token_goes_beside_the_subprotocol_or_into_the_header() {
        let mut options = Options::new("ws://h/local");
        let subprotocol =
            |request: Result<Request, Error>| header(&request.unwrap(), "sec-websocket-protocol").unwrap();
        assert_eq!(subprotocol(request(&options, None)), "rooms.v1");
        assert_eq!(subprotocol(request(&options, Some("a.b.c"))), "rooms.v1, token.a.b.c");
        options.token_place = TokenPlace::Header;
        let request = request(&options, Some("a.b.c")).unwrap();
        assert_eq!(header(&request, "sec-websocket-protocol").unwrap(), "rooms.v1");
        assert_eq!(header(&request, "authorization").unwrap(), "Bearer a.b.c");
        assert!(!format!("{request:?}").contains("a.b.c"), "not even in a debug log");
    }

    #[test]
    fn the_device_is_encoded_into_the_query() {
        let device = Some(Device::parse("phone+2|x").unwrap());
        let options = Options::new("ws://h/local?room=r").with_device(device);
        let uri = request(&options, Some("a.b.c")).unwrap().uri().to_string();
        assert_eq!(uri, "ws://h/local?room=r&device=phone%2B2%7Cx");
    }

    #[test]
    fn a_guest_brings_its_secret_each_time_and_a_user_does_not() {
        let options = Options::new("ws://h/local");
        let uri = |token| request(&options, token).unwrap().uri().to_string();
        assert_eq!(uri(None), format!("ws://h/local?guest={}", options.guest.expose()));
        assert_eq!(uri(None), uri(None));
        assert_eq!(uri(Some("a.b.c")), "ws://h/local");
    }

    #[test]
    fn a_token_with_line_breaks_is_refused_without_showing_it() {
        assert_eq!(request(&Options::new("ws://h"), Some("a\r\nX: y")).unwrap_err(), Error::Token);
    }
}
