//! The API of SQS: AWS JSON 1.0, one file per family of calls.
//!
//! Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html>

mod batch;
mod manage;
mod receive;
mod redrive;
mod send;
mod settle;
mod tags;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::error::Error;
use crate::store::service::Service;

/// Answers one call.
pub(crate) async fn handle(service: &Service, action: &str, body: &[u8]) -> Response<Bytes> {
    match perform(service, action, body).await {
        Ok(answer) => respond(StatusCode::OK, answer),
        Err(error) => refuse(&error),
    }
}

async fn perform(service: &Service, action: &str, body: &[u8]) -> Result<Bytes, Error> {
    match action {
        "SendMessage" => send::one(service, read(body)?),
        "SendMessageBatch" => send::batch(service, read(body)?),
        "ReceiveMessage" => receive::receive(service, read(body)?).await,
        "DeleteMessage" => settle::delete(service, read(body)?),
        "DeleteMessageBatch" => settle::delete_batch(service, read(body)?),
        "ChangeMessageVisibility" => settle::change_visibility(service, read(body)?),
        "ChangeMessageVisibilityBatch" => settle::change_visibility_batch(service, read(body)?),
        "CreateQueue" => manage::create(service, read(body)?),
        "GetQueueUrl" => manage::url(service, read(body)?),
        "ListQueues" => manage::list(service, read(body)?),
        "DeleteQueue" => manage::delete(service, &read(body)?),
        "PurgeQueue" => manage::purge(service, &read(body)?),
        "GetQueueAttributes" => manage::attributes(service, read(body)?),
        "SetQueueAttributes" => manage::set_attributes(service, read(body)?),
        "ListDeadLetterSourceQueues" => redrive::sources(service, read(body)?),
        "StartMessageMoveTask" => redrive::start(service, read(body)?),
        "TagQueue" => tags::tag(service, read(body)?),
        "UntagQueue" => tags::untag(service, read(body)?),
        "ListQueueTags" => tags::list(service, &read(body)?),
        _ => Err(Error::unknown_action(action)),
    }
}

/// Returns the name of the queue that a call uses, for an access decision.
pub(crate) fn resource(action: &str, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct About {
        queue_url: Option<String>,
        queue_name: Option<String>,
        source_arn: Option<String>,
    }
    let about: About = serde_json::from_slice(body).ok()?;
    match action {
        "ListQueues" => None,
        "StartMessageMoveTask" => crate::model::config::name_in_arn(&about.source_arn?, "sqs").map(str::to_owned),
        _ => about.queue_name.or_else(|| Some(about.queue_url?.rsplit('/').next()?.to_owned())),
    }
}

/// The parameters of a call with only a queue.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueOnly {
    queue_url: String,
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        missing.map_or_else(|| Error::malformed(&text), Error::missing_parameter)
    })
}

fn write(answer: &impl Serialize) -> Result<Bytes, Error> {
    let text = serde_json::to_vec(answer).map_err(|error| Error::malformed(&error.to_string()))?;
    Ok(Bytes::from(text))
}

/// The answer to calls without a result.
const NOTHING: Bytes = Bytes::from_static(b"{}");

fn respond(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Builds an error answer. Errors of the model have its namespace, errors of the framework have the
/// framework's. The header has the code of the query protocol.
fn refuse(error: &Error) -> Response<Bytes> {
    let is_general = error.shape.ends_with("Exception") && error.shape != "ResourceNotFoundException";
    let namespace = if is_general { "com.amazon.coral.service" } else { "com.amazonaws.sqs" };
    let body = serde_json::json!({ "__type": format!("{namespace}#{}", error.shape), "message": error.message });
    let mut response = respond(error.status, Bytes::from(body.to_string()));
    if let Ok(code) = HeaderValue::from_str(&format!("{};Sender", error.code)) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}
