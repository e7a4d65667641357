//! What a client says of itself when it connects.

use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use domain::Format;
use lambda_kit::websocket::split_subprotocols;
use protocol::{SUBPROTOCOL, TOKEN_SUBPROTOCOL};
use sha2::{Digest, Sha256};

use crate::credential::{guest_secret, token};

/// Bytes of a guest's hash in its name: too many to find another secret with the same name.
const GUEST_NAME_BYTES: usize = 16;

/// What a client says of itself when it connects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handshake {
    /// From which page it comes, if from one.
    pub origin: Option<String>,
    /// Its token, wherever it put it: subprotocol `token.<jwt>`, `Authorization: Bearer`, `?token=`, in that order.
    pub token: Option<String>,
    /// The secret that identifies a guest: `?guest=`. It is never shown to other users.
    pub guest: Option<String>,
    /// Why its credential cannot be read, if it brings one in another place or form.
    pub misplaced: Option<String>,
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
        let offered = split_subprotocols(&texts(event, "sec-websocket-protocol"));
        // Who brings a token is no guest, whatever else is there.
        let credentials = token(event, &offered).and_then(|token| match token {
            Some(token) => Ok((Some(token), None)),
            None => guest_secret(event).map(|secret| (None, secret)),
        });
        let ((token, guest), misplaced) = match credentials {
            Ok(credentials) => (credentials, None),
            Err(misplaced) => ((None, None), Some(misplaced)),
        };
        let subprotocols = offered.into_iter().filter(|name| !name.starts_with(TOKEN_SUBPROTOCOL)).collect();
        Self {
            origin: header("origin"),
            token,
            guest,
            misplaced,
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

/// The values of a header, as far as they are text.
fn texts(event: &ApiGatewayCustomAuthorizerRequestTypeRequest, name: &str) -> Vec<String> {
    let all: Vec<_> = event.multi_value_headers.get_all(name).iter().collect();
    let all = if all.is_empty() { event.headers.get_all(name).iter().collect() } else { all };
    all.into_iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
}

impl Handshake {
    /// The name of the guest that makes this handshake: the same each time for the same secret, and without one the name of
    /// this handshake alone. What others see of a guest leads to no secret, and no secret leads to the name of a handshake.
    pub(crate) fn guest_name(&self) -> String {
        let (kind, text) = match &self.guest {
            Some(secret) => ("secret", secret),
            None => ("handshake", &self.request_id),
        };
        let digest = Sha256::digest(format!("roomcast guest by {kind}: {text}"));
        let digits: String = digest.iter().take(GUEST_NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
        format!("guest:{digits}")
    }
}
