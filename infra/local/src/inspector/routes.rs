//! Answers the requests under `/_local/`.

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream::unfold;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::Frame;
use serde::Serialize;
use serde_json::{Value, json};

use super::event::Kinds;
use super::logs::Query;
use super::{Inspected, Inspector, Shared, pages, switches};
use crate::aws::answer::{Answer, plain, with_type};

/// A complete answer, or a stream.
pub(crate) type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>;

/// Default number of messages, connections or lines in one answer.
const LIMIT: usize = 100;
/// Largest value of `limit`. One answer has some megabytes then.
const LARGEST_LIMIT: usize = 10_000;

/// The text format of Prometheus, version 0.0.4.
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

const PAGE: &str = include_str!("page.html");
/// The page loads nothing from other places and may not be shown in a frame.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; \
     frame-ancestors 'none'",
);

/// Answers a request. Returns `None` if its path belongs neither to the inspector nor to a page.
pub(crate) async fn answer(inspector: &Inspector, head: &Parts, body: &Bytes) -> Option<Response<Body>> {
    let shared = &inspector.shared;
    let path = head.uri.path();
    let Some(place) = path.strip_prefix("/_local").filter(|_| is_inspected(path)) else {
        let is_read = head.method == Method::GET;
        return if is_read { shared.pages.answer(path).await.map(whole) } else { None };
    };
    if place == "/events" && head.method == Method::GET {
        return Some(events(shared, head));
    }
    Some(whole(respond(shared, place, head, body)))
}

/// Returns whether a path belongs to the inspector. AWS has no such path.
pub(crate) fn is_inspected(path: &str) -> bool {
    path == "/_local" || path.starts_with("/_local/")
}

fn whole(answer: Answer) -> Response<Body> {
    answer.map(Either::Left)
}

fn respond(shared: &Shared, place: &str, head: &Parts, body: &Bytes) -> Answer {
    let segments: Vec<&str> = place.split('/').skip(1).collect();
    if segments == ["faults"] {
        return switches::answer(&shared.faults, &head.method, body);
    }
    let needed = if matches!(segments[..], ["functions", _, "kill"]) { Method::POST } else { Method::GET };
    if head.method != needed {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, &format!("this address takes {needed}"));
        if let Ok(allow) = HeaderValue::from_str(needed.as_str()) {
            refused.headers_mut().insert(header::ALLOW, allow);
        }
        return refused;
    }
    let Some(stack) = shared.stack.get() else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the stack is starting: ask again");
    };
    let asked = match Asked::parse(head.uri.query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(sentence) => return plain(StatusCode::BAD_REQUEST, &sentence),
    };
    match segments[..] {
        [] => pages::moved_to("/_local/"),
        [""] => page(),
        ["stats"] => as_json(&stack.counters.read()),
        ["config"] => as_json(&stack.config),
        ["env"] => with_type(StatusCode::OK, HeaderValue::from_static("text/plain; charset=utf-8"), exports(stack)),
        ["queues"] => as_json(&queues(stack)),
        ["queues", name, "messages"] => messages(stack, name, asked.limit),
        ["connections"] => as_json(&stack.gateway.as_ref().map(|gateway| gateway.connections(asked.limit))),
        ["metrics"] => with_type(StatusCode::OK, PROMETHEUS, shared.metrics.to_text()),
        ["logs"] => as_json(&shared.logs.search(&asked.into())),
        ["functions", name, "kill"] => kill(stack, name),
        _ => plain(StatusCode::NOT_FOUND, "there is no such address; /_local/ is the page of the inspector"),
    }
}

fn page() -> Answer {
    let mut answer = with_type(StatusCode::OK, HeaderValue::from_static("text/html; charset=utf-8"), PAGE);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// Answers with the stream of events:
/// <https://html.spec.whatwg.org/multipage/server-sent-events.html>
fn events(shared: &Shared, head: &Parts) -> Response<Body> {
    let query = head.uri.query().unwrap_or_default();
    let value = |wanted: &str| form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted);
    let types = value("types").map_or_else(String::new, |(_, types)| types.into_owned());
    let kinds = match Kinds::parse(&types) {
        Ok(kinds) => kinds,
        Err(sentence) => return whole(plain(StatusCode::BAD_REQUEST, &sentence)),
    };
    let since = value("since").and_then(|(_, since)| since.parse().ok());
    let reader = shared.feed.reader(kinds, last_event_id(&head.headers).or(since));
    // The first bytes are sent at once, so that the page knows that it is connected.
    let begun = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"retry: 1000\n\n")));
    let rest = unfold((reader, shared.stop.clone()), async |(mut reader, stop)| {
        let chunk = reader.next(&stop).await?;
        Some((Ok(Frame::data(chunk)), (reader, stop)))
    });
    let stream = futures::StreamExt::chain(futures::stream::iter([begun]), rest);
    let mut response = Response::new(Either::Right(BodyExt::boxed_unsync(StreamBody::new(stream))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns the header that a browser sends when it reconnects.
fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// A shell function for version 1 of the AWS CLI. It sends calls of SQS to AWS even if
/// `AWS_ENDPOINT_URL` is set, unless the option names the endpoint.
const CLI: &str = "aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }\n";

/// Returns shell commands that export the variables of a command beside the stack.
fn exports(stack: &Inspected) -> String {
    let quoted = |text: &String| text.replace('\'', r"'\''");
    let exports = stack.variables.iter().map(|(name, value)| format!("export {name}='{}'\n", quoted(value)));
    exports.chain(std::iter::once(CLI.to_owned())).collect()
}

fn queues(stack: &Inspected) -> Value {
    stack.messaging.as_ref().map_or(Value::Null, |messaging| json!(messaging.stats().queues))
}

fn messages(stack: &Inspected, name: &str, limit: usize) -> Answer {
    match stack.messaging.as_ref().and_then(|messaging| messaging.peek(name, limit)) {
        Some(messages) => as_json(&messages),
        None => plain(StatusCode::NOT_FOUND, &format!("there is no queue {name}")),
    }
}

fn kill(stack: &Inspected, name: &str) -> Answer {
    if !stack.lambda.stats().iter().any(|stats| stats.function == name) {
        return plain(StatusCode::NOT_FOUND, &format!("there is no function {name}"));
    }
    as_json(&json!({ "killed": stack.lambda.kill(name) }))
}

fn as_json(value: &impl Serialize) -> Answer {
    // The value contains only texts and numbers, so serialising cannot fail.
    let body = serde_json::to_string(value).unwrap_or_default();
    with_type(StatusCode::OK, HeaderValue::from_static("application/json"), body)
}

/// The parameters of a query string.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    q: String,
    function: Option<String>,
    limit: usize,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut asked = Self { q: String::new(), function: None, limit: LIMIT };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "q" => asked.q = value.into_owned(),
                "function" => asked.function = Some(value.into_owned()).filter(|name| !name.is_empty()),
                "limit" => asked.limit = limit(&value)?,
                other => return Err(format!("{other:?} is not understood; there are q, function and limit")),
            }
        }
        Ok(asked)
    }
}

fn limit(value: &str) -> Result<usize, String> {
    let limit = value.parse().ok().filter(|limit| (1..=LARGEST_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("limit is {value:?} and must be a number from 1 to {LARGEST_LIMIT}"))
}

impl From<Asked> for Query {
    fn from(asked: Asked) -> Self {
        Self { text: asked.q, function: asked.function, most: asked.limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_string_is_read_and_a_mistake_is_named() {
        let asked = Asked::parse("q=p%201&function=ingest&limit=7").unwrap();
        assert_eq!(asked, Asked { q: "p 1".to_owned(), function: Some("ingest".to_owned()), limit: 7 });
        assert_eq!(Asked::parse("").unwrap().limit, LIMIT);
        assert!(Asked::parse("limit=0").unwrap_err().contains("from 1 to 10000"));
        assert!(Asked::parse("quota=1").unwrap_err().contains("q, function and limit"));
    }

    #[test]
    fn only_paths_of_the_inspector_are_the_inspectors() {
        assert!(is_inspected("/_local") && is_inspected("/_local/stats"));
        assert!(!is_inspected("/_localhost") && !is_inspected("/000000000000/queue") && !is_inspected("/"));
    }
}
