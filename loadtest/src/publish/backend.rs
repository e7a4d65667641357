//! Publishing as a backend does: events through SNS, and rows of the outbox. Only this module, in
//! the load test, uses the AWS SDK.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::Error;
use super::lane::{self, Lane};
use crate::run::world::{Stage, World, add};
use crate::scenario::Door;
use crate::wire::pid::Pid;
use crate::wire::request;

/// Life of an outbox row. It is not needed after its publication.
const ROW_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Tries for a publication that AWS refuses.
const TRIES: u32 = 4;
/// Pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// An open door of a backend.
#[derive(Debug, Clone)]
pub enum Backend {
    /// The door of SNS events.
    Events {
        /// The client of SNS.
        sns: aws_sdk_sns::Client,
        /// The ARN of the topic.
        topic: String,
    },
    /// The door of outbox rows.
    Outbox {
        /// The client of DynamoDB.
        dynamodb: aws_sdk_dynamodb::Client,
        /// The name of the rooms table.
        table: String,
    },
}

impl Backend {
    /// Opens a door. Returns `None` for the door of clients, which publish on connections.
    pub(super) fn open(door: Door) -> Result<Option<Self>, Error> {
        match door {
            Door::Client => Ok(None),
            Door::Events => {
                let mut config = aws_sdk_sns::Config::builder()
                    .behavior_version(aws_sdk_sns::config::BehaviorVersion::latest())
                    .region(aws_sdk_sns::config::Region::new(variable("AWS_REGION")?))
                    .credentials_provider(credentials()?)
                    .http_client(http());
                config.set_endpoint_url(std::env::var("AWS_ENDPOINT_URL").ok());
                let sns = aws_sdk_sns::Client::from_conf(config.build());
                Ok(Some(Self::Events { sns, topic: variable("ROOMCAST_EVENTS_TOPIC_ARN")? }))
            }
            Door::Outbox => {
                let mut config = aws_sdk_dynamodb::Config::builder()
                    .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
                    .region(aws_sdk_dynamodb::config::Region::new(variable("AWS_REGION")?))
                    .credentials_provider(credentials()?)
                    .http_client(http());
                config.set_endpoint_url(std::env::var("AWS_ENDPOINT_URL").ok());
                let dynamodb = aws_sdk_dynamodb::Client::from_conf(config.build());
                Ok(Some(Self::Outbox { dynamodb, table: variable("ROOMCAST_OUTBOX_TABLE")? }))
            }
        }
    }

    async fn publish(&self, room: &str, id: &str, number: usize, bytes: usize) -> Result<(), Error> {
        let data = request::data(number, bytes);
        match self {
            Self::Events { sns, topic } => {
                let body = json!({ "room": room, "id": id, "data": data }).to_string();
                let sent = sns.publish().topic_arn(topic).message(body).send().await;
                sent.map(drop).map_err(|error| aws("SNS Publish", error.into_source()))
            }
            Self::Outbox { dynamodb, table } => {
                let text = |value: &str| AttributeValue::S(value.to_owned());
                let mut fields = vec![("n".to_owned(), AttributeValue::N(number.to_string()))];
                fields.extend(data["pad"].as_str().map(|pad| ("pad".to_owned(), text(pad))));
                let put = dynamodb
                    .put_item()
                    .table_name(table)
                    .item("id", text(id))
                    .item("room", text(room))
                    .item("data", AttributeValue::M(fields.into_iter().collect()))
                    .item("ttl", AttributeValue::N((since_1970() + ROW_LIFE).as_secs().to_string()));
                put.send().await.map(drop).map_err(|error| aws("DynamoDB PutItem", error.into_source()))
            }
        }
    }
}

/// Publishes a lane's part of the schedule. Each call runs in a task of its own, so that a slow
/// call delays no other.
pub(super) async fn publish(world: Arc<World>, lane: Lane, backend: Backend) {
    let Some(begin) = lane::phases(&world).await else { return };
    let mut calls = JoinSet::new();
    let room: Arc<str> = world.room(lane.room).name().into();
    for due in lane.schedule(&world) {
        tokio::select! {
            () = sleep_until(world.clock.instant(begin + due.at)) => {}
            () = world.stop.cancelled() => break,
        }
        let number = lane.enter(&world, begin + due.at, due.measured);
        let (world, room, backend) = (Arc::clone(&world), Arc::clone(&room), backend.clone());
        calls.spawn(async move { call(&world, lane, &backend, &room, number).await });
        while calls.try_join_next().is_some() {}
    }
    let mut stage = world.stage();
    tokio::select! {
        () = async { while calls.join_next().await.is_some() {} } => {}
        _ = stage.wait_for(|stage| *stage == Stage::Over) => {}
    }
}

async fn call(world: &World, lane: Lane, backend: &Backend, room: &str, number: usize) {
    let id = world.pids.write(Pid { room: lane.room, number });
    for _ in 0..TRIES {
        add(&world.counts.requests, 1);
        match backend.publish(room, &id, number, lane.payload_bytes).await {
            Ok(()) => return lane.accept(world, number),
            Err(error) => world.complain(&error),
        }
        sleep(PAUSE).await;
    }
}

/// The time since 1970.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

type Source = Box<dyn std::error::Error + Send + Sync>;

fn aws<E>(request: &'static str, source: Result<Source, E>) -> Error {
    let message = source.map_or_else(|_| "no answer".to_owned(), |source| source.to_string());
    Error::Refused { request, message }
}

pub(crate) fn variable(name: &'static str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| Error::Variable(name))
}

pub(crate) fn credentials() -> Result<Credentials, Error> {
    let (key, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    Ok(Credentials::new(key, secret, std::env::var("AWS_SESSION_TOKEN").ok(), None, "environment"))
}

pub(crate) fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
