//! Starts real endpoints: queues and DynamoDB in memory, over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use aws_smithy_types::retry::RetryConfig;
use bytes::Bytes;
use dynoxide::Database;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use local_event_sources::{Clients, Config, EventSources, MemoryCheckpoints, Pace, Settings};
use local_queues::Service;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::script::Script;

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCOUNT: &str = "123456789012";

/// Numbers of calls that fail.
#[derive(Default)]
pub(crate) struct Faults {
    /// Number of receive calls that fail.
    pub(crate) unreceived: AtomicUsize,
    /// Number of delete calls whose first entry fails.
    pub(crate) undeleted: AtomicUsize,
}

/// Clients of both endpoints.
pub(crate) struct Stack {
    pub(crate) faults: Arc<Faults>,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) database: Database,
    pub(crate) clients: Clients,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::with(Database::memory().unwrap()).await
    }

    pub(crate) async fn with(database: Database) -> Self {
        let faults = Arc::new(Faults::default());
        let (queues, tables) = (serve_queues(Arc::clone(&faults)).await, serve_tables(database.clone()).await);
        let credentials = Credentials::new("AKID", "SECRET", None, None, "test");
        let http = Builder::new().build_http();
        macro_rules! client {
            ($sdk:ident, $url:expr) => {
                $sdk::Client::from_conf(
                    $sdk::Config::builder()
                        .behavior_version($sdk::config::BehaviorVersion::latest())
                        .http_client(http.clone())
                        .endpoint_url($url)
                        .region($sdk::config::Region::new(REGION))
                        .credentials_provider(credentials.clone())
                        .retry_config(RetryConfig::disabled())
                        .build(),
                )
            };
        }
        let sqs = client!(aws_sdk_sqs, &queues);
        let streams = client!(aws_sdk_dynamodbstreams, &tables);
        let dynamodb = client!(aws_sdk_dynamodb, &tables);
        Self { clients: Clients { sqs: sqs.clone(), streams }, sqs, dynamodb, database, faults }
    }

    /// Starts the mappings of `config` in front of `script`.
    pub(crate) fn run(&self, config: &Config, script: &Arc<Script>) -> EventSources {
        EventSources::start(config, script, |_| self.clients.clone()).unwrap()
    }
}

/// Returns a configuration without mappings and without pauses.
pub(crate) fn config() -> Config {
    Config {
        settings: Settings {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            checkpoints: Arc::new(MemoryCheckpoints::default()),
            pace: Pace { queue_wait: std::time::Duration::from_secs(1), ..Pace::fast() },
            faults: local_event_sources::Faults::default(),
        },
        queues: vec![],
        streams: vec![],
        schedules: vec![],
    }
}

async fn serve_tables(database: Database) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
    url
}

async fn serve_queues(faults: Arc<Faults>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let config =
        local_queues::Config { account_id: ACCOUNT.to_owned(), region: REGION.to_owned(), base_url: base_url.clone() };
    let service = Service::new(config);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (service, faults) = (service.clone(), Arc::clone(&faults));
            let handler = service_fn(move |request| {
                let (service, faults) = (service.clone(), Arc::clone(&faults));
                async move { Ok::<_, Infallible>(answer(&service, &faults, request).await.map(Full::new)) }
            });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move { drop(server.serve_connection(TokioIo::new(stream), handler).await) });
        }
    });
    base_url
}

async fn answer(service: &Service, faults: &Faults, request: Request<Incoming>) -> Response<Bytes> {
    let target = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    match target.strip_prefix("AmazonSQS.").unwrap() {
        "ReceiveMessage" if is_due(&faults.unreceived) => {
            let mut response = Response::new(Bytes::from_static(br#"{"__type":"InternalError"}"#));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
        "DeleteMessageBatch" if is_due(&faults.undeleted) => delete_all_but_the_first(service, &body).await,
        action => service.handle_sqs(action, body).await,
    }
}

fn is_due(fault: &AtomicUsize) -> bool {
    fault.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

async fn delete_all_but_the_first(service: &Service, body: &Bytes) -> Response<Bytes> {
    let mut call: Value = serde_json::from_slice(body).unwrap();
    let first = call["Entries"].as_array_mut().unwrap().remove(0);
    let mut answer = json!({ "Successful": [], "Failed": [] });
    if call["Entries"].as_array().is_some_and(|rest| !rest.is_empty()) {
        let response = service.handle_sqs("DeleteMessageBatch", call.to_string().into()).await;
        answer = serde_json::from_slice(response.body()).unwrap();
    }
    answer["Failed"] = json!([{ "Id": first["Id"], "SenderFault": false, "Code": "InternalError" }]);
    Response::new(answer.to_string().into())
}
