//! The four events that functions receive, byte for byte, with the fields in the order of API
//! Gateway.
//!
//! A field that API Gateway omits is omitted here, never null. Source of the shapes: captures, and
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::clock;
use crate::config::Api;
use crate::connection::Connection;
use crate::ending::Ending;
use crate::fields::{Fields, Multiple, Request, Single};
use crate::ids::Id;

/// The id and the time of a request to a function: the handshake, a message, or the end of a
/// connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestStamp {
    pub(crate) request_id: Id,
    pub(crate) epoch_ms: i64,
}

impl RequestStamp {
    /// Creates a stamp with a new id and the current time.
    pub(crate) fn now() -> Self {
        let epoch_ms = clock::now_ms();
        Self { request_id: Id::at(epoch_ms), epoch_ms }
    }
}

/// The content of one message from a client.
#[derive(Debug)]
pub(crate) enum Body {
    Text(Utf8Bytes),
    Binary(Bytes),
}

impl Body {
    /// The bytes of the message.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// Builds the event of the authorizer: all headers, empty collections present, no body.
pub(crate) fn authorizer(api: &Api, connection: &Connection, request: &Request, stamp: RequestStamp) -> Bytes {
    let headers = request.authorizer_headers();
    encode(&AuthorizerEvent {
        r#type: "REQUEST",
        method_arn: &api.connect_arn,
        headers: Single(&headers),
        multi_value_headers: Multiple(&headers),
        query_string_parameters: Single(&request.query),
        multi_value_query_string_parameters: Multiple(&request.query),
        stage_variables: Empty {},
        request_context: Context::new(api, connection, stamp, "$connect", "CONNECT"),
    })
}

/// Builds the event of `$connect`: no `Connection` and `Upgrade` headers, no body, and a query only
/// if the request has one.
pub(crate) fn connect(api: &Api, connection: &Connection, request: &Request, stamp: RequestStamp) -> Bytes {
    let query = (!request.query.is_empty()).then_some(&request.query);
    encode(&LifecycleEvent {
        headers: Single(&request.headers),
        multi_value_headers: Multiple(&request.headers),
        query_string_parameters: query.map(Single),
        multi_value_query_string_parameters: query.map(Multiple),
        request_context: Context::new(api, connection, stamp, "$connect", "CONNECT"),
        is_base64_encoded: false,
    })
}

/// Builds the event of a message route: no headers, no query.
pub(crate) fn message(api: &Api, connection: &Connection, route: &str, body: &Body, stamp: RequestStamp) -> Bytes {
    let encoded;
    let (body, is_base64_encoded) = match body {
        Body::Text(text) => (text.as_str(), false),
        Body::Binary(bytes) => {
            encoded = STANDARD.encode(bytes);
            (encoded.as_str(), true)
        }
    };
    let message_id = Some(Id::at(stamp.epoch_ms));
    let request_context = Context { message_id, ..Context::new(api, connection, stamp, route, "MESSAGE") };
    encode(&MessageEvent { request_context, body, is_base64_encoded })
}

/// Builds the event of `$disconnect`: API Gateway's fixed set of headers, no body.
pub(crate) fn disconnect(api: &Api, connection: &Connection, ending: &Ending, stamp: RequestStamp) -> Bytes {
    let headers = Fields::of_disconnect(&api.domain_name);
    encode(&LifecycleEvent {
        headers: Single(&headers),
        multi_value_headers: Multiple(&headers),
        query_string_parameters: None,
        multi_value_query_string_parameters: None,
        request_context: Context {
            disconnect_status_code: Some(ending.status()),
            disconnect_reason: Some(ending.reason()),
            ..Context::new(api, connection, stamp, "$disconnect", "DISCONNECT")
        },
        is_base64_encoded: false,
    })
}

fn encode(event: &impl Serialize) -> Bytes {
    // The event contains only strings and numbers, so serialising cannot fail. Any function would
    // refuse an empty event.
    serde_json::to_vec(event).unwrap_or_default().into()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerEvent<'a> {
    r#type: &'static str,
    method_arn: &'a str,
    headers: Single<'a>,
    multi_value_headers: Multiple<'a>,
    query_string_parameters: Single<'a>,
    multi_value_query_string_parameters: Multiple<'a>,
    stage_variables: Empty,
    request_context: Context<'a>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LifecycleEvent<'a> {
    headers: Single<'a>,
    multi_value_headers: Multiple<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<Single<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<Multiple<'a>>,
    request_context: Context<'a>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageEvent<'a> {
    request_context: Context<'a>,
    body: &'a str,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    route_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Id>,
    event_type: &'static str,
    extended_request_id: Id,
    request_time: String,
    message_direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    stage: &'a str,
    connected_at: i64,
    request_time_epoch: i64,
    identity: Identity<'a>,
    request_id: Id,
    domain_name: &'a str,
    connection_id: Id,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    source_ip: IpAddr,
}

impl<'a> Context<'a> {
    fn new(
        api: &'a Api,
        connection: &'a Connection,
        stamp: RequestStamp,
        route_key: &'a str,
        event: &'static str,
    ) -> Self {
        Self {
            route_key,
            disconnect_status_code: None,
            message_id: None,
            event_type: event,
            extended_request_id: stamp.request_id,
            request_time: clock::request_time(stamp.epoch_ms),
            message_direction: "IN",
            disconnect_reason: None,
            stage: &api.stage,
            connected_at: connection.connected_at_ms,
            request_time_epoch: stamp.epoch_ms,
            identity: Identity { user_agent: connection.user_agent.as_deref(), source_ip: connection.source_ip },
            request_id: stamp.request_id,
            domain_name: &api.domain_name,
            connection_id: connection.id,
            api_id: &api.api_id,
            authorizer: connection.authorizer.as_deref(),
        }
    }
}
