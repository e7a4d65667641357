//! Events of an HTTP API, payload format 2.0, as types of this crate.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Code, Reject};
use percent_encoding::percent_decode_str;
use protocol::reply::Failure;
use serde::Serialize;
use telemetry::{Summary, field, metric};

/// One request of a backend.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The route that the gateway selected, such as `GET /rooms/{room}`.
    pub route: String,
    /// The gateway's id of the request.
    pub request_id: String,
    /// The names in the path, decoded.
    pub parameters: HashMap<String, String>,
    /// The parameters of the query, decoded, with every value that was given.
    pub query: BTreeMap<String, Vec<String>>,
    /// The headers. The gateway joins the values of one name by commas.
    pub headers: HeaderMap,
    /// The body as it was sent; empty without one.
    pub body: Vec<u8>,
}

/// An event that is not one of an HTTP API.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The event names no route.
    #[error("the event has no routeKey: is this function behind an HTTP API with payload format 2.0?")]
    NoRoute,
    /// The gateway marks the body as base64, and it is not.
    #[error("the body is marked as base64 and is not: {0}")]
    Body(#[from] base64::DecodeError),
}

impl Request {
    /// Reads the gateway's event.
    ///
    /// # Errors
    /// [`Error`] when it is not an event of an HTTP API.
    pub fn from_event(event: ApiGatewayV2httpRequest) -> Result<Self, Error> {
        let text = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded { STANDARD.decode(text)? } else { text.into_bytes() };
        let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let raw = event.raw_query_string.unwrap_or_default();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            query.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Ok(Self {
            route: event.route_key.ok_or(Error::NoRoute)?,
            request_id: event.request_context.request_id.unwrap_or_default(),
            parameters: event.path_parameters.into_iter().map(decoded).collect(),
            query,
            headers: event.headers,
            body,
        })
    }

    /// Sets the fields of the summary that every request has.
    pub fn describe(&self, summary: &mut Summary) {
        summary.set(field::ROUTE, self.route.clone());
    }

    /// Returns the value of a header, if it has one that is visible ASCII. The gateway joins
    /// several values by commas, so a value with a comma may be two.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        if values.next().is_some() { None } else { Some(value.trim()) }
    }

    /// Returns true if the request has this header, whatever its value.
    #[must_use]
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    /// Returns a name of the path; empty if the route has no such name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

/// Decodes a name of the path. Whether the gateway has decoded it makes no difference: no name of
/// Roomcast has a `%`.
fn decoded((name, value): (String, String)) -> (String, String) {
    let value = percent_decode_str(&value).decode_utf8_lossy().into_owned();
    (name, value)
}

/// The answer to a request: JSON, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The JSON text.
    pub body: String,
    /// The header `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
}

impl Response {
    /// Answers with a value as JSON.
    #[must_use]
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        Self { status, body: serde_json::to_string(value).unwrap_or_default(), retry_after_s: None }
    }

    /// Refuses a request, and counts the refusal.
    #[must_use]
    pub fn refuse(reject: Reject, summary: &mut Summary) -> Self {
        count_refusal(&reject, summary);
        let (status, retry_after_s) = (status_of(reject.code), retry_after_s(&reject));
        let body = serde_json::json!({ "err": Failure::from(reject) });
        Self { retry_after_s, ..Self::json(status, &body) }
    }

    /// Converts the answer to the gateway's response.
    #[must_use]
    pub fn into_response(self) -> ApiGatewayV2httpResponse {
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = i64::from(self.status);
        let headers = &mut response.headers;
        headers.insert(HeaderName::from_static("content-type"), HeaderValue::from_static("application/json"));
        // What a room holds is nothing for a cache on the way.
        headers.insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(HeaderName::from_static("retry-after"), HeaderValue::from(seconds));
        }
        if self.status == 401 {
            headers.insert(HeaderName::from_static("www-authenticate"), HeaderValue::from_static("Bearer"));
        }
        response.body = Some(Body::Text(self.body));
        response
    }
}

/// Notes a refusal in the summary.
pub fn count_refusal(reject: &Reject, summary: &mut Summary) {
    summary.set(field::OUTCOME, reject.code.as_str());
    if let Some(name) = &reject.field {
        summary.set(field::REJECT_FIELD, name.clone());
    }
    summary.add(metric::REQUESTS_REJECTED, 1);
}

/// The status that stands for a code. `docs/openapi.yaml` lists them.
#[must_use]
pub fn status_of(code: Code) -> u16 {
    match code {
        Code::NotJson | Code::InvalidField | Code::InvalidRoom | Code::LimitExceeded => 400,
        Code::InvalidToken | Code::TokenExpired => 401,
        Code::Forbidden => 403,
        Code::UnknownAction | Code::NotConnected => 404,
        Code::TooLarge => 413,
        Code::RateLimited => 429,
        Code::Unavailable => 503,
    }
}

/// The pause of a refusal in whole seconds, rounded up.
#[must_use]
pub fn retry_after_s(reject: &Reject) -> Option<u64> {
    reject.after_ms.map(|pause| pause.div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn request(body: &str, is_base64: bool) -> Result<Request, Error> {
        Request::from_event(
            from_value(json!({
                "version": "2.0",
                "routeKey": "GET /rooms/{room}",
                "rawPath": "/rooms/team:7",
                "rawQueryString": "limit=1&limit=2&before=%37",
                "headers": { "authorization": "Bearer a,Bearer b", "host": "x" },
                "pathParameters": { "room": "team%3A7" },
                "requestContext": { "requestId": "r1", "http": { "method": "GET", "path": "/rooms/team:7" } },
                "body": body,
                "isBase64Encoded": is_base64,
            }))
            .unwrap(),
        )
    }

    #[test]
    fn an_event_is_read_with_decoded_names_and_every_value_of_the_query() {
        let request = request("aGk=", true).unwrap();
        assert_eq!((request.route.as_str(), request.request_id.as_str()), ("GET /rooms/{room}", "r1"));
        assert_eq!((request.parameter("room"), request.parameter("user")), ("team:7", ""));
        assert_eq!(request.query["limit"], ["1", "2"]);
        assert_eq!(request.query["before"], ["7"]);
        assert_eq!(request.header("Authorization"), Some("Bearer a,Bearer b"));
        assert_eq!(request.body, b"hi");
    }

    #[test]
    fn a_body_is_decoded_only_if_the_gateway_encoded_it() {
        assert_eq!(request("aGk=", false).unwrap().body, b"aGk=");
        assert!(matches!(request("{}", true), Err(Error::Body(_))));
    }

    #[test]
    fn a_refusal_names_its_code_and_when_to_come_back() {
        let mut summary = Summary::new("test");
        let reject = Reject::new(Code::RateLimited, "too much").after(std::time::Duration::from_millis(1_001));
        let refused = Response::refuse(reject, &mut summary).into_response();
        assert_eq!((refused.status_code, refused.headers["retry-after"].to_str().unwrap()), (429, "2"));
        let Some(Body::Text(body)) = refused.body else { panic!("a text") };
        assert_eq!(body, r#"{"err":{"after_ms":1001,"code":"rate_limited","message":"too much","retry":true}}"#);
    }

    #[test]
    fn codes_that_ask_for_a_retry_have_a_status_that_does() {
        for code in Code::ALL {
            assert_eq!(code.retry(), matches!(status_of(code), 429 | 503), "{code:?}");
        }
    }
}
