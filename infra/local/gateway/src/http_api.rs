//! An HTTP API on the port of the gateway: routes with names in their paths, Lambda proxy
//! integrations with payload format 2.0, and the stage `$default`, which has no segment in the
//! path.
//!
//! On AWS the HTTP API has a host of its own. Here the first segment of a path decides: a path
//! whose first segment begins no route belongs to the WebSocket API.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{Request, Response, StatusCode, Version};
use local_invoke::{Error as InvokeError, Invoke};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::timeout;
use tracing::debug;

use crate::core::Core;
use crate::event::RequestStamp;
use crate::http_routes::{Matched, Routes, decode};
use crate::management::Cut;
use crate::replies::HttpResponse;
use crate::throttle::admits;
use crate::{clock, ids};

/// Answers a request to a path of the HTTP API.
///
/// # Errors
/// [`Cut`] if the body does not arrive.
pub(crate) async fn answer<I: Invoke>(
    core: &Core<I>,
    routes: &Routes,
    request: Request<Incoming>,
    source_ip: IpAddr,
) -> Result<HttpResponse, Cut> {
    let stamp = RequestStamp::now();
    let (head, body) = request.into_parts();
    // The body is always read first. Otherwise the HTTP library would parse the rest of the body as
    // the next request.
    let reading = timeout(core.api.limits.body_read_timeout, read(body, core.api.limits.http_body_bytes)).await;
    let body = reading.map_err(|_| Cut)??;
    let response = match (routes.find(&head.method, head.uri.path()), body) {
        _ if !admits(core.account.as_ref()) => message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        (None, _) => message(StatusCode::NOT_FOUND, "Not Found"),
        (Some(_), None) => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        (Some(matched), Some(body)) => {
            let event = Event::new(core, &routes.api_id, &matched, &head, &body, source_ip, stamp);
            // The event contains only strings and numbers, so serialising cannot fail.
            let event = serde_json::to_vec(&event).unwrap_or_default();
            invoke(core, &matched.function, event.into()).await
        }
    };
    Ok(tagged(response, stamp))
}

/// Reads the body. Returns `None` if it is too large.
async fn read(mut body: Incoming, limit_bytes: usize) -> Result<Option<Bytes>, Cut> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Cut)?.into_data() else { continue };
        if whole.len() + data.len() > limit_bytes {
            return Ok(None);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Some(whole.freeze()))
}

/// Invokes the function, and waits at most the integration timeout. A function that takes longer
/// continues to its end.
async fn invoke<I: Invoke>(core: &Core<I>, function: &Arc<str>, event: Bytes) -> HttpResponse {
    let (invoker, name) = (Arc::clone(&core.invoker), Arc::clone(function));
    let mut invocation = Box::pin(async move { invoker.invoke(&name, event).await });
    let Ok(result) = timeout(core.api.limits.http_integration_timeout, &mut invocation).await else {
        debug!(function = %function, "integration of the HTTP API timed out: the function continues and its answer is dropped");
        drop(tokio::spawn(invocation));
        return message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    };
    match result {
        Ok(payload) => from_payload(&payload).unwrap_or_else(|reason| {
            debug!(function = %function, reason, "a function's answer to the HTTP API is malformed");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }),
        Err(error) => {
            debug!(function = %function, %error, "integration of the HTTP API failed: the function gave no answer");
            match error {
                InvokeError::TooLarge(_) => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
                InvokeError::Throttled(_) | InvokeError::Stopping => {
                    message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
                }
                InvokeError::NotFound(_) | InvokeError::Failed { .. } => {
                    message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
                }
            }
        }
    }
}

/// Converts the answer of a function. JSON without `statusCode` is the body of a 200.
fn from_payload(payload: &[u8]) -> Result<HttpResponse, &'static str> {
    let value: Value = serde_json::from_slice(payload).map_err(|_| "it is not JSON")?;
    let Value::Object(mut fields) = value else { return Ok(inferred(payload)) };
    let Some(status) = fields.remove("statusCode") else { return Ok(inferred(payload)) };
    let status = status.as_u64().or_else(|| status.as_str()?.parse().ok());
    let status = status.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let status = status.filter(|status| status.as_u16() >= 200).ok_or("statusCode is no status from 200")?;
    let text = match fields.get("body") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err("body must be a string"),
    };
    let body = match fields.get("isBase64Encoded") {
        Some(Value::Bool(true)) => STANDARD.decode(text).map_err(|_| "body is not base64")?.into(),
        None | Some(Value::Null | Value::Bool(false)) => Bytes::copy_from_slice(text.as_bytes()),
        Some(_) => return Err("isBase64Encoded must be true or false"),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    for (name, value) in fields.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let (name, value) = header(name, value).ok_or("headers has a value that is no header")?;
        response.headers_mut().insert(name, value);
    }
    for cookie in fields.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        let (name, value) = header(SET_COOKIE.as_str(), cookie).ok_or("cookies has a value that is no header")?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

fn header(name: &str, value: &Value) -> Option<(HeaderName, HeaderValue)> {
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return None,
    };
    Some((name.parse().ok()?, value.parse().ok()?))
}

fn inferred(payload: &[u8]) -> HttpResponse {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(payload)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer of the gateway itself.
fn message(status: StatusCode, text: &str) -> HttpResponse {
    let mut response = inferred(format!(r#"{{"message":"{text}"}}"#).as_bytes());
    *response.status_mut() = status;
    response
}

/// Adds the header that every answer of an HTTP API has.
fn tagged(mut response: HttpResponse, stamp: RequestStamp) -> HttpResponse {
    // An id is ASCII without control characters, so it is a valid header value.
    if let Ok(id) = HeaderValue::try_from(stamp.request_id.to_string()) {
        response.headers_mut().insert(HeaderName::from_static("apigw-requestid"), id);
    }
    response
}

/// The event of a request, with the fields in the order of API Gateway's documentation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: String,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    query_string_parameters: Map<String, Value>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'a str,
    api_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http,
    request_id: ids::Id,
    route_key: &'a str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    path: String,
    protocol: &'static str,
    source_ip: IpAddr,
    user_agent: String,
}

impl<'a> Event<'a> {
    fn new<I: Invoke>(
        core: &'a Core<I>,
        api_id: &'a str,
        matched: &'a Matched,
        head: &'a hyper::http::request::Parts,
        body: &Bytes,
        source_ip: IpAddr,
        stamp: RequestStamp,
    ) -> Self {
        // HTTP APIs give functions the decoded path; REST APIs do not.
        let path = decode(head.uri.path());
        let query = head.uri.query().unwrap_or_default();
        let (body, is_base64_encoded) = encoded(body, &head.headers);
        let protocol = if head.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
        let headers = headers(&head.headers, &core.api.domain_name, source_ip, stamp);
        let user_agent = headers.get("user-agent").cloned().unwrap_or_default();
        let http = Http { method: head.method.to_string(), path: path.clone(), protocol, source_ip, user_agent };
        Self {
            version: "2.0",
            route_key: &matched.key,
            raw_path: path,
            raw_query_string: query,
            cookies: cookies(&head.headers),
            headers,
            query_string_parameters: parameters(query),
            request_context: Context {
                account_id: &core.api.account_id,
                api_id,
                domain_name: &core.api.domain_name,
                domain_prefix: core.api.domain_name.split('.').next().unwrap_or_default(),
                http,
                request_id: stamp.request_id,
                route_key: &matched.key,
                stage: "$default",
                time: clock::request_time(stamp.epoch_ms),
                time_epoch: stamp.epoch_ms,
            },
            path_parameters: &matched.parameters,
            body,
            is_base64_encoded,
        }
    }
}

/// Returns the headers with names in lower case. Values of one name are joined by commas; cookies
/// have a field of their own.
fn headers(sent: &HeaderMap, host: &str, source_ip: IpAddr, stamp: RequestStamp) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for name in sent.keys().filter(|name| **name != COOKIE) {
        let values = sent.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        headers.insert(name.as_str().to_owned(), values.collect::<Vec<_>>().join(","));
    }
    headers.insert(HOST.as_str().to_owned(), host.to_owned());
    headers.entry("content-length".to_owned()).or_insert_with(|| "0".to_owned());
    headers.entry("x-amzn-trace-id".to_owned()).or_insert_with(|| ids::trace_header(stamp.epoch_ms));
    let behind = headers.get("x-forwarded-for").map(|hops| format!("{hops}, ")).unwrap_or_default();
    headers.insert("x-forwarded-for".to_owned(), format!("{behind}{source_ip}"));
    headers.insert("x-forwarded-port".to_owned(), "443".to_owned());
    headers.insert("x-forwarded-proto".to_owned(), "https".to_owned());
    headers
}

fn cookies(sent: &HeaderMap) -> Vec<String> {
    let values = sent.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    values.flat_map(|value| value.split("; ").map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Returns the decoded parameters. Values of one name are joined by commas.
fn parameters(query: &str) -> Map<String, Value> {
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    parameters.into_iter().map(|(name, values)| (name, Value::from(values.join(",")))).collect()
}

/// Returns the body, in base64 unless its type is one that the gateway passes on as text.
fn encoded(body: &Bytes, headers: &HeaderMap) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str());
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_or_is_the_body_of_a_200() {
        let status = |payload: &str| from_payload(payload.as_bytes()).map(|response| response.status().as_u16());
        assert_eq!(status(r#"{"statusCode":202,"body":"{}"}"#), Ok(202));
        assert_eq!(status(r#"{"statusCode":"404"}"#), Ok(404));
        assert_eq!(status(r#"{"hello":1}"#), Ok(200));
        assert_eq!(status(r#""hello""#), Ok(200));
        for wrong in [
            "",
            r#"{"statusCode":99}"#,
            r#"{"statusCode":200,"body":{}}"#,
            r#"{"statusCode":200,"body":"?","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
        ] {
            assert!(status(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_body_is_text_or_base64_by_its_type() {
        let encode = |kind: Option<&'static str>, body: &'static [u8]| {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            encoded(&Bytes::from_static(body), &headers)
        };
        assert_eq!(encode(Some("application/json; charset=utf-8"), b"{}"), (Some("{}".to_owned()), false));
        assert_eq!(encode(None, b"{}"), (Some("{}".to_owned()), false));
        let form = Some("application/x-www-form-urlencoded");
        assert_eq!(encode(form, b"{}"), (Some("e30=".to_owned()), true));
        assert_eq!(encode(Some("text/plain"), b"\xff"), (Some("/w==".to_owned()), true));
        assert_eq!(encode(None, b""), (None, false));
    }
}
