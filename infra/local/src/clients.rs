//! Clients of DynamoDB, SQS and SNS for one endpoint.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::place::REGION;

/// Timeout of connecting. Loopback answers at once; another machine needs time for a slow
/// handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// One client per service, all with the same keys.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Client of DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Client of DynamoDB Streams.
    pub streams: aws_sdk_dynamodbstreams::Client,
    /// Client of SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// Client of SNS.
    pub sns: aws_sdk_sns::Client,
}

impl Clients {
    /// Creates clients of the endpoint at `url`.
    #[must_use]
    pub fn new(url: &str, credentials: &Credentials) -> Self {
        let http = http_client(url);
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build();
        macro_rules! client {
            ($sdk:ident) => {
                $sdk::Client::from_conf(
                    $sdk::Config::builder()
                        .behavior_version($sdk::config::BehaviorVersion::latest())
                        .region($sdk::config::Region::new(REGION))
                        .credentials_provider(credentials.clone())
                        .endpoint_url(url)
                        .http_client(http.clone())
                        .timeout_config(timeouts.clone())
                        .build(),
                )
            };
        }
        Self {
            dynamodb: client!(aws_sdk_dynamodb),
            streams: client!(aws_sdk_dynamodbstreams),
            sqs: client!(aws_sdk_sqs),
            sns: client!(aws_sdk_sns),
        }
    }
}

impl Clients {
    /// Returns the same clients with other keys. They share the connections.
    #[must_use]
    pub fn with_credentials(&self, credentials: &Credentials) -> Self {
        macro_rules! client {
            ($sdk:ident, $client:expr) => {
                $sdk::Client::from_conf($client.config().to_builder().credentials_provider(credentials.clone()).build())
            };
        }
        Self {
            dynamodb: client!(aws_sdk_dynamodb, self.dynamodb),
            streams: client!(aws_sdk_dynamodbstreams, self.streams),
            sqs: client!(aws_sdk_sqs, self.sqs),
            sns: client!(aws_sdk_sns, self.sns),
        }
    }
}

/// Returns the developer's keys: those of the environment, or fixed ones if none are set.
#[must_use]
pub fn developer_credentials() -> Credentials {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (key, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
    match (key, secret) {
        (Some(key), Some(secret)) => Credentials::new(key, secret, variable("AWS_SESSION_TOKEN"), None, "environment"),
        _ => Credentials::new("local", "local", None, None, "local"),
    }
}

/// Creates an HTTP client. It reads root certificates only for HTTPS.
fn http_client(url: &str) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    if url.starts_with("https://") {
        builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
    } else {
        builder.build_http()
    }
}
