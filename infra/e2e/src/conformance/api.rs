//! Raw calls of the management API: signed or unsigned, with any method and path.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::Error;

/// The name of the service in signatures.
const SERVICE: &str = "execute-api";
/// A call that takes longer has no answer.
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// One management API, and the credentials for its calls.
pub struct Api {
    base: String,
    host: String,
    region: String,
    credentials: Credentials,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// An answer of the management API.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) error: Option<String>,
    pub(super) version: Version,
    pub(super) body: Bytes,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Api {
    /// Creates calls to the API at `url`, which ends in the stage. `lookup` reads the environment
    /// variables of AWS.
    ///
    /// # Errors
    /// [`Error::Target`] names the part of the URL or the variable that is missing.
    pub fn new(url: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let required = |name: &str| lookup(name).ok_or_else(|| Error::Target(format!("{name} is not set")));
        let uri: Uri = url.parse().map_err(|_| Error::Target(format!("{url:?} is no URL")))?;
        let host = uri.authority().ok_or_else(|| Error::Target(format!("{url:?} has no host")))?.to_string();
        let (key, secret) = (required("AWS_ACCESS_KEY_ID")?, required("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(key, secret, lookup("AWS_SESSION_TOKEN"), None, "environment");
        // An error means that the process has installed a provider already, which also works.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| Error::Target(format!("the certificates of this machine cannot be read: {error}")))?
            .https_or_http()
            .enable_all_versions()
            .build();
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self {
            base: url.trim_end_matches('/').to_owned(),
            host,
            region: required("AWS_REGION")?,
            credentials,
            http,
        })
    }

    /// Sends a signed call for a connection.
    pub(super) async fn call(&self, method: Method, connection: &str, body: Bytes) -> Result<Answer, Error> {
        let url = format!("{}/@connections/{}", self.base, connection.replace('=', "%3D"));
        self.send(method, &url, body, true).await
    }

    /// Sends a call without a signature.
    pub(super) async fn call_unsigned(&self, method: Method, connection: &str) -> Result<Answer, Error> {
        let url = format!("{}/@connections/{}", self.base, connection.replace('=', "%3D"));
        self.send(method, &url, Bytes::new(), false).await
    }

    /// Sends a signed call to another stage than that of the API.
    pub(super) async fn call_stage(&self, method: Method, stage: &str, connection: &str) -> Result<Answer, Error> {
        let root = self.base.rsplit_once('/').map_or(self.base.as_str(), |(root, _)| root);
        let url = format!("{root}/{stage}/@connections/{}", connection.replace('=', "%3D"));
        self.send(method, &url, Bytes::new(), true).await
    }

    async fn send(&self, method: Method, url: &str, body: Bytes, is_signed: bool) -> Result<Answer, Error> {
        let unfit = |error: &dyn std::fmt::Display| Error::Request(error.to_string());
        let mut request = Request::builder().method(&method).uri(url);
        if is_signed {
            for (name, value) in self.signature(method.as_str(), url, &body)? {
                request = request.header(name, value);
            }
        }
        let request = request.body(Full::new(body)).map_err(|error| unfit(&error))?;
        let answer = tokio::time::timeout(CALL_WITHIN, self.http.request(request)).await;
        let (head, body) = answer.map_err(|_| Error::Silence)??.into_parts();
        let body = body.collect().await?.to_bytes();
        let error = error_type(&head.headers);
        Ok(Answer { status: head.status, error, version: head.version, body })
    }

    fn signature(&self, method: &str, url: &str, body: &[u8]) -> Result<Vec<(String, String)>, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Request(error.to_string());
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?;
        let headers = [("host", self.host.as_str())].into_iter();
        let signable = SignableRequest::new(method, url, headers, SignableBody::Bytes(body));
        let signed = sign(signable.map_err(|error| failed(&error))?, &parameters.into());
        let (instructions, _) = signed.map_err(|error| failed(&error))?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// The name of an error, without the URL that some services append to it.
fn error_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-amzn-errortype")?.to_str().ok()?;
    Some(text.split(':').next().unwrap_or(text).to_owned())
}

impl Answer {
    /// The status and the error, such as `410 GoneException`.
    pub(super) fn summary(&self) -> String {
        let status = self.status.as_u16();
        self.error.as_ref().map_or_else(|| status.to_string(), |error| format!("{status} {error}"))
    }
}
