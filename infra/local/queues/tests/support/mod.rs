//! Helpers: the service on its own port, and its clients.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::HashMap;
use std::convert::Infallible;

use aws_credential_types::Credentials;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use local_queues::{Config, Service};
use tokio::net::TcpListener;

/// A service and its clients.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) sns: aws_sdk_sns::Client,
    pub(crate) base_url: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let service = service(&base_url);
        drop(tokio::spawn(serve(listener, service.clone())));
        let (sqs, sns) = clients(&base_url);
        Self { service, sqs, sns, base_url }
    }

    /// Creates a queue and returns its URL.
    pub(crate) async fn queue(&self, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
        let mut request = self.sqs.create_queue().queue_name(name);
        if name.ends_with(".fifo") {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        for (name, value) in attributes {
            request = request.attributes(name.clone(), *value);
        }
        request.send().await.unwrap().queue_url.unwrap()
    }

    pub(crate) async fn send(&self, url: &str, body: &str) {
        self.sqs.send_message().queue_url(url).message_body(body).send().await.unwrap();
    }

    /// Sends to a FIFO queue. Each body is its own deduplication id.
    pub(crate) async fn send_fifo(&self, url: &str, group: &str, bodies: &[&str]) {
        for bodies in bodies.chunks(10) {
            let entries = bodies.iter().enumerate().map(|(index, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(*body);
                entry.message_group_id(group).message_deduplication_id(*body).build().unwrap()
            });
            let request = self.sqs.send_message_batch().queue_url(url).set_entries(Some(entries.collect()));
            let answer = request.send().await.unwrap();
            assert!(answer.failed().is_empty(), "{:?}", answer.failed());
        }
    }

    /// Receives up to ten messages without waiting, with all their attributes.
    pub(crate) async fn receive(&self, url: &str) -> Vec<Message> {
        self.receive_within(url, 0).await
    }

    pub(crate) async fn receive_within(&self, url: &str, wait_s: i32) -> Vec<Message> {
        let request = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(wait_s);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        request.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default()
    }

    pub(crate) async fn delete(&self, url: &str, message: &Message) {
        let request = self.sqs.delete_message().queue_url(url);
        request.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
    }

    pub(crate) async fn attributes(&self, url: &str) -> HashMap<QueueAttributeName, String> {
        let request = self.sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
        request.send().await.unwrap().attributes.unwrap()
    }

    pub(crate) async fn arn(&self, url: &str) -> String {
        self.attributes(url).await[&QueueAttributeName::QueueArn].clone()
    }
}

pub(crate) fn service(base_url: &str) -> Service {
    Service::new(config(base_url))
}

pub(crate) fn config(base_url: &str) -> Config {
    Config { account_id: "000000000000".to_owned(), region: "us-east-1".to_owned(), base_url: base_url.to_owned() }
}

pub(crate) fn clients(url: &str) -> (aws_sdk_sqs::Client, aws_sdk_sns::Client) {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let credentials = Credentials::new("local", "local", None, None, "local");
    macro_rules! client {
        ($sdk:ident) => {
            $sdk::Client::from_conf(
                $sdk::Config::builder()
                    .behavior_version($sdk::config::BehaviorVersion::latest())
                    .region($sdk::config::Region::new("us-east-1"))
                    .credentials_provider(credentials.clone())
                    .endpoint_url(url)
                    .http_client(http.clone())
                    .build(),
            )
        };
    }
    (client!(aws_sdk_sqs), client!(aws_sdk_sns))
}

/// Returns the bodies of messages, in order.
pub(crate) fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

async fn serve(listener: TcpListener, service: Service) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let service = service.clone();
        drop(tokio::spawn(async move {
            let answer = service_fn(move |request| answer(service.clone(), request));
            // A client may close its connection at any time.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
        }));
    }
}

async fn answer(service: Service, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers().get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let response = match target.as_deref().and_then(|target| target.strip_prefix("AmazonSQS.")) {
        Some(action) => service.handle_sqs(action, body).await,
        None => service.handle_sns(body).await,
    };
    Ok(response.map(Full::new))
}
