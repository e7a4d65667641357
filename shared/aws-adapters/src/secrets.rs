//! Secrets Manager, by one call that is signed here: its SDK would add some hundred operations for
//! it.
//!
//! Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use domain::ports::{Error, Result, Secrets};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;

use crate::account::Account;
use crate::gateway::Http;

const OPERATION: &str = "Secrets Manager GetSecretValue";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const TARGET: &str = "secretsmanager.GetSecretValue";
/// The time limit of one read. At start nothing else waits for it; later a handshake does.
pub const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// Tries of one read, because a failed read at start fails the start.
const TRIES: u32 = 3;
/// Bytes of an answer that are read: a secret has at most 64 KiB, and JSON may take six characters
/// for a byte.
const ANSWER_BYTES: usize = 6 * 64 * 1024 + 4 * 1024;

/// The secrets of an account. Values are neither kept nor logged.
#[derive(Debug, Clone)]
pub struct SecretStore {
    http: Http,
    url: String,
    host: String,
    region: String,
    credentials: Credentials,
}

/// The reason why a read returned no value.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("no answer within {} s", READ_TIMEOUT.as_secs())]
    TimedOut,
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
    #[error("the secret holds no text")]
    NoText,
}

impl Problem {
    fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut | Self::Unanswered(_) | Self::Body(_) => true,
            Self::Refused { status, code } => status.is_server_error() || is_throttled(code),
            Self::Http(_) | Self::Signing(_) | Self::NoText => false,
        }
    }
}

fn is_throttled(code: &str) -> bool {
    code.contains("Throttling") || code.contains("TooManyRequests")
}

impl SecretStore {
    /// Uses the store of the account's Region, or of its endpoint where one is set.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        let region = account.region();
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = account.endpoint().unwrap_or_else(|| format!("https://secretsmanager.{region}.{suffix}"));
        let url = url.trim_end_matches('/').to_owned();
        let host = url.split_once("://").map_or("", |(_, host)| host).to_owned();
        let http = crate::gateway::client(url.starts_with("https:"));
        Self { http, url, host, region, credentials: account.credentials() }
    }

    async fn read_once(&self, name: &str) -> std::result::Result<String, Problem> {
        let request = self.request(name, SystemTime::now())?;
        let answer = self.http.request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await.map_err(Problem::Body)?;
        let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        if status != StatusCode::OK {
            let code = body["__type"].as_str().unwrap_or("no error code").to_owned();
            return Err(Problem::Refused { status, code });
        }
        body["SecretString"].as_str().map(str::to_owned).ok_or(Problem::NoText)
    }

    fn request(&self, name: &str, now: SystemTime) -> std::result::Result<Request<Full<Bytes>>, Problem> {
        let body = serde_json::json!({ "SecretId": name }).to_string();
        let url = format!("{}/", self.url);
        let headers = [("content-type", CONTENT_TYPE), ("host", &self.host), ("x-amz-target", TARGET)];
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("secretsmanager")
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

impl Secrets for SecretStore {
    async fn read(&self, name: &str) -> Result<String> {
        let mut tries = 1;
        loop {
            let read = tokio::time::timeout(READ_TIMEOUT, self.read_once(name)).await;
            let problem = match read.unwrap_or(Err(Problem::TimedOut)) {
                Ok(value) => return Ok(value),
                Err(problem) => problem,
            };
            if !problem.is_transient() {
                return Err(Error::Refused { operation: OPERATION, source: problem.into() });
            }
            if tries == TRIES {
                return Err(match problem {
                    Problem::Refused { code, .. } if is_throttled(&code) => Error::Throttled { operation: OPERATION },
                    other => Error::Unavailable { operation: OPERATION, source: other.into() },
                });
            }
            tries += 1;
        }
    }
}
