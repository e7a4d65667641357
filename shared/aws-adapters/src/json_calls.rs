//! Calls of services that take JSON at one address. They are signed here, where an SDK would add
//! some hundred operations for one of them.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use domain::ports::{Error, Result};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;

use crate::account::Account;
use crate::gateway::Http;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// One service of an account.
#[derive(Debug, Clone)]
pub(crate) struct JsonService {
    /// The name that is signed, such as `secretsmanager`.
    name: &'static str,
    http: Http,
    url: String,
    host: String,
    region: String,
    credentials: Credentials,
}

/// An operation of a service, and the limits of its calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    /// The operation in errors, such as `Secrets Manager GetSecretValue`.
    pub(crate) name: &'static str,
    /// The header `x-amz-target`.
    pub(crate) target: &'static str,
    /// The time limit of one try.
    pub(crate) timeout: Duration,
    /// Tries of one call.
    pub(crate) tries: u32,
    /// The pause before the second try. It doubles with each further try.
    pub(crate) pause: Duration,
    /// Bytes of an answer that are read.
    pub(crate) answer_bytes: usize,
}

/// The reason why a call returned nothing.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("{0}")]
    Http(#[from] http::Error),
    #[error(transparent)]
    Unanswered(#[from] hyper_util::client::legacy::Error),
    #[error("the request cannot be signed: {0}")]
    Signing(Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer cannot be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("status {status}: {code}")]
    Refused { status: StatusCode, code: String },
}

impl Problem {
    fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Unanswered(_) | Self::Body(_) => true,
            Self::Refused { status, code } => status.is_server_error() || is_throttled(code),
            Self::Http(_) | Self::Signing(_) => false,
        }
    }
}

fn is_throttled(code: &str) -> bool {
    code.contains("Throttling") || code.contains("TooManyRequests")
}

impl JsonService {
    /// Uses the service of the account's Region, or of its endpoint where one is set.
    pub(crate) fn new(account: &Account, name: &'static str) -> Self {
        let region = account.region();
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = account.endpoint().unwrap_or_else(|| format!("https://{name}.{region}.{suffix}"));
        let url = url.trim_end_matches('/').to_owned();
        let host = url.split_once("://").map_or("", |(_, host)| host).to_owned();
        let http = crate::gateway::client(url.starts_with("https:"));
        Self { name, http, url, host, region, credentials: account.credentials() }
    }

    /// Calls an operation, again after a failure that may pass.
    pub(crate) async fn call(&self, operation: &Operation, body: &Value) -> Result<Value> {
        let (name, mut tries, mut pause) = (operation.name, 1, operation.pause);
        loop {
            let called = tokio::time::timeout(operation.timeout, self.call_once(operation, body)).await;
            let problem = match called.unwrap_or(Err(Problem::TimedOut(operation.timeout))) {
                Ok(value) => return Ok(value),
                Err(problem) => problem,
            };
            if !problem.is_transient() {
                return Err(Error::Refused { operation: name, source: problem.into() });
            }
            if tries == operation.tries {
                return Err(match problem {
                    Problem::Refused { code, .. } if is_throttled(&code) => Error::Throttled { operation: name },
                    other => Error::Unavailable { operation: name, source: other.into() },
                });
            }
            tries += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn call_once(&self, operation: &Operation, body: &Value) -> std::result::Result<Value, Problem> {
        let request = self.request(operation.target, body.to_string(), SystemTime::now())?;
        let answer = self.http.request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), operation.answer_bytes).collect().await.map_err(Problem::Body)?;
        let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        if status != StatusCode::OK {
            let code = body["__type"].as_str().unwrap_or("no error code").to_owned();
            return Err(Problem::Refused { status, code });
        }
        Ok(body)
    }

    fn request(
        &self,
        target: &str,
        body: String,
        now: SystemTime,
    ) -> std::result::Result<Request<Full<Bytes>>, Problem> {
        let url = format!("{}/", self.url);
        let headers = [("content-type", CONTENT_TYPE), ("host", &self.host), ("x-amz-target", target)];
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.name)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| Problem::Signing(error.into()))?;
        let signable =
            SignableRequest::new("POST", url.as_str(), headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|error| Problem::Signing(error.into()))?;
        let (instructions, _) =
            sign(signable, &params.into()).map_err(|error| Problem::Signing(error.into()))?.into_parts();
        let mut request = Request::post(&url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(Full::new(Bytes::from(body)))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
