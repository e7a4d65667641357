//! The HTTP server of the gateway. It separates handshakes, management calls and other requests.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use local_invoke::Invoke;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::clock;
use crate::core::Core;
use crate::fields;
use crate::head::{Head, Recorded};
use crate::http_api;
use crate::ids;
use crate::lifecycle::{self, Opening};
use crate::management::{self, Cut};
use crate::origin::Foreign;
use crate::replies::{HttpResponse, forbidden, json, tagged};
use crate::upgrade;

/// Size of the read buffer of one HTTP connection. It exceeds every accepted head, so that the
/// gateway decides which head is too long, instead of the HTTP library.
const HTTP_BUFFER_BYTES: usize = 32 * 1024;

/// The target of a path.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// `/{stage}`: the WebSocket.
    Socket,
    /// `/{stage}/@connections/{id}` with the decoded id.
    Connection(String),
    /// `/ping` and `/sping`, which API Gateway reserves for health checks.
    Health,
    /// A path of the HTTP API.
    Http,
    /// Any other path, including another stage.
    Nowhere,
}

/// The peer of a stream while the stream carries HTTP.
#[derive(Clone)]
struct Peer {
    source_ip: IpAddr,
    head: Head,
    /// True if a handshake waits for its answer.
    is_opening: Arc<AtomicBool>,
}

impl Peer {
    /// Ends a handshake without a connection. The HTTP connection may carry other requests, unless
    /// the gateway is stopping.
    fn refuse(&self, mut response: HttpResponse, stop: &CancellationToken) -> HttpResponse {
        self.is_opening.store(false, Ordering::Relaxed);
        if stop.is_cancelled() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Serves HTTP on one stream until the stream is closed or becomes a WebSocket.
pub(crate) async fn serve_stream<S, I>(core: Arc<Core<I>>, stream: S, source_ip: IpAddr)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    I: Invoke,
{
    let (stream, head) = Recorded::new(stream);
    let stop = core.stop.clone();
    let timeout = core.api.limits.header_read_timeout;
    let peer = Peer { source_ip, head, is_opening: Arc::default() };
    let is_opening = Arc::clone(&peer.is_opening);
    let service = service_fn(move |request| dispatch::<S, I>(Arc::clone(&core), request, peer.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_buf_size(HTTP_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = stop.cancelled() => {
            // A graceful shutdown would answer a running handshake with `Connection: close`. A
            // handshake ends by itself.
            if !is_opening.load(Ordering::Relaxed) {
                connection.as_mut().graceful_shutdown();
            }
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%error, "an HTTP connection ended with an error");
    }
}

async fn dispatch<S, I>(core: Arc<Core<I>>, request: Request<Incoming>, peer: Peer) -> Result<HttpResponse, Cut>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    I: Invoke,
{
    let names = peer.head.take_names();
    if let Some(refused) = check_size(&core, &request) {
        return Ok(refused);
    }
    let path = request.uri().path();
    let target = match &core.api.http {
        Some(routes) if routes.owns(path) => Target::Http,
        _ => target(path, &core.api.stage),
    };
    if let Err(foreign) = check_hosts(&core, &target, request.headers()) {
        debug!(%foreign, "a request was refused with 403");
        return Ok(forbidden());
    }
    match target {
        Target::Socket => {
            peer.is_opening.store(true, Ordering::Relaxed);
            let stop = core.stop.clone();
            match open::<S, I>(core, request, peer.source_ip, &names).await {
                Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => Ok(response),
                Ok(refused) => Ok(peer.refuse(refused, &stop)),
                Err(refused) => Ok(peer.refuse(*refused, &stop)),
            }
        }
        Target::Connection(id) => management::answer(&core, &id, request).await,
        Target::Http => match &core.api.http {
            Some(routes) => http_api::answer(&core, routes, request, peer.source_ip).await,
            None => Ok(forbidden()),
        },
        Target::Health => Ok(tagged(StatusCode::OK, "healthy")),
        Target::Nowhere => Ok(forbidden()),
    }
}

/// Starts a connection's task, and waits for the answer to the handshake.
async fn open<S, I>(
    core: Arc<Core<I>>,
    mut request: Request<Incoming>,
    source_ip: IpAddr,
    names: &[String],
) -> Result<HttpResponse, Box<HttpResponse>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    I: Invoke,
{
    let key = upgrade::check(request.method(), request.version(), request.headers())?;
    let trace = ids::trace_header(clock::now_ms());
    let query = request.uri().query().unwrap_or_default();
    let opening = Opening {
        request: fields::Request::new(request.headers(), names, query, source_ip, trace),
        key,
        upgrade: hyper::upgrade::on(&mut request),
    };
    let (sender, receiver) = oneshot::channel();
    let life = lifecycle::live::<S, I>(Arc::clone(&core), opening, sender);
    drop(core.tasks.spawn(life));
    // The sender is dropped without an answer only when the runtime shuts down.
    Ok(receiver.await.unwrap_or_else(|_| tagged(StatusCode::SERVICE_UNAVAILABLE, Bytes::new())))
}

fn check_size<I: Invoke>(core: &Core<I>, request: &Request<Incoming>) -> Option<HttpResponse> {
    let limits = &core.api.limits;
    let target_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > limits.url_bytes {
        return Some(json(StatusCode::URI_TOO_LONG, r#"{"message":"Request-URI Too Long"}"#.to_owned()));
    }
    let headers = request.headers().iter();
    let header_bytes: usize = headers.map(|(name, value)| name.as_str().len() + value.len()).sum();
    if header_bytes > limits.header_bytes {
        let body = r#"{"message":"Request Header Fields Too Large"}"#.to_owned();
        return Some(json(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, body));
    }
    None
}

/// Checks `Host` and `Origin`. For a WebSocket it checks only `Host`; the authorizer checks the
/// `Origin`, as on AWS.
fn check_hosts<I: Invoke>(core: &Core<I>, target: &Target, headers: &HeaderMap) -> Result<(), Foreign> {
    match (&core.api.hosts, target) {
        (None, _) => Ok(()),
        (Some(hosts), Target::Socket) => hosts.check_name(headers),
        (Some(hosts), _) => hosts.check(headers),
    }
}

fn target(path: &str, stage: &str) -> Target {
    if path == "/ping" || path == "/sping" {
        return Target::Health;
    }
    let Some(rest) = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage)) else {
        return Target::Nowhere;
    };
    if rest.is_empty() || rest == "/" {
        return Target::Socket;
    }
    // Everything after `@connections/` is the id, so an id with an unencoded slash is still found.
    let Some((marker, id)) = rest.strip_prefix('/').and_then(|rest| rest.split_once('/')) else {
        return Target::Nowhere;
    };
    if percent_decode_str(marker).ne(b"@connections".iter().copied()) {
        return Target::Nowhere;
    }
    Target::Connection(percent_decode_str(id).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_the_socket_a_connection_or_nowhere() {
        let connection = |id: &str| Target::Connection(id.to_owned());
        for (path, expected) in [
            ("/local", Target::Socket),
            ("/local/", Target::Socket),
            ("/local/@connections/AAAA1234=", connection("AAAA1234=")),
            ("/local/@connections/AAAA1234%3D", connection("AAAA1234=")),
            ("/local/%40connections/AA%2FA%2B234%3d", connection("AA/A+234=")),
            ("/local/@connections/AA/A+234=", connection("AA/A+234=")),
            ("/ping", Target::Health),
            ("/sping", Target::Health),
            ("/", Target::Nowhere),
            ("/localhost", Target::Nowhere),
            ("/prod", Target::Nowhere),
            ("/local/connections/AAAA1234=", Target::Nowhere),
            ("/local/@connections", Target::Nowhere),
            ("/@connections/AAAA1234=", Target::Nowhere),
            ("/prod/@connections/AAAA1234=", Target::Nowhere),
        ] {
            assert_eq!(target(path, "local"), expected, "{path}");
        }
    }
}
