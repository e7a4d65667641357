//! Events of a WebSocket API, as types of this crate.

use std::collections::HashMap;

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::HeaderValue;
use aws_lambda_events::query_map::QueryMap;
use domain::ports::Standing;
use domain::{Code, ConnectionId, Endpoint, Identity, Reject, Timestamp};
use protocol::context::{Context, NotOurs};
use protocol::reply::Reply;
use protocol::request::Refused;
use telemetry::Summary;

/// One event of one connection: a connect, a message, or a disconnect.
#[derive(Debug, Clone)]
pub struct Call {
    /// The connection that the event belongs to.
    pub connection: ConnectionId,
    /// When the connection opened.
    pub connected_at: Timestamp,
    /// The route that the gateway selected.
    pub route: String,
    /// The gateway's id of this event.
    pub request_id: String,
    /// The context that the authorizer gave at connect, or the reason why it cannot be read.
    pub context: Result<Context, String>,
    /// The management endpoint derived from the event.
    pub derived_endpoint: Endpoint,
    /// The text of a message; empty for a connect and a disconnect.
    pub body: String,
    /// The subprotocols that the handshake offers; empty for other events.
    pub subprotocols: Vec<String>,
    /// The parameters of the handshake's query, the first of each name; empty for other events.
    pub query: HashMap<String, String>,
}

/// An event that is not one of a WebSocket API.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field that the gateway always sends is missing.
    #[error("the event has no requestContext.{0}: is this function behind a WebSocket API?")]
    Missing(&'static str),
    /// The connection id is invalid.
    #[error("requestContext.connectionId: {0}")]
    Connection(#[from] Reject),
}

impl Call {
    /// Reads the gateway's event.
    ///
    /// # Errors
    /// [`Error`] when it is not an event of a WebSocket API.
    pub fn from_event(event: ApiGatewayWebsocketProxyRequest) -> Result<Self, Error> {
        let context = event.request_context;
        let connection = context.connection_id.ok_or(Error::Missing("connectionId"))?;
        let offered = |value: &HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
        let subprotocols = event.headers.get_all("sec-websocket-protocol").iter().map(offered).collect::<Vec<_>>();
        let domain = context.domain_name.unwrap_or_default();
        let stage = context.stage.unwrap_or_default();
        let authorizer = context.authorizer.fields;
        Ok(Self {
            connection: ConnectionId::parse(connection)?,
            connected_at: Timestamp::from_ms(u64::try_from(context.connected_at).unwrap_or_default()),
            route: context.route_key.ok_or(Error::Missing("routeKey"))?,
            request_id: context.request_id.unwrap_or_default(),
            context: read_context(&authorizer).map_err(|error| error.to_string()),
            derived_endpoint: Endpoint::derived(&domain, &stage),
            body: event.body.unwrap_or_default(),
            subprotocols: split_subprotocols(&subprotocols),
            query: first_of_each(&event.query_string_parameters),
        })
    }

    /// Sets the fields of the summary that every call has.
    pub fn describe(&self, summary: &mut Summary) {
        summary.set(telemetry::field::CONNECTION_ID, self.connection.to_string());
        summary.set(telemetry::field::ROUTE, self.route.clone());
    }

    /// Returns the context of the connect. A renewal of the token does not change it.
    ///
    /// # Errors
    /// `forbidden` when the authorizer's context is missing.
    pub fn connected_as(&self) -> Result<&Context, Reject> {
        self.context.as_ref().map_err(|problem| Reject::new(Code::Forbidden, problem.clone()))
    }

    /// Returns the identity that counts now: that of the connect, or that of the last renewal. The
    /// expiry of its token is not checked.
    ///
    /// # Errors
    /// `forbidden` when the authorizer's context is missing, `not_connected` when the connection is
    /// not, or no longer, known.
    pub fn caller(&self, standing: Standing) -> Result<Identity, Reject> {
        let connected_as = self.connected_as()?;
        match standing {
            Standing::Unknown => {
                Err(Reject::new(Code::NotConnected, "this connection is no longer known; connect again"))
            }
            Standing::AsConnected => Ok(connected_as.identity.clone()),
            Standing::Renewed(identity) => Ok(identity),
        }
    }
}

/// Splits values of `Sec-WebSocket-Protocol`, which may be lists, into trimmed names.
#[must_use]
pub fn split_subprotocols(values: &[String]) -> Vec<String> {
    let split = values.iter().flat_map(|value| value.split(','));
    split.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

fn first_of_each(query: &QueryMap) -> HashMap<String, String> {
    let mut first = HashMap::new();
    for (name, value) in query.iter() {
        first.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    first
}

fn read_context(authorizer: &HashMap<String, serde_json::Value>) -> Result<Context, NotOurs> {
    Context::from_lookup(|name| match authorizer.get(name)? {
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    })
}

/// The answer to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status. Clients see it for `$connect` only.
    pub status: u16,
    /// The text that the client is sent, on routes that respond.
    pub body: Option<String>,
    /// The subprotocol to echo, on `$connect`.
    pub subprotocol: Option<String>,
}

impl Answer {
    /// An empty answer, for routes that do not respond. On a route that responds, the client would
    /// be sent an empty frame.
    #[must_use]
    pub fn silent() -> Self {
        Self::status(200)
    }

    /// An empty answer with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, body: None, subprotocol: None }
    }

    /// Refuses the request of this text, and counts the refusal.
    #[must_use]
    pub fn refuse(text: &str, refused: Refused, summary: &mut Summary) -> Self {
        summary.set(telemetry::field::OUTCOME, refused.reject.code.as_str());
        if let Some(field) = &refused.reject.field {
            summary.set(telemetry::field::REJECT_FIELD, field.clone());
        }
        summary.add(telemetry::metric::REQUESTS_REJECTED, 1);
        Self::say(Reply::refusal_of(text, refused).to_text())
    }

    /// Sends this text to the client.
    #[must_use]
    pub fn say(text: String) -> Self {
        Self { status: 200, body: Some(text), subprotocol: None }
    }

    /// Converts the answer to the gateway's response.
    #[must_use]
    pub fn into_response(self) -> ApiGatewayProxyResponse {
        let mut response = ApiGatewayProxyResponse::default();
        response.status_code = i64::from(self.status);
        response.body = self.body.map(Body::Text);
        if let Some(value) = self.subprotocol.and_then(|name| HeaderValue::from_str(&name).ok()) {
            response.headers.insert("Sec-WebSocket-Protocol", value);
        }
        response
    }
}
