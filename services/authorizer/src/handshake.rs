//! The data that a client sends in its handshake.

use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use domain::{Format, GUEST};
use lambda_kit::websocket::split_subprotocols;
use protocol::{SUBPROTOCOL, TOKEN_SUBPROTOCOL};
use sha2::{Digest, Sha256};

use crate::credential::{guest_secret, header_values, token};
use crate::origin::Origin;

/// Bytes of the hash in a guest's name: enough that no second secret with the same name can be
/// found.
const GUEST_NAME_BYTES: usize = 16;

/// The data that a client sends in its handshake.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handshake {
    /// The `Origin` header: the page that opens the connection. Programs other than browsers send
    /// none.
    pub origin: Origin,
    /// The token, from the subprotocol `token.<jwt>`, `Authorization: Bearer` or `?token=`.
    pub token: Option<String>,
    /// The secret that identifies a guest, from `?guest=`. Other users never see it.
    pub guest: Option<String>,
    /// The reason why the credential cannot be read, if it is in another place or form.
    pub misplaced: Option<String>,
    /// The parameter `?device=`, unchecked.
    pub device: Option<String>,
    /// The parameter `?room=`, unchecked.
    pub room: Option<String>,
    /// The parameter `?format=`, unchecked.
    pub format: Option<String>,
    /// The subprotocols that the client offers, without tokens.
    pub subprotocols: Vec<String>,
    /// The gateway's id of this handshake.
    pub request_id: String,
}

impl Handshake {
    /// Reads the gateway's event of a handshake.
    #[must_use]
    pub fn from_event(event: &ApiGatewayCustomAuthorizerRequestTypeRequest) -> Self {
        let origin = match header_values(event, "origin").as_deref() {
            Ok([]) => Origin::Absent,
            Ok([page]) => Origin::Page((*page).to_owned()),
            Ok(_) | Err(_) => Origin::Unclear,
        };
        let query = |name: &str| event.query_string_parameters.first(name).map(str::to_owned);
        let offered = header_values(event, "sec-websocket-protocol")
            .map(|values| split_subprotocols(&values.into_iter().map(str::to_owned).collect::<Vec<_>>()));
        let (offered, unreadable) = match offered {
            Ok(offered) => (offered, Ok(())),
            Err(misplaced) => (Vec::new(), Err(misplaced)),
        };
        // A client with a token is not a guest, even if it sends a guest's secret too.
        let credentials = unreadable.and_then(|()| token(event, &offered)).and_then(|token| match token {
            Some(token) => Ok((Some(token), None)),
            None => guest_secret(event).map(|secret| (None, secret)),
        });
        let ((token, guest), misplaced) = match credentials {
            Ok(credentials) => (credentials, None),
            Err(misplaced) => ((None, None), Some(misplaced)),
        };
        let subprotocols = offered.into_iter().filter(|name| !name.starts_with(TOKEN_SUBPROTOCOL)).collect();
        Self {
            origin,
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

    /// Returns the format of the client's frames: that of `?format=`, else that of its subprotocol.
    #[must_use]
    pub fn format(&self) -> Format {
        let by_subprotocol = || self.subprotocols.iter().any(|name| name == SUBPROTOCOL).then_some(Format::RoomsV1);
        self.format.as_deref().and_then(Format::from_name).or_else(by_subprotocol).unwrap_or_default()
    }
}

impl Handshake {
    /// Returns the name of the guest of this handshake. The same secret always gives the same name.
    /// Without a secret the name belongs to this handshake alone. A secret cannot be computed from
    /// a name, and no secret gives the name of a handshake.
    pub(crate) fn guest_name(&self) -> String {
        let (kind, text) = match &self.guest {
            Some(secret) => ("secret", secret),
            None => ("handshake", &self.request_id),
        };
        let digest = Sha256::digest(format!("roomcast guest by {kind}: {text}"));
        let digits: String = digest.iter().take(GUEST_NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
        format!("{GUEST}{digits}")
    }
}
