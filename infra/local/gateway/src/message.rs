//! Handles one message: its route, its function, and the answer to the client.

use std::sync::Arc;

use bytes::Bytes;
use local_invoke::Invoke;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tracing::warn;

use crate::config::MessageRoute;
use crate::connection::Connection;
use crate::core::{CallError, Core};
use crate::event::{self, Body, RequestStamp};
use crate::hooks::Happening;
use crate::outbox::Frame;
use crate::proxy::Answer;
use crate::replies::Trouble;
use crate::throttle::admits;

/// Handles a message to its end. Returns the frame for the client: a route response, or an error of
/// the gateway itself. Errors are sent even if the route has no route response.
pub(crate) async fn handle<I: Invoke>(core: Arc<Core<I>>, connection: Arc<Connection>, body: Body) -> Option<Frame> {
    let stamp = RequestStamp::now();
    let trouble = |trouble: Trouble| Some(trouble.frame(connection.id, stamp.request_id));
    let route = match &body {
        Body::Text(text) => core.api.route(text),
        Body::Binary(_) => core.api.route(""),
    };
    if core.hooks.is_observing() {
        core.hooks.observe(Happening::Received {
            connection_id: connection.id.as_str(),
            request_id: stamp.request_id.as_str(),
            route: route.map(|route| &*route.key),
            body: body.as_bytes(),
        });
    }
    let Some(route) = route else {
        core.counters.messages_unrouted.add_one();
        return trouble(Trouble::Forbidden);
    };
    if !admits(route.throttle.as_deref()) {
        core.counters.messages_throttled.add_one();
        return trouble(Trouble::TooManyRequests);
    }
    let event = event::message(&core.api, &connection, &route.key, &body, stamp);
    // The event contains the body, so up to 128 KB need not be kept while the function runs.
    drop(body);
    let answer = core.call(&route.function, event).await;
    match answer.map_err(|error| trouble_of(&error)).and_then(|payload| respond(&core, route, &payload)) {
        Ok(frame) => frame,
        Err(failed) => {
            core.counters.integrations_failed.add_one();
            trouble(failed)
        }
    }
}

/// Maps a failed call to an error frame. A throttled function is an internal server error: Lambda's
/// 429 is not passed to the client.
fn trouble_of(error: &CallError) -> Trouble {
    match error {
        CallError::TimedOut => Trouble::EndpointRequestTimedOut,
        CallError::Rejected | CallError::Failed(_) => Trouble::InternalServerError,
    }
}

/// Builds the frame of a route with a route response: the body, whatever the status, or an empty
/// frame if there is no body (serverless/serverless #6816: "body=undefined, but still get an empty
/// message at the client").
fn respond<I: Invoke>(core: &Core<I>, route: &MessageRoute, payload: &[u8]) -> Result<Option<Frame>, Trouble> {
    let malformed = |reason: String| {
        warn!(function = %route.function, route = %route.key, reason, "malformed Lambda proxy response: the client receives an internal server error");
        Trouble::InternalServerError
    };
    let answer = Answer::parse(payload).map_err(malformed)?;
    if !route.responds {
        return Ok(None);
    }
    let (body, was_base64) = answer.body.unwrap_or_default();
    let limit_bytes = core.api.limits.message_bytes;
    if body.len() > limit_bytes {
        return Err(malformed(format!("the body has {} bytes; at most {limit_bytes} can be sent", body.len())));
    }
    if was_base64 && core.api.allow_binary {
        return Ok(Some(Frame::Binary(body)));
    }
    Ok(Some(Frame::Text(text(&body))))
}

/// Converts the bytes of a frame to text. Clients receive only text frames, which must be UTF-8 by
/// RFC 6455 section 5.6, so invalid bytes become U+FFFD.
pub(crate) fn text(bytes: &Bytes) -> Utf8Bytes {
    Utf8Bytes::try_from(bytes.clone()).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into())
}
