//! Messages of the gateway itself: error frames to clients, and error answers to HTTP requests.
//!
//! Frames and bodies of a connection follow the default gateway response of WebSocket APIs,
//! `{"message":$context.error.messageString, "connectionId":"$context.connectionId", "requestId":"$context.requestId"}`.
//! Captures confirm its spacing: a space after the first colon and after each comma, and no other
//! spaces.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::ids::{self, Id};
use crate::outbox::Frame;

/// An HTTP answer. Bodies are always complete and short.
pub(crate) type HttpResponse = Response<Full<Bytes>>;

/// The reason why the gateway answers instead of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No route matched, and the API has no `$default`.
    Forbidden,
    /// The integration failed.
    InternalServerError,
    /// The integration exceeded its timeout.
    EndpointRequestTimedOut,
    /// The bucket of the account or of the route is empty. The text is that of the gateway
    /// response THROTTLED; no capture exists.
    TooManyRequests,
}

impl Trouble {
    fn message(self) -> &'static str {
        match self {
            Self::Forbidden => "Forbidden",
            Self::InternalServerError => "Internal server error",
            Self::EndpointRequestTimedOut => "Endpoint request timed out",
            Self::TooManyRequests => "Too Many Requests",
        }
    }

    /// Builds the text frame for the client.
    pub(crate) fn frame(self, connection_id: Id, request_id: Id) -> Frame {
        Frame::Text(body(self.message(), connection_id, request_id).into())
    }
}

fn body(message: &str, connection_id: Id, request_id: Id) -> String {
    format!(r#"{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}"#)
}

/// The reason why a handshake is answered without a 101.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `$connect` answered with this status. The status is passed on; body and headers are not.
    Verbatim(StatusCode),
    /// An identity source is missing, or the authorizer failed with "Unauthorized".
    Unauthorized,
    /// The policy denies the connection explicitly, or does not cover it.
    AccessDenied { explicit: bool },
    /// The authorizer failed.
    AuthorizerFailure,
    /// The authorizer's answer is not valid.
    AuthorizerConfiguration,
    /// Lambda refused to run `$connect`.
    IntegrationRejected,
    /// `$connect` failed or its answer is not valid.
    IntegrationFailed,
    /// `$connect` exceeded its timeout.
    IntegrationTimedOut,
    /// The account or the connection rate is exhausted.
    Throttled,
}

impl Refusal {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Verbatim(status) => (status, "", ""),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "UnauthorizedException", "Unauthorized"),
            Self::AccessDenied { explicit: true } => (
                StatusCode::FORBIDDEN,
                "AccessDeniedException",
                "User is not authorized to access this resource with an explicit deny",
            ),
            Self::AccessDenied { explicit: false } => {
                (StatusCode::FORBIDDEN, "AccessDeniedException", "User is not authorized to access this resource")
            }
            Self::AuthorizerFailure => {
                (StatusCode::INTERNAL_SERVER_ERROR, "AuthorizerFailureException", "Internal server error")
            }
            Self::AuthorizerConfiguration => {
                (StatusCode::INTERNAL_SERVER_ERROR, "AuthorizerConfigurationException", "Internal server error")
            }
            Self::IntegrationRejected => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerErrorException", "Internal server error")
            }
            Self::IntegrationFailed => {
                (StatusCode::BAD_GATEWAY, "InternalServerErrorException", "Internal server error")
            }
            Self::IntegrationTimedOut => {
                (StatusCode::GATEWAY_TIMEOUT, "InternalServerErrorException", "Endpoint request timed out")
            }
            Self::Throttled => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Too Many Requests"),
        }
    }

    /// Builds the answer to the handshake.
    pub(crate) fn response(self, connection_id: Id, request_id: Id) -> HttpResponse {
        let (status, error_type, message) = self.parts();
        if message.is_empty() {
            return tagged(status, Bytes::new());
        }
        json_error(status, error_type, body(message, connection_id, request_id))
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const GATEWAY_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Builds an answer with the headers that every answer of API Gateway has.
pub(crate) fn tagged(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let ids = [(REQUEST_ID, ids::aws_request_id()), (GATEWAY_ID, Id::at(crate::clock::now_ms()).to_string())];
    for (name, id) in ids {
        // Both ids are ASCII without control characters, so they are valid header values.
        if let Ok(value) = HeaderValue::try_from(id) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Builds a JSON answer.
pub(crate) fn json(status: StatusCode, body: String) -> HttpResponse {
    let mut response = tagged(status, body);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Builds a JSON answer with the error type in `x-amzn-ErrorType`, where SDKs read it.
pub(crate) fn json_error(status: StatusCode, error_type: &'static str, body: String) -> HttpResponse {
    let mut response = json(status, body);
    response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error_type));
    response
}

/// Builds an error with a type and without a body, as the 410 of AWS.
pub(crate) fn bare_error(status: StatusCode, error_type: &'static str) -> HttpResponse {
    let mut response = tagged(status, Bytes::new());
    response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error_type));
    response
}

/// Answers 403 for a missing permission, as captured (aws-solutions/innovation-sandbox-on-aws #59,
/// architect/functions #130). `Message` begins with a capital letter (ASFHyP3/hyp3 #2283).
pub(crate) fn access_denied(sentence: &str) -> HttpResponse {
    let body = serde_json::json!({ "Message": sentence }).to_string();
    json_error(StatusCode::FORBIDDEN, "AccessDeniedException", body)
}

/// Answers 403 for a wrong stage or a wrong path.
pub(crate) fn forbidden() -> HttpResponse {
    json_error(StatusCode::FORBIDDEN, "ForbiddenException", r#"{"message":"Forbidden"}"#.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_spaced_as_in_the_captures() {
        let (connection, request) = (Id::parse("DBNjmfOmSwMCJiA=").unwrap(), Id::parse("DBNlXFDjSwMF3FA=").unwrap());
        for (trouble, expected) in [
            (
                Trouble::Forbidden,
                r#"{"message": "Forbidden", "connectionId":"DBNjmfOmSwMCJiA=", "requestId":"DBNlXFDjSwMF3FA="}"#,
            ),
            (
                Trouble::InternalServerError,
                r#"{"message": "Internal server error", "connectionId":"DBNjmfOmSwMCJiA=", "requestId":"DBNlXFDjSwMF3FA="}"#,
            ),
            (
                Trouble::EndpointRequestTimedOut,
                r#"{"message": "Endpoint request timed out", "connectionId":"DBNjmfOmSwMCJiA=", "requestId":"DBNlXFDjSwMF3FA="}"#,
            ),
            (
                Trouble::TooManyRequests,
                r#"{"message": "Too Many Requests", "connectionId":"DBNjmfOmSwMCJiA=", "requestId":"DBNlXFDjSwMF3FA="}"#,
            ),
        ] {
            assert_eq!(trouble.frame(connection, request), Frame::Text(expected.into()));
        }
    }
}
