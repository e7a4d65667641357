//! Turns a valid opening handshake into an open connection: throttling, authorizer, `$connect`, and
//! only then the 101.

use std::sync::Arc;

use hyper::StatusCode;
use local_invoke::Invoke;
use tracing::{debug, warn};

use crate::authorizer::{self, Decision};
use crate::config::CheckedAuthorizer;
use crate::connection::Connection;
use crate::core::{CallError, Core};
use crate::event::{self, RequestStamp};
use crate::fields::Request;
use crate::proxy::Answer;
use crate::replies::Refusal;
use crate::throttle::admits;

/// An admitted connection, and the subprotocol that `$connect` chose.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) connection: Connection,
    pub(crate) subprotocol: Option<String>,
}

/// Decides whether a client may connect. The authorizer and `$connect` receive the same request id.
///
/// # Errors
/// The answer that the client receives instead of 101.
pub(crate) async fn admit<I: Invoke>(
    core: &Core<I>,
    mut connection: Connection,
    request: &Request,
    stamp: RequestStamp,
) -> Result<Admission, Refusal> {
    let api = core.api.connect_throttle.as_deref();
    if !admits(core.connects.as_ref()) || !admits(core.account.as_ref()) || !admits(api) {
        return Err(Refusal::Throttled);
    }
    if let Some(authorizer) = &core.api.authorizer {
        connection.authorizer = Some(authorize(core, authorizer, &connection, request, stamp).await?);
    }
    let subprotocol = match &core.api.connect {
        Some(function) => connect(core, function, &connection, request, stamp).await?,
        None => None,
    };
    Ok(Admission { connection, subprotocol })
}

async fn authorize<I: Invoke>(
    core: &Core<I>,
    authorizer: &CheckedAuthorizer,
    connection: &Connection,
    request: &Request,
    stamp: RequestStamp,
) -> Result<Box<serde_json::value::RawValue>, Refusal> {
    if !authorizer::is_identified(&authorizer.identity_sources, request) {
        return Err(Refusal::Unauthorized);
    }
    let event = event::authorizer(&core.api, connection, request, stamp);
    let answer = match core.call(&authorizer.function, event).await {
        Ok(answer) => answer,
        // An authorizer raises this error on purpose to answer 401.
        Err(CallError::Failed(message)) if message == "Unauthorized" => return Err(Refusal::Unauthorized),
        Err(_) => return Err(Refusal::AuthorizerFailure),
    };
    match authorizer::decide(&answer, &core.api.connect_arn, core.api.limits.authorizer_result_bytes) {
        Decision::Allow(context) => Ok(context),
        Decision::Deny { explicit } => Err(Refusal::AccessDenied { explicit }),
        Decision::Misconfigured(reason) => {
            warn!(function = %authorizer.function, reason, "authorizer result is not valid: the handshake is answered with 500");
            Err(Refusal::AuthorizerConfiguration)
        }
    }
}

async fn connect<I: Invoke>(
    core: &Core<I>,
    function: &Arc<str>,
    connection: &Connection,
    request: &Request,
    stamp: RequestStamp,
) -> Result<Option<String>, Refusal> {
    let event = event::connect(&core.api, connection, request, stamp);
    let answer = core.call(function, event).await.map_err(|error| {
        core.counters.integrations_failed.add_one();
        match error {
            CallError::Rejected => Refusal::IntegrationRejected,
            CallError::Failed(_) => Refusal::IntegrationFailed,
            CallError::TimedOut => Refusal::IntegrationTimedOut,
        }
    })?;
    let answer = Answer::parse(&answer).map_err(|reason| {
        core.counters.integrations_failed.add_one();
        warn!(%function, reason, "malformed Lambda proxy response: the handshake is answered with 502");
        Refusal::IntegrationFailed
    })?;
    if !answer.is_success() {
        debug!(connection = %connection.id, status = answer.status, "$connect refused the client: its status is passed on");
        return Err(Refusal::Verbatim(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY)));
    }
    Ok(answer.subprotocol)
}
