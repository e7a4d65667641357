//! Builds the answers of the endpoint.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// A complete answer. This type never streams.
pub(crate) type Answer = Response<Full<Bytes>>;

/// The content type of AWS JSON 1.0.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

/// Builds an answer with a body of AWS JSON 1.0.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, JSON, body)
}

/// Builds an answer with a content type.
pub(crate) fn with_type(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer
}

/// Builds an answer with a plain text for the user.
pub(crate) fn plain(status: StatusCode, text: &str) -> Answer {
    with_type(status, HeaderValue::from_static("text/plain; charset=utf-8"), format!("{text}\n"))
}

/// Builds the body of an error of AWS JSON 1.0.
pub(crate) fn error_body(code: &str, message: &str) -> String {
    serde_json::json!({ "__type": format!("com.amazon.coral.service#{code}"), "Message": message }).to_string()
}
