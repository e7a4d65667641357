//! The common recipe for WebSocket chat, in Rust. Roomcast is measured against it.
//!
//! One function serves `$connect`, `$disconnect` and `sendMessage`. It keeps one item for each
//! connection in a table. For each message it scans the table, keeps the connections of the room,
//! and posts to them one after the other; `sendMessageAtOnce` posts to all of them at the same
//! time. Two mistakes of the AWS sample are corrected here: the scan is paged, and a 410 deletes
//! the receiver's item and not the sender's. The properties of its design stay: each message reads
//! every connection, a sender waits for the slowest receiver, and a missed post is never repeated.
//!
//! Source: <https://github.com/aws-samples/simple-websockets-chat-app>,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-chat-app.html>

mod clients;

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::encodings::Body;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::error::display::DisplayErrorContext;
use futures::future::join_all;
use serde_json::Value;

/// The key of the only table.
const CONNECTION_ID: &str = "connectionId";
/// The attribute with the connection's room, from `?room=`.
const ROOM: &str = "room";
/// The room of connections without `?room=`.
const LOBBY: &str = "lobby";

/// The function, with the clients of its table and of the gateway.
#[derive(Debug, Clone)]
pub struct Recipe {
    dynamodb: aws_sdk_dynamodb::Client,
    gateway: aws_sdk_apigatewaymanagement::Client,
    table: String,
}

/// The order of the posts to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Posting {
    OneAfterTheOther,
    AtOnce,
}

/// The reason why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A variable of the environment is missing.
    #[error("the environment variable {0} is missing")]
    NotConfigured(&'static str),
    /// The event lacks the connection id or the body.
    #[error("the event has no {0}")]
    Malformed(&'static str),
    /// The message is not `{"action":"sendMessage","message":…}`.
    #[error("the message is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// DynamoDB or the gateway refused a call.
    #[error("{0}")]
    Aws(String),
}

impl Recipe {
    /// Reads `TABLE_NAME`, `MANAGEMENT_ENDPOINT` and the variables that Lambda sets.
    ///
    /// # Errors
    /// [`Error::NotConfigured`] names the missing variable.
    pub fn from_environment() -> Result<Self, Error> {
        let table = variable("TABLE_NAME")?;
        let (dynamodb, gateway) = clients::from_environment()?;
        Ok(Self { dynamodb, gateway, table })
    }

    /// Handles one event. Returns 200, or 500 with the reason, as the AWS sample does.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> ApiGatewayProxyResponse {
        let result = match event.request_context.route_key.as_deref() {
            Some("$connect") => self.connect(&event).await,
            Some("$disconnect") => self.disconnect(&event).await,
            Some("sendMessageAtOnce") => self.send_message(&event, Posting::AtOnce).await,
            _ => self.send_message(&event, Posting::OneAfterTheOther).await,
        };
        match result {
            Ok(said) => response(200, said.to_owned()),
            Err(error) => {
                eprintln!("{error}");
                response(500, error.to_string())
            }
        }
    }

    async fn connect(&self, event: &ApiGatewayWebsocketProxyRequest) -> Result<&'static str, Error> {
        let connection = AttributeValue::S(connection_id(event)?.to_owned());
        let room = event.query_string_parameters.first(ROOM).unwrap_or(LOBBY);
        let request = self.dynamodb.put_item().table_name(&self.table).item(CONNECTION_ID, connection);
        let request = request.item(ROOM, AttributeValue::S(room.to_owned()));
        request.send().await.map_err(aws)?;
        Ok("Connected.")
    }

    async fn disconnect(&self, event: &ApiGatewayWebsocketProxyRequest) -> Result<&'static str, Error> {
        self.forget(connection_id(event)?).await?;
        Ok("Disconnected.")
    }

    async fn send_message(
        &self,
        event: &ApiGatewayWebsocketProxyRequest,
        posting: Posting,
    ) -> Result<&'static str, Error> {
        let body: Value = serde_json::from_str(event.body.as_deref().ok_or(Error::Malformed("body"))?)?;
        let frame = serde_json::json!({ "message": body["message"], "sender": connection_id(event)? }).to_string();
        let connections = self.connections(body["room"].as_str().unwrap_or(LOBBY)).await?;
        let posts = connections.iter().map(|connection| self.post(connection, &frame));
        match posting {
            Posting::AtOnce => join_all(posts).await.into_iter().collect::<Result<(), Error>>()?,
            Posting::OneAfterTheOther => {
                for post in posts {
                    post.await?;
                }
            }
        }
        Ok("Data sent.")
    }

    /// Reads the whole table, and returns the connections of a room.
    async fn connections(&self, room: &str) -> Result<Vec<String>, Error> {
        let scan = self.dynamodb.scan().table_name(&self.table).projection_expression(CONNECTION_ID);
        let scan = scan.filter_expression("#room = :room").expression_attribute_names("#room", ROOM);
        let scan = scan.expression_attribute_values(":room", AttributeValue::S(room.to_owned()));
        let mut items = scan.into_paginator().items().send();
        let mut connections = Vec::new();
        while let Some(item) = items.next().await {
            if let Some(AttributeValue::S(connection)) = item.map_err(aws)?.remove(CONNECTION_ID) {
                connections.push(connection);
            }
        }
        Ok(connections)
    }

    async fn post(&self, connection: &str, frame: &str) -> Result<(), Error> {
        let request = self.gateway.post_to_connection().connection_id(connection).data(Blob::new(frame));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_gone_exception()) => {
                self.forget(connection).await
            }
            Err(error) => Err(aws(error)),
        }
    }

    async fn forget(&self, connection: &str) -> Result<(), Error> {
        let key = AttributeValue::S(connection.to_owned());
        self.dynamodb.delete_item().table_name(&self.table).key(CONNECTION_ID, key).send().await.map_err(aws)?;
        Ok(())
    }
}

fn connection_id(event: &ApiGatewayWebsocketProxyRequest) -> Result<&str, Error> {
    event.request_context.connection_id.as_deref().ok_or(Error::Malformed("connection id"))
}

fn response(status_code: i64, body: String) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status_code;
    response.body = Some(Body::Text(body));
    response
}

fn aws(error: impl std::error::Error) -> Error {
    Error::Aws(DisplayErrorContext(error).to_string())
}

fn variable(name: &'static str) -> Result<String, Error> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(Error::NotConfigured(name))
}
