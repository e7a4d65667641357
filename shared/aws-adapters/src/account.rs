//! The settings that all clients of AWS services share: region, credentials, endpoint, connections,
//! time limits.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// The longest wait for a connection to open. A connection that takes longer does not open at all.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);
/// Tries of one call, where the SDK retries at all.
const TRIES: u32 = 2;

/// An AWS account as a function has it: from Lambda's environment, without any request.
///
/// Credentials are read once: Lambda's environment variables are valid as long as the process.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
#[derive(Debug, Clone)]
pub struct Account {
    region: String,
    credentials: Credentials,
    endpoint: Option<String>,
    http: SharedHttpClient,
}

/// A missing environment variable, without which there is no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {0} is missing: Lambda sets it, and so does the local runner")]
pub struct Incomplete(&'static str);

impl Account {
    /// Reads the environment that Lambda sets. `AWS_ENDPOINT_URL` gives every service another
    /// endpoint.
    ///
    /// # Errors
    /// [`Incomplete`] when region or credentials are missing.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Incomplete> {
        let required = |name: &'static str| lookup(name).filter(|value| !value.is_empty()).ok_or(Incomplete(name));
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            lookup("AWS_SESSION_TOKEN").filter(|token| !token.is_empty()),
            None,
            "environment",
        );
        let endpoint = lookup("AWS_ENDPOINT_URL").filter(|url| !url.is_empty());
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let http = Builder::new().tls_provider(provider).build_https();
        Ok(Self { region: required("AWS_REGION")?, credentials, endpoint, http })
    }

    pub(crate) fn region(&self) -> String {
        self.region.clone()
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    pub(crate) fn endpoint(&self) -> Option<String> {
        self.endpoint.clone()
    }

    pub(crate) fn http(&self) -> SharedHttpClient {
        self.http.clone()
    }
}

/// Returns the time limits of a call that ends after `whole`, retries included.
pub(crate) fn time_limits(whole: Duration, attempt: Duration) -> TimeoutConfig {
    let limits = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT.min(attempt));
    limits.operation_attempt_timeout(attempt).operation_timeout(whole).build()
}

/// Returns the policy with one retry of the SDK, soon. It is for calls that no retry of ours
/// surrounds within the same invocation.
pub(crate) fn one_retry() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(TRIES).with_initial_backoff(Duration::from_millis(50))
}

/// Builds the configuration of one service's client.
macro_rules! service_config {
    ($sdk:ident, $account:expr, $endpoint:expr, $timeouts:expr, $retries:expr) => {{
        let mut config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region($sdk::config::Region::new($account.region()))
            .credentials_provider($account.credentials())
            .http_client($account.http())
            .timeout_config($timeouts)
            .retry_config($retries);
        config.set_endpoint_url($endpoint);
        config.build()
    }};
}
pub(crate) use service_config;
