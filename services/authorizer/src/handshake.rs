//! What a client says of itself when it connects.

use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use domain::Format;
use lambda_kit::websocket::split_subprotocols;
use protocol::{SUBPROTOCOL, TOKEN_SUBPROTOCOL};
use sha2::{Digest, Sha256};

/// What a client says of itself when it connects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handshake {
    /// From which page it comes, if from one.
    pub origin: Option<String>,
    /// Its token, wherever it put it: subprotocol `token.<jwt>`, `Authorization: Bearer`, `?token=`, in that order.
    pub token: Option<String>,
    /// `?device=`.
    pub device: Option<String>,
    /// `?room=`.
    pub room: Option<String>,
    /// `?format=`.
    pub format: Option<String>,
    /// The subprotocols it offers, tokens left out.
    pub subprotocols: Vec<String>,
    /// The gateway's id of this handshake.
    pub request_id: String,
}

impl Handshake {
    /// From the gateway's event.
    #[must_use]
    pub fn from_event(event: &ApiGatewayCustomAuthorizerRequestTypeRequest) -> Self {
        let header = |name: &str| event.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let query = |name: &str| event.query_string_parameters.first(name).map(str::to_owned);
        let offered = split_subprotocols(&header("sec-websocket-protocol").into_iter().collect::<Vec<_>>());
        let (tokens, subprotocols): (Vec<_>, Vec<_>) =
            offered.into_iter().partition(|name| name.starts_with(TOKEN_SUBPROTOCOL));
        let offered = tokens.first().map(|name| name[TOKEN_SUBPROTOCOL.len()..].to_owned());
        Self {
            origin: header("origin"),
            token: offered
                .or_else(|| header("authorization").and_then(|header| bearer(&header)))
                .or_else(|| query("token")),
            device: query("device"),
            room: query("room"),
            format: query("format"),
            subprotocols,
            request_id: event.request_context.request_id.clone().unwrap_or_default(),
        }
    }

    /// What its frames look like: `?format=`, else what the subprotocol says.
    #[must_use]
    pub fn format(&self) -> Format {
        let by_subprotocol = || self.subprotocols.iter().any(|name| name == SUBPROTOCOL).then_some(Format::RoomsV1);
        self.format.as_deref().and_then(Format::from_name).or_else(by_subprotocol).unwrap_or_default()
    }
}

fn bearer(header: &str) -> Option<String> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Twelve hexadecimal digits that stand for a name.
pub(crate) fn short_hash(name: &str) -> String {
    Sha256::digest(name).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
