//! The two AWS clients, configured from the environment of the Lambda function.

use aws_credential_types::Credentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::timeout::TimeoutConfig;

use crate::{Error, variable};

/// Timeout of one attempt. Without it, a post that hangs would keep the sender waiting until the
/// function is killed.
const ATTEMPT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Makes the clients of DynamoDB and of the gateway's management API.
pub(crate) fn from_environment() -> Result<(aws_sdk_dynamodb::Client, aws_sdk_apigatewaymanagement::Client), Error> {
    let region = variable("AWS_REGION")?;
    let credentials = Credentials::new(
        variable("AWS_ACCESS_KEY_ID")?,
        variable("AWS_SECRET_ACCESS_KEY")?,
        variable("AWS_SESSION_TOKEN").ok(),
        None,
        "environment",
    );
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::new(region.clone()))
        .credentials_provider(credentials.clone())
        .timeout_config(timeouts.clone())
        .http_client(http.clone());
    dynamodb.set_endpoint_url(variable("AWS_ENDPOINT_URL").ok());
    let gateway = aws_sdk_apigatewaymanagement::Config::builder()
        .behavior_version(aws_sdk_apigatewaymanagement::config::BehaviorVersion::latest())
        .region(aws_sdk_apigatewaymanagement::config::Region::new(region))
        .credentials_provider(credentials)
        .endpoint_url(variable("MANAGEMENT_ENDPOINT")?)
        .timeout_config(timeouts)
        .http_client(http)
        .build();
    Ok((
        aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
        aws_sdk_apigatewaymanagement::Client::from_conf(gateway),
    ))
}
