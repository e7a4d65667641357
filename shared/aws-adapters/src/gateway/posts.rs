//! Posts of frames, straight over HTTP. They are signed as the SDK signs them, without its other
//! work around every call.
//!
//! Posts are the most frequent call of Roomcast. `infra/e2e/examples/posting.rs` measures the SDK
//! beside this module. Every other call of the functions to AWS goes through the SDK, except the
//! reads of secrets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use domain::{ConnectionId, Delivery, Endpoint, limits};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::signature::{self, Signed, Signer, Unsigned, canonical_path, digest_of, segment};
use crate::account::CONNECT_TIMEOUT;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
/// A connection that was idle for longer may be dead without a notification, because a function is
/// frozen between invocations.
const RESTS_FOR: Duration = Duration::from_secs(20);
/// Bytes of an answer that are read. Meaningful answers are shorter.
const ANSWER_BYTES: usize = 4 * 1024;
/// Frames whose digests are kept: each frame goes to many members, and few frames are posted at a
/// time.
const FRAMES: usize = 8;

/// An HTTP client for requests that are signed here.
pub(crate) type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Posts to the connections of one endpoint.
#[derive(Debug)]
pub(super) struct Posts {
    http: Http,
    to: Target,
}

/// The parts that all posts to an endpoint share.
#[derive(Debug)]
struct Target {
    /// The URL up to the connection id.
    url: String,
    /// The same path in the encoding of signatures.
    path: String,
    host: String,
    host_header: HeaderValue,
    token_header: Option<HeaderValue>,
    signer: Signer,
    digests: Mutex<Vec<(Bytes, Arc<str>)>>,
}

/// The reason why a post cannot be made at all: the endpoint is not a URL, or a credential is not a
/// header.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("{0}")]
    Http(#[from] http::Error),
    #[error("{0:?} is no URL with a host")]
    NoUrl(String),
}

/// The reason why a post has no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Http(#[from] hyper_util::client::legacy::Error),
}

impl Posts {
    /// Creates a client for posts to the connections of this endpoint.
    pub(super) fn new(endpoint: &Endpoint, region: String, credentials: Credentials) -> Result<Self, Unfit> {
        let signer = Signer::new(region, credentials);
        let target = Target::new(&format!("{}/@connections/", endpoint.as_str()), signer)?;
        Ok(Self { http: client(endpoint.as_str().starts_with("https:")), to: target })
    }

    /// Posts one frame, and returns within [`limits::POST_TIMEOUT`].
    pub(super) async fn post(&self, connection: &ConnectionId, frame: Bytes) -> Delivery {
        match tokio::time::timeout(limits::POST_TIMEOUT, self.answer(connection, frame)).await {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(error)) => {
                tracing::debug!(error = %error, "post failed without an answer; it counts as failed");
                Delivery::Failed
            }
            Err(_) => Delivery::Failed,
        }
    }

    async fn answer(&self, connection: &ConnectionId, frame: Bytes) -> Result<Delivery, Unanswered> {
        let request = self.to.request(connection, frame, Timestamp::now())?;
        let answer = self.http.request(request).await?;
        Ok(outcome(answer).await)
    }
}

impl Target {
    fn new(url: &str, signer: Signer) -> Result<Self, Unfit> {
        let no_url = || Unfit::NoUrl(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| no_url())?;
        let name = uri.host().ok_or_else(no_url)?;
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let host = match uri.port_u16().filter(|port| *port != usual) {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        let header = |text: &str| HeaderValue::from_str(text).map_err(http::Error::from);
        let (host_header, token_header) = (header(&host)?, signer.token().map(header).transpose()?);
        let (url, path, digests) = (url.to_owned(), canonical_path(uri.path()), Mutex::default());
        Ok(Self { url, path, host, host_header, token_header, signer, digests })
    }

    fn request(&self, connection: &ConnectionId, frame: Bytes, now: Timestamp) -> Result<Request<Full<Bytes>>, Unfit> {
        let segment = segment(connection.as_ref());
        let path = format!("{}{}", self.path, canonical_path(&segment));
        let payload = self.digest(&frame);
        let Signed { date, authorization } =
            self.signer.sign(&Unsigned { host: &self.host, path: &path, payload: &payload }, now);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{segment}", self.url))
            .header(HOST, &self.host_header)
            .header(CONTENT_TYPE, HeaderValue::from_static(signature::CONTENT_TYPE))
            .header(DATE, date)
            .header(AUTHORIZATION, authorization);
        if let Some(token) = &self.token_header {
            request = request.header(TOKEN, token);
        }
        Ok(request.body(Full::new(frame))?)
    }

    /// Returns the digest of a frame, which is computed for the first of its members. A kept frame
    /// stays alive, so no other frame can have its address.
    fn digest(&self, frame: &Bytes) -> Arc<str> {
        let mut known = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |other: &Bytes| std::ptr::eq(other.as_ptr(), frame.as_ptr()) && other.len() == frame.len();
        if let Some((_, digest)) = known.iter().find(|(other, _)| same(other)) {
            return Arc::clone(digest);
        }
        let digest: Arc<str> = digest_of(frame).into();
        if known.len() >= FRAMES {
            known.remove(0);
        }
        known.push((frame.clone(), Arc::clone(&digest)));
        digest
    }
}

/// Creates an HTTP client. With `over_tls` it reads the root certificates of the machine.
pub(crate) fn client(over_tls: bool) -> Http {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT.min(limits::POST_TIMEOUT)));
    let https =
        HttpsConnectorBuilder::new().with_tls_config(tls(over_tls)).https_or_http().enable_http1().wrap_connector(http);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(RESTS_FOR)
        .pool_max_idle_per_host(limits::POSTS_IN_FLIGHT)
        .build(https)
}

/// Uses the machine's own root certificates, as the SDK does. Without TLS none are read, because
/// reading them takes a while.
fn tls(over_tls: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if over_tls {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_protocol_versions(rustls::ALL_VERSIONS);
    versions
        .unwrap_or_else(|_| unreachable!("ring speaks every version"))
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Returns the result by status: a 410 has an empty body, and a proxy in between may have removed
/// the error's name. The answer is read to its end, so that the connection can be used again.
async fn outcome(answer: Response<Incoming>) -> Delivery {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
    match status {
        StatusCode::OK => Delivery::Delivered,
        StatusCode::GONE => Delivery::Gone,
        StatusCode::TOO_MANY_REQUESTS => Delivery::Throttled,
        StatusCode::PAYLOAD_TOO_LARGE => Delivery::TooLarge,
        StatusCode::BAD_REQUEST if body.is_ok_and(|body| names_no_connection(&body.to_bytes())) => Delivery::Gone,
        status => {
            tracing::debug!(status = status.as_u16(), "post failed with an unexpected status; it counts as failed");
            Delivery::Failed
        }
    }
}

/// Reports whether the gateway cannot have assigned the id.
fn names_no_connection(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["message"].as_str().is_some_and(|message| message.starts_with(super::INVALID_ID))
}
