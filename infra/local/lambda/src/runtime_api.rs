//! The Runtime API of one process, over HTTP/1.1.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. `/runtime/restore/…`
//! is only for SnapStart and does not exist here.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, HeaderMap, ORIGIN};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::unistd::Pid;
use serde_json::json;
use tokio::net::TcpStream;

use crate::failure::FunctionError;
use crate::host::{Answer, Host, Task};
use crate::peer::{self, Owner};
use crate::pool::ProcessId;
use crate::session::{MAX_PAYLOAD, Refusal};

const VERSION: &str = "/2018-06-01";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";

/// Serves one connection of process `id`, whose process group is `group`, until it is closed.
pub(crate) async fn serve(host: Arc<Host>, id: ProcessId, group: Pid, stream: TcpStream) {
    // Small requests follow each other, so none may be delayed.
    let _unsupported = stream.set_nodelay(true);
    let (Ok(address), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let is_own = host.config.any_caller || is_of_group(peer, address, group).await;
    if !is_own {
        let function = &host.function.name;
        tracing::warn!(function, "another process called the Runtime API of a function; its requests are refused");
    }
    let service = service_fn(|request| {
        let host = Arc::clone(&host);
        async move {
            let caller = if is_own { Some(id) } else { None };
            Ok::<_, Infallible>(answer(&host, caller, address, request).await)
        }
    });
    // A process sends nothing while it works, so there is no read timeout.
    let connection = http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(function = host.function.name, process = id.0, %error, "a connection to the Runtime API ended with an error");
    }
}

/// Reports whether the other end is a process of the group. Where the system does not show it, the
/// other checks must do.
async fn is_of_group(peer: SocketAddr, address: SocketAddr, group: Pid) -> bool {
    let owner = tokio::task::spawn_blocking(move || peer::owner(peer, address, group)).await;
    matches!(owner, Ok(Owner::Group | Owner::Unknown))
}

/// A call of the Runtime API.
#[derive(Debug, PartialEq, Eq)]
enum Call<'a> {
    Next,
    Response(&'a str),
    Error(&'a str),
    InitError,
    Unknown,
}

impl<'a> Call<'a> {
    fn of(method: &Method, path: &'a str) -> Self {
        let Some(path) = path.strip_prefix(VERSION) else { return Self::Unknown };
        if method == Method::GET {
            return if path == "/runtime/invocation/next" { Self::Next } else { Self::Unknown };
        }
        if method != Method::POST {
            return Self::Unknown;
        }
        let answer = path.strip_prefix("/runtime/invocation/").and_then(|rest| rest.split_once('/'));
        match answer {
            Some((request_id, "response")) => Self::Response(request_id),
            Some((request_id, "error")) => Self::Error(request_id),
            None if path == "/runtime/init/error" => Self::InitError,
            _ => Self::Unknown,
        }
    }
}

async fn answer(
    host: &Arc<Host>,
    caller: Option<ProcessId>,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let Some(id) = caller.filter(|_| !is_foreign(&parts.headers, address)) else {
        return error(StatusCode::FORBIDDEN, "Forbidden", "the Runtime API answers to the function's process alone");
    };
    let answered = match Call::of(&parts.method, parts.uri.path()) {
        Call::Next => return next(host, id).await,
        Call::Response(request_id) => respond(host, id, request_id, body).await,
        Call::Error(request_id) => fail(host, id, request_id, &parts.headers, body).await,
        Call::InitError => init_error(host, id, &parts.headers, body).await,
        Call::Unknown => return error(StatusCode::NOT_FOUND, "NotFound", "404 page not found"),
    };
    match answered {
        Ok(()) => reply(StatusCode::ACCEPTED, Bytes::from_static(br#"{"status":"OK"}"#)),
        Err(refusal) => refuse(refusal),
    }
}

/// Returns whether a browser sent the request, or its `Host` is a foreign name. A web page must not
/// be able to take an invocation. Runtimes send neither `Origin` nor `Sec-Fetch-Site`, and their
/// `Host` is the address from their environment.
fn is_foreign(headers: &HeaderMap, address: SocketAddr) -> bool {
    let is_browser = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
    is_browser || headers.get(HOST).is_none_or(|host| host != address.to_string().as_str())
}

async fn next(host: &Arc<Host>, id: ProcessId) -> Response<Full<Bytes>> {
    let coming = match host.ask(id) {
        Ok(coming) => coming,
        Err(refusal) => return refuse(refusal),
    };
    let Ok(task) = coming.await else {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "Internal Server Error");
    };
    host.received(id);
    event(host, task)
        .unwrap_or_else(|problem| error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", &problem.to_string()))
}

fn event(host: &Host, task: Task) -> Result<Response<Full<Bytes>>, http::Error> {
    Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", &*task.request_id)
        .header("Lambda-Runtime-Deadline-Ms", task.deadline_ms)
        .header("Lambda-Runtime-Invoked-Function-Arn", host.config.function_arn(&host.function.name))
        .header("Lambda-Runtime-Trace-Id", trace_id())
        .body(Full::new(task.payload))
}

async fn respond(host: &Arc<Host>, id: ProcessId, request_id: &str, body: Incoming) -> Result<(), Refusal> {
    host.may_answer(id, request_id, false)?;
    match read(body).await? {
        Some(body) => host.answer(id, request_id, Answer::Response(body)),
        None => {
            host.answer(id, request_id, Answer::Failure(FunctionError::response_too_large(MAX_PAYLOAD)))?;
            Err(Refusal::EntityTooLarge)
        }
    }
}

async fn fail(
    host: &Arc<Host>,
    id: ProcessId,
    request_id: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(), Refusal> {
    host.may_answer(id, request_id, true)?;
    let body = read(body).await?.ok_or(Refusal::EntityTooLarge)?;
    host.answer(id, request_id, Answer::Failure(FunctionError::posted(&body, error_type(headers))))
}

async fn init_error(host: &Arc<Host>, id: ProcessId, headers: &HeaderMap, body: Incoming) -> Result<(), Refusal> {
    let body = read(body).await?.ok_or(Refusal::EntityTooLarge)?;
    host.cannot_start(id, FunctionError::posted_at_start(&body, error_type(headers)))
}

/// Reads the whole body, or returns `None` if it is too large. A body that is too large is also
/// read to its end, so that the process can receive the answer.
async fn read(mut body: Incoming) -> Result<Option<Bytes>, Refusal> {
    let mut chunks: Vec<Bytes> = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::TruncatedRequest)?;
        let Ok(chunk) = frame.into_data() else { continue };
        length += chunk.len();
        if length > MAX_PAYLOAD {
            chunks.clear();
        } else {
            chunks.push(chunk);
        }
    }
    Ok((length <= MAX_PAYLOAD).then(|| join(chunks, length)))
}

fn join(mut chunks: Vec<Bytes>, length: usize) -> Bytes {
    if chunks.len() == 1 {
        return chunks.remove(0);
    }
    let mut whole = BytesMut::with_capacity(length);
    chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
    whole.freeze()
}

fn error_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(ERROR_TYPE)?.to_str().ok()
}

/// Returns a header such as
/// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0`.
fn trace_id() -> String {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (root, parent) = (rand::random::<u128>() >> 32, rand::random::<u64>());
    format!("Root=1-{now_s:08x}-{root:024x};Parent={parent:016x};Sampled=0")
}

fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    error(refusal.status(), refusal.error_type(), &refusal.message())
}

fn error(status: StatusCode, error_type: &str, message: &str) -> Response<Full<Bytes>> {
    let body = json!({ "errorMessage": message, "errorType": error_type });
    reply(status, body.to_string().into())
}

fn reply(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_method_and_path() {
        let call = |method, path| Call::of(&method, path);
        assert_eq!(call(Method::GET, "/2018-06-01/runtime/invocation/next"), Call::Next);
        assert_eq!(call(Method::POST, "/2018-06-01/runtime/invocation/a-b/response"), Call::Response("a-b"));
        assert_eq!(call(Method::POST, "/2018-06-01/runtime/invocation/a-b/error"), Call::Error("a-b"));
        assert_eq!(call(Method::POST, "/2018-06-01/runtime/init/error"), Call::InitError);
    }

    #[test]
    fn a_web_page_and_a_foreign_name_are_refused() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9_001));
        let foreign = |lines: &[(&'static str, &'static str)]| {
            let line = |(name, value): &(&'static str, &'static str)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            };
            is_foreign(&lines.iter().map(line).collect(), address)
        };
        let own = ("host", "127.0.0.1:9001");
        assert!(!foreign(&[own]));
        assert!(foreign(&[]) && foreign(&[("host", "evil.example:9001")]) && foreign(&[("host", "127.0.0.1")]));
        assert!(foreign(&[own, ("origin", "http://evil.example")]));
        assert!(foreign(&[own, ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn other_calls_are_unknown() {
        for (method, path) in [
            (Method::GET, "/runtime/invocation/next"),
            (Method::POST, "/2018-06-01/runtime/invocation/next"),
            (Method::GET, "/2018-06-01/runtime/restore/next"),
            (Method::POST, "/2018-06-01/runtime/invocation/a/b/response"),
            (Method::PUT, "/2018-06-01/runtime/invocation/a/response"),
        ] {
            assert_eq!(Call::of(&method, path), Call::Unknown, "{method} {path}");
        }
    }

    #[test]
    fn a_trace_id_has_the_form_of_x_ray() {
        let id = trace_id();
        assert_eq!(id.len(), "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0".len());
        assert!(id.starts_with("Root=1-"), "{id}");
    }
}
