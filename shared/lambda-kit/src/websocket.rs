//! Events of a WebSocket API, in our words.

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

/// One event of one connection: it connects, it says something, it is gone.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which connection.
    pub connection: ConnectionId,
    /// When it opened.
    pub connected_at: Timestamp,
    /// The route that was selected.
    pub route: String,
    /// The gateway's id of this event.
    pub request_id: String,
    /// What the authorizer said at connect.
    pub context: Result<Context, String>,
    /// The management endpoint derived from the event.
    pub derived_endpoint: Endpoint,
    /// The text of a message; empty for the others.
    pub body: String,
    /// Of the handshake: the subprotocols offered.
    pub subprotocols: Vec<String>,
    /// Of the handshake: the query's parameters, the first of each name.
    pub query: HashMap<String, String>,
}

/// Why an event is not one of a WebSocket API.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field that the gateway always sends is not there.
    #[error("the event has no requestContext.{0}: is this function behind a WebSocket API?")]
    Missing(&'static str),
    /// The connection's id is none.
    #[error("requestContext.connectionId: {0}")]
    Connection(#[from] Reject),
}

impl Call {
    /// From the gateway's event.
    ///
    /// # Errors
    /// [`Error`] when it is not one.
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

    /// Notes in the summary what every call has.
    pub fn describe(&self, summary: &mut Summary) {
        summary.set(telemetry::field::CONNECTION_ID, self.connection.to_string());
        summary.set(telemetry::field::ROUTE, self.route.clone());
    }

    /// Who connected, and how: whatever became of the token since.
    ///
    /// # Errors
    /// `forbidden` when the authorizer's context is missing.
    pub fn connected_as(&self) -> Result<&Context, Reject> {
        self.context.as_ref().map_err(|problem| Reject::new(Code::Forbidden, problem.clone()))
    }

    /// Who calls by now: as it connected, or as it has renewed since. Whether that token is still good is not looked at.
    ///
    /// # Errors
    /// `forbidden` when the authorizer's context is missing, `not_connected` when the connection is not, or no longer, known.
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

/// Values of `Sec-WebSocket-Protocol`, one by one: lists are split and trimmed.
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

/// What the gateway is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status: of the handshake for `$connect`, otherwise nobody sees it.
    pub status: u16,
    /// What the client is sent, on routes that respond.
    pub body: Option<String>,
    /// The subprotocol to echo, on `$connect`.
    pub subprotocol: Option<String>,
}

impl Answer {
    /// Done, nothing to say: for routes that do not respond. On one that does, the client would be sent an empty frame.
    #[must_use]
    pub fn silent() -> Self {
        Self::status(200)
    }

    /// This status, nothing to say.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, body: None, subprotocol: None }
    }

    /// Refuse a request of this text, and count it.
    #[must_use]
    pub fn refuse(text: &str, refused: Refused, summary: &mut Summary) -> Self {
        summary.set(telemetry::field::OUTCOME, refused.reject.code.as_str());
        if let Some(field) = &refused.reject.field {
            summary.set(telemetry::field::REJECT_FIELD, field.clone());
        }
        summary.add(telemetry::metric::REQUESTS_REJECTED, 1);
        Self::say(Reply::refusal_of(text, refused).to_text())
    }

    /// Say this to the client.
    #[must_use]
    pub fn say(text: String) -> Self {
        Self { status: 200, body: Some(text), subprotocol: None }
    }

    /// As the gateway reads it.
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
