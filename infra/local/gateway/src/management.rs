//! The `@connections` API: post to a client, get its state, close it.
//!
//! Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>
//! and the service model `apigatewaymanagementapi-2018-11-29`.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderValue};
use hyper::{Method, Request, StatusCode};
use local_invoke::Invoke;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::core::Core;
use crate::ending::CloseRequest;
use crate::hooks::{Access, CallFault, CallOutcome, Happening, ManagementCall, ManagementMethod};
use crate::ids::{self, Id};
use crate::message;
use crate::outbox::{Frame, Posted};
use crate::replies::{self, HttpResponse, bare_error, json, json_error, tagged};
use crate::sigv4;
use crate::throttle::admits;

/// The caller gets no answer, because its connection is cut.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the caller is cut")]
pub(crate) struct Cut;

/// How much of a body that is too large is read before the answer: API Gateway's payload quota, 10
/// MB. A caller that is still writing when its connection closes would not receive the answer.
const DISCARDED_BYTES: usize = 10 * 1024 * 1024;

/// Answers a call for the connection `id`, which is decoded from the path.
///
/// # Errors
/// [`Cut`] if a fault demands it or the body does not arrive.
pub(crate) async fn answer<I: Invoke>(
    core: &Core<I>,
    id: &str,
    request: Request<Incoming>,
) -> Result<HttpResponse, Cut> {
    let method = match *request.method() {
        Method::POST => ManagementMethod::Post,
        Method::GET => ManagementMethod::Get,
        Method::DELETE => ManagementMethod::Delete,
        _ => return Ok(forbid(core)),
    };
    let (head, body) = request.into_parts();
    let body_limit = core.api.limits.post_bytes;
    // The body is always read first. Otherwise the HTTP library would parse the rest of the body as
    // the next request.
    let reading = timeout(core.api.limits.body_read_timeout, read(body, body_limit)).await;
    let body = reading.map_err(|_| Cut)??;
    let authorization = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let access_key_id = match sigv4::access_key_id(authorization, &core.api.region) {
        Ok(access_key_id) => access_key_id,
        Err(unsigned) => {
            core.counters.calls_forbidden.add_one();
            let call = ManagementCall { access_key_id: "", method, connection_id: id };
            report(core, &call, body.as_ref(), CallOutcome::Forbidden);
            return Ok(unsigned.response());
        }
    };
    let call = ManagementCall { access_key_id, method, connection_id: id };
    if let Access::Deny(sentence) = core.hooks.authorize(&call) {
        core.counters.calls_forbidden.add_one();
        report(core, &call, body.as_ref(), CallOutcome::Forbidden);
        return Ok(replies::access_denied(&sentence));
    }
    let latency = core.api.limits.call_latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let age = || age(core, id);
    match core.hooks.fault_of_call(&call, &age) {
        None => Ok(perform(core, &call, body.as_ref())),
        Some(fault) => suffer(core, &call, body.as_ref(), fault).await,
    }
}

/// Reads the body. Returns `None` if it is too large.
async fn read(mut body: Incoming, limit_bytes: usize) -> Result<Option<Bytes>, Cut> {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Cut)?.into_data() else {
            continue;
        };
        total += data.len();
        if total > DISCARDED_BYTES {
            break;
        }
        if total > limit_bytes {
            continue;
        }
        if first.is_empty() && more.is_empty() {
            first = data;
        } else {
            more.extend_from_slice(&std::mem::take(&mut first));
            more.extend_from_slice(&data);
        }
    }
    if total > limit_bytes {
        return Ok(None);
    }
    // The body is copied, because a slice would keep the whole HTTP buffer in memory while a slow
    // client delays the frame.
    Ok(Some(if more.is_empty() { Bytes::copy_from_slice(&first) } else { more.freeze() }))
}

/// Performs a call and reports it to the hooks. All state is in memory, so this does not wait.
fn perform<I: Invoke>(core: &Core<I>, call: &ManagementCall<'_>, body: Option<&Bytes>) -> HttpResponse {
    let (response, outcome) = perform_unreported(core, call, body);
    report(core, call, body, outcome);
    response
}

fn perform_unreported<I: Invoke>(
    core: &Core<I>,
    call: &ManagementCall<'_>,
    body: Option<&Bytes>,
) -> (HttpResponse, CallOutcome) {
    if !admits(core.account.as_ref()) {
        core.counters.calls_throttled.add_one();
        return (too_many_requests(), CallOutcome::Throttled);
    }
    if !ids::is_connection_id(call.connection_id) {
        return (invalid_id(call.connection_id), CallOutcome::Invalid);
    }
    match call.method {
        ManagementMethod::Post => post(core, call.connection_id, body),
        ManagementMethod::Get => get(core, call.connection_id),
        ManagementMethod::Delete => delete(core, call.connection_id),
    }
}

fn report<I: Invoke>(core: &Core<I>, call: &ManagementCall<'_>, body: Option<&Bytes>, outcome: CallOutcome) {
    if core.hooks.is_observing() {
        let body = body.filter(|_| call.method == ManagementMethod::Post).map(|body| &**body);
        core.hooks.observe(Happening::Called { call: *call, outcome, body });
    }
}

fn post<I: Invoke>(core: &Core<I>, id: &str, body: Option<&Bytes>) -> (HttpResponse, CallOutcome) {
    let Some(body) = body else {
        core.counters.posts_too_large.add_one();
        return (too_large(), CallOutcome::TooLarge);
    };
    let length = body.len();
    let connection = Id::parse(id).and_then(|id| core.registry.get(id));
    let posted = connection.map(|connection| connection.outbox.post(Frame::Text(message::text(body))));
    match posted {
        Some(Posted::Accepted) => {
            core.counters.posts_delivered.add_one();
            core.counters.sent(length);
            (tagged(StatusCode::OK, Bytes::new()), CallOutcome::Done)
        }
        Some(Posted::Full) => {
            core.counters.posts_buffer_full.add_one();
            (too_many_requests(), CallOutcome::BufferFull)
        }
        Some(Posted::Closed) | None => {
            core.counters.posts_gone.add_one();
            (gone(), CallOutcome::Gone)
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionInfo<'a> {
    connected_at: String,
    identity: Identity<'a>,
    last_active_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    source_ip: std::net::IpAddr,
    /// Empty if the client sent none, because the model requires this member.
    user_agent: &'a str,
}

fn get<I: Invoke>(core: &Core<I>, id: &str) -> (HttpResponse, CallOutcome) {
    let Some(connection) = Id::parse(id).and_then(|id| core.registry.get(id)) else {
        return (gone(), CallOutcome::Gone);
    };
    core.counters.gets.add_one();
    let info = ConnectionInfo {
        connected_at: clock::iso8601(connection.connected_at_ms),
        identity: Identity {
            source_ip: connection.source_ip,
            user_agent: connection.user_agent.as_deref().unwrap_or_default(),
        },
        last_active_at: clock::iso8601(connection.last_active_at_ms()),
    };
    // The struct contains only strings, so serialising cannot fail.
    (json(StatusCode::OK, serde_json::to_string(&info).unwrap_or_default()), CallOutcome::Done)
}

fn delete<I: Invoke>(core: &Core<I>, id: &str) -> (HttpResponse, CallOutcome) {
    let connection = Id::parse(id).and_then(|id| core.registry.get(id));
    if !connection.is_some_and(|connection| connection.outbox.request_close(CloseRequest::Deleted)) {
        return (gone(), CallOutcome::Gone);
    }
    core.counters.deletes.add_one();
    (tagged(StatusCode::NO_CONTENT, Bytes::new()), CallOutcome::Done)
}

async fn suffer<I: Invoke>(
    core: &Core<I>,
    call: &ManagementCall<'_>,
    body: Option<&Bytes>,
    fault: CallFault,
) -> Result<HttpResponse, Cut> {
    let (response, outcome) = match fault {
        CallFault::Gone => {
            core.counters.posts_gone.add_one();
            (gone(), CallOutcome::Gone)
        }
        CallFault::Throttled => {
            core.counters.calls_throttled.add_one();
            (too_many_requests(), CallOutcome::Throttled)
        }
        CallFault::Unavailable => {
            core.counters.calls_unavailable.add_one();
            let body = r#"{"message":"Internal server error"}"#.to_owned();
            (json(StatusCode::INTERNAL_SERVER_ERROR, body), CallOutcome::Unavailable)
        }
        CallFault::Forbidden => (forbid(core), CallOutcome::Forbidden),
        CallFault::TooLarge => {
            core.counters.posts_too_large.add_one();
            (too_large(), CallOutcome::TooLarge)
        }
        CallFault::Hang => {
            core.counters.calls_unanswered.add_one();
            report(core, call, body, CallOutcome::Hung);
            std::future::pending().await
        }
        CallFault::Delay(delay) => {
            sleep(delay).await;
            perform_unreported(core, call, body)
        }
        CallFault::LoseResponse => {
            let (_, outcome) = perform_unreported(core, call, body);
            let lost = if outcome == CallOutcome::Done { CallOutcome::AnswerLost } else { outcome };
            core.counters.calls_unanswered.add_one();
            report(core, call, body, lost);
            return Err(Cut);
        }
        CallFault::CloseAfter => {
            let (mut response, outcome) = perform_unreported(core, call, body);
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            (response, outcome)
        }
        CallFault::Cut => cut(core, call.connection_id),
    };
    report(core, call, body, outcome);
    Ok(response)
}

/// Cuts the connection as if it reached its maximum age of two hours at the moment of the post.
fn cut<I: Invoke>(core: &Core<I>, id: &str) -> (HttpResponse, CallOutcome) {
    let connection = Id::parse(id).and_then(|id| core.registry.get(id));
    match connection {
        Some(connection) if connection.outbox.request_close(CloseRequest::Aged) => {
            (tagged(StatusCode::OK, Bytes::new()), CallOutcome::Done)
        }
        _ => (gone(), CallOutcome::Gone),
    }
}

/// Returns the time since a client's handshake.
fn age<I: Invoke>(core: &Core<I>, id: &str) -> Option<Duration> {
    let connection = Id::parse(id).and_then(|id| core.registry.get(id))?;
    let age_ms = clock::now_ms().saturating_sub(connection.connected_at_ms);
    Some(Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)))
}

fn forbid<I: Invoke>(core: &Core<I>) -> HttpResponse {
    core.counters.calls_forbidden.add_one();
    replies::forbidden()
}

fn gone() -> HttpResponse {
    bare_error(StatusCode::GONE, "GoneException")
}

/// Answers 429. AWS uses one answer for both causes: "more than the allowed number of requests per
/// unit of time or the WebSocket client side buffer is full".
fn too_many_requests() -> HttpResponse {
    let body = r#"{"message":"Too Many Requests"}"#.to_owned();
    json_error(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", body)
}

fn too_large() -> HttpResponse {
    let body = r#"{"message":"Request Entity Too Large"}"#.to_owned();
    json_error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", body)
}

/// Answers 400: a text that is not a connection id is invalid instead of gone (serverless-offline
/// #749).
fn invalid_id(id: &str) -> HttpResponse {
    let body = serde_json::json!({ "message": format!("Invalid connectionId: {id}") }).to_string();
    json_error(StatusCode::BAD_REQUEST, "BadRequestException", body)
}
