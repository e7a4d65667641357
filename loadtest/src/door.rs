//! The ways in: a client's connection, an event through SNS, a row of the outbox. The AWS SDK is named here and nowhere
//! else in the load test.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use serde_json::json;

use crate::member::{Error, Publisher};

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A connection, as members have.
    Client,
    /// The `events` topic. Needs `ROOMCAST_EVENTS_TOPIC_ARN` and the variables of every AWS SDK.
    Events,
    /// A row of the outbox. Needs `ROOMCAST_ROOMS_TABLE` and the variables of every AWS SDK.
    Outbox,
}

/// Not a way in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no door {0:?}; there are client, events and outbox")]
pub struct NoDoor(String);

impl FromStr for Door {
    type Err = NoDoor;

    fn from_str(name: &str) -> Result<Self, NoDoor> {
        match name {
            "client" => Ok(Self::Client),
            "events" => Ok(Self::Events),
            "outbox" => Ok(Self::Outbox),
            other => Err(NoDoor(other.to_owned())),
        }
    }
}

/// A door that stands open.
#[derive(Debug)]
pub(crate) enum Open {
    Client(Box<Publisher>),
    Events { sns: aws_sdk_sns::Client, topic: String },
    Outbox { dynamodb: aws_sdk_dynamodb::Client, table: String },
}

/// An outbox row is not needed any more once it is published.
const ROW_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

impl Open {
    pub(crate) async fn new(door: Door, url: &str, room: &str) -> Result<Self, Error> {
        match door {
            Door::Client => Ok(Self::Client(Box::new(Publisher::connect(url, room).await?))),
            Door::Events => {
                let mut config = aws_sdk_sns::Config::builder()
                    .behavior_version(aws_sdk_sns::config::BehaviorVersion::latest())
                    .region(aws_sdk_sns::config::Region::new(variable("AWS_REGION")?))
                    .credentials_provider(credentials()?)
                    .http_client(http());
                config.set_endpoint_url(std::env::var("AWS_ENDPOINT_URL").ok());
                let sns = aws_sdk_sns::Client::from_conf(config.build());
                Ok(Self::Events { sns, topic: variable("ROOMCAST_EVENTS_TOPIC_ARN")? })
            }
            Door::Outbox => {
                let mut config = aws_sdk_dynamodb::Config::builder()
                    .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
                    .region(aws_sdk_dynamodb::config::Region::new(variable("AWS_REGION")?))
                    .credentials_provider(credentials()?)
                    .http_client(http());
                config.set_endpoint_url(std::env::var("AWS_ENDPOINT_URL").ok());
                let dynamodb = aws_sdk_dynamodb::Client::from_conf(config.build());
                Ok(Self::Outbox { dynamodb, table: variable("ROOMCAST_ROOMS_TABLE")? })
            }
        }
    }

    /// Publishes, and comes back when the publication is accepted, or at least stored by AWS.
    pub(crate) async fn publish(&mut self, room: &str, id: &str, number: usize) -> Result<(), Error> {
        match self {
            Self::Client(publisher) => publisher.publish(id, number).await,
            Self::Events { sns, topic } => {
                let body = json!({ "room": room, "id": id, "data": { "n": number } }).to_string();
                let sent = sns.publish().topic_arn(&*topic).message(body).send().await;
                sent.map(drop).map_err(|error| aws("SNS Publish", error.into_source()))
            }
            Self::Outbox { dynamodb, table } => {
                let text = |value: &str| AttributeValue::S(value.to_owned());
                let data = [("n".to_owned(), AttributeValue::N(number.to_string()))].into();
                let put = dynamodb
                    .put_item()
                    .table_name(&*table)
                    .item("pk", text(&format!("OUTBOX#{id}")))
                    .item("sk", text("OUTBOX"))
                    .item("room", text(room))
                    .item("data", AttributeValue::M(data))
                    .item("ttl", AttributeValue::N((now() + ROW_LIFE).as_secs().to_string()));
                put.send().await.map(drop).map_err(|error| aws("DynamoDB PutItem", error.into_source()))
            }
        }
    }
}

/// Since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

type Source = Box<dyn std::error::Error + Send + Sync>;

fn aws<E>(request: &'static str, source: Result<Source, E>) -> Error {
    let message = source.map_or_else(|_| "no answer".to_owned(), |source| source.to_string());
    Error::Refused { request, message }
}

fn variable(name: &'static str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| Error::Variable(name))
}

fn credentials() -> Result<Credentials, Error> {
    let (key, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    Ok(Credentials::new(key, secret, std::env::var("AWS_SESSION_TOKEN").ok(), None, "environment"))
}

fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
