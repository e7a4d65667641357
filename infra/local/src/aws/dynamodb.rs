//! DynamoDB and DynamoDB Streams over HTTP.
//!
//! Calls on items and streams run inside this process. Other calls, and all refused calls, are
//! forwarded to dynoxide's own HTTP server, so that the error texts are dynoxide's own (it copies
//! them from AWS, call by call).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use dynoxide::{DynoxideError, actions};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answer::{self, Answer, JSON};
use super::capacity::{self, Units};
use super::conflicts::{Admission, Conflicts, with_unprocessed};
use super::database::{Database, Error};
use crate::place::REGION;

/// The prefix of dynoxide's ARNs with its own Region. The complete prefix is used, so that nothing
/// else can match.
const FOREIGN_ARN: &str = "arn:aws:dynamodb:dynoxide:";

/// Calls whose bodies contain items. A text in such a body that looks like an ARN is data.
const ITEM_CALLS: [&str; 14] = [
    "BatchExecuteStatement",
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "ExecuteStatement",
    "ExecuteTransaction",
    "GetItem",
    "GetRecords",
    "PutItem",
    "Query",
    "Scan",
    "TransactGetItems",
    "TransactWriteItems",
    "UpdateItem",
];

/// Serves the calls of DynamoDB and DynamoDB Streams.
pub(crate) struct Dynamo {
    database: Database,
    conflicts: Conflicts,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// The result of running a call inside the process.
enum Outcome {
    Answered(Vec<u8>, Units),
    /// A condition did not hold. Functions rely on this outcome; it is not a mistake of the caller.
    Unmet(DynoxideError),
    /// The call was refused, or does not run inside the process. The server must answer it.
    AskServer,
}

impl Dynamo {
    /// Serves the tables of a database. Each transaction holds its items for `transaction_hold`.
    pub(crate) fn new(database: Database, transaction_hold: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { database, conflicts: Conflicts::new(transaction_hold), client }
    }

    /// Starts dynoxide's server on a free port of the loopback interface, until the guard is
    /// dropped.
    ///
    /// The server answers every web page (`access-control-allow-origin: *`), so it runs only for
    /// one call at a time.
    async fn open_server(&self) -> std::io::Result<(SocketAddr, DropGuard)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let stopped = stop.clone().cancelled_owned();
        let serving = dynoxide::server::serve_with_shutdown(listener, self.database.shared(), stopped);
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "dynoxide's server ended: its current call fails");
            }
        });
        Ok((address, stop.drop_guard()))
    }

    /// Runs `operation`, such as `PutItem`, unless it conflicts with a transaction.
    pub(crate) async fn handle(&self, operation: &str, headers: &HeaderMap, body: Bytes) -> Answer {
        match self.conflicts.admit(&self.database, operation, &body).await {
            Admission::Whole(_held) => self.perform(operation, headers, body).await,
            Admission::Partly { body, unprocessed } => {
                with_unprocessed(self.perform(operation, headers, body).await, &unprocessed).await
            }
            Admission::Refused(answer) => answer,
        }
    }

    async fn perform(&self, operation: &str, headers: &HeaderMap, body: Bytes) -> Answer {
        let (name, request) = (operation.to_owned(), body.clone());
        match self.database.run(move |dynamo| run(dynamo, &name, &request)).await {
            Ok(Outcome::Answered(body, units)) => {
                let mut answer = answer::json(StatusCode::OK, body);
                answer.extensions_mut().insert(units);
                answer
            }
            Ok(Outcome::Unmet(error)) => answer::json(status(&error), error.to_json()),
            Ok(Outcome::AskServer) => self.ask_server(operation, headers, body).await,
            Err(error) => unavailable(&error),
        }
    }

    async fn ask_server(&self, operation: &str, headers: &HeaderMap, body: Bytes) -> Answer {
        let _entered = self.database.enter().await;
        let local_arn =
            if ITEM_CALLS.contains(&operation) { None } else { Some(format!("arn:aws:dynamodb:{REGION}:")) };
        match self.forward(headers, body, local_arn.as_deref()).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "cannot forward a call to dynoxide's server: it is answered with 500");
                answer::json(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    answer::error_body("InternalServerError", &error.to_string()),
                )
            }
        }
    }

    /// Forwards a call to dynoxide's server. With `local_arn`, ARNs are translated in both
    /// directions.
    async fn forward(
        &self,
        headers: &HeaderMap,
        body: Bytes,
        local_arn: Option<&str>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let body = local_arn.map_or(body.clone(), |local_arn| replaced(body, local_arn, FOREIGN_ARN));
        let (address, _open) = self.open_server().await?;
        let mut request = Request::post(format!("http://{address}/")).body(Full::new(body))?;
        for name in ["authorization", "content-type", "x-amz-date", "x-amz-target"] {
            if let Some(value) = headers.get(name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        let (parts, body) = self.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = local_arn.map_or(body.clone(), |local_arn| replaced(body, FOREIGN_ARN, local_arn));
        let mut answer = Response::new(Full::new(body));
        *answer.status_mut() = parts.status;
        let content_type = parts.headers.get("content-type").cloned();
        answer.headers_mut().insert("content-type", content_type.unwrap_or(JSON));
        Ok(answer)
    }
}

fn unavailable(error: &Error) -> Answer {
    tracing::error!(%error, "the database is not available: the call is answered with 500");
    answer::json(StatusCode::INTERNAL_SERVER_ERROR, answer::error_body("InternalServerError", &error.to_string()))
}

fn status(error: &DynoxideError) -> StatusCode {
    StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST)
}

fn replaced(body: Bytes, from: &str, to: &str) -> Bytes {
    match std::str::from_utf8(&body) {
        Ok(text) if text.contains(from) => text.replace(from, to).into(),
        _ => body,
    }
}

fn run(dynamo: &dynoxide::Database, operation: &str, body: &[u8]) -> Outcome {
    macro_rules! metered {
        ($method:ident, $request:ident) => {
            match serde_json::from_slice::<actions::$method::$request>(body) {
                Ok(mut request) => {
                    let is_asked_for = request.return_consumed_capacity.is_some();
                    request.return_consumed_capacity.get_or_insert_with(|| "TOTAL".to_owned());
                    let mut units = Units::default();
                    let result = dynamo.$method(request).map(|mut response| {
                        units = capacity::units(&response.consumed_capacity);
                        if !is_asked_for {
                            response.consumed_capacity = None;
                        }
                        response
                    });
                    finish(result, units)
                }
                Err(_) => Outcome::AskServer,
            }
        };
    }
    match operation {
        "GetItem" => metered!(get_item, GetItemRequest),
        "PutItem" => metered!(put_item, PutItemRequest),
        "UpdateItem" => metered!(update_item, UpdateItemRequest),
        "DeleteItem" => metered!(delete_item, DeleteItemRequest),
        "Query" => metered!(query, QueryRequest),
        "Scan" => metered!(scan, ScanRequest),
        "BatchGetItem" => metered!(batch_get_item, BatchGetItemRequest),
        "BatchWriteItem" => metered!(batch_write_item, BatchWriteItemRequest),
        "TransactGetItems" => metered!(transact_get_items, TransactGetItemsRequest),
        "TransactWriteItems" => metered!(transact_write_items, TransactWriteItemsRequest),
        "GetShardIterator" => match serde_json::from_slice(body) {
            Ok(request) => free(dynamo.get_shard_iterator(request)),
            Err(_) => Outcome::AskServer,
        },
        "GetRecords" => get_records(dynamo, body),
        "DescribeStream" => describe_stream(dynamo, body),
        _ => Outcome::AskServer,
    }
}

/// Converts the result of a call that consumes no capacity.
fn free<T: serde::Serialize>(result: dynoxide::Result<T>) -> Outcome {
    finish(result, Units::default())
}

fn finish<T: serde::Serialize>(result: dynoxide::Result<T>, units: Units) -> Outcome {
    match result {
        Ok(response) => serde_json::to_vec(&response).map_or(Outcome::AskServer, |body| Outcome::Answered(body, units)),
        Err(
            error @ (DynoxideError::ConditionalCheckFailedException(..)
            | DynoxideError::TransactionCanceledException(..)),
        ) => Outcome::Unmet(error),
        Err(_) => Outcome::AskServer,
    }
}

/// Reads stream records from dynoxide and corrects three details: the Region, records of writes
/// that changed nothing (DynamoDB writes no such record), and the spelling of the user identity in
/// the service model.
fn get_records(dynamo: &dynoxide::Database, body: &[u8]) -> Outcome {
    let Ok(request) = serde_json::from_slice(body) else { return Outcome::AskServer };
    let Ok(mut response) = dynamo.get_records(request) else { return Outcome::AskServer };
    response.records.retain(|record| !is_idle(record));
    let mut identified = false;
    for record in &mut response.records {
        REGION.clone_into(&mut record.aws_region);
        identified |= record.user_identity.is_some();
    }
    if !identified {
        return free(Ok(response));
    }
    let Ok(mut response) = serde_json::to_value(response) else { return Outcome::AskServer };
    for record in response["Records"].as_array_mut().into_iter().flatten() {
        if let Some(identity) = record.get_mut("userIdentity") {
            *identity = serde_json::json!({ "PrincipalId": identity["principalId"], "Type": identity["type"] });
        }
    }
    free(Ok(response))
}

/// Returns whether a write left its item unchanged. Only a stream with both images shows that.
fn is_idle(record: &dynoxide::actions::get_records::Record) -> bool {
    let (new, old) = (&record.dynamodb.new_image, &record.dynamodb.old_image);
    record.event_name == "MODIFY" && new.is_some() && new == old
}

/// Describes a stream. An open shard has no ending sequence number, but dynoxide returns its newest
/// record there.
fn describe_stream(dynamo: &dynoxide::Database, body: &[u8]) -> Outcome {
    let Ok(request) = serde_json::from_slice(body) else { return Outcome::AskServer };
    let Ok(mut response) = dynamo.describe_stream(request) else { return Outcome::AskServer };
    for shard in &mut response.stream_description.shards {
        shard.sequence_number_range.ending_sequence_number = None;
    }
    free(Ok(response))
}
