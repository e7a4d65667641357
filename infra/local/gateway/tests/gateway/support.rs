//! Helpers: a running gateway, its clients and its callers.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigatewaymanagement as sdk;
use futures::{SinkExt, StreamExt};
use local_gateway::{Config, Drained, Gateway, Hooks, Limits, NoHooks, Route};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) use crate::functions::*;

/// Timeout of every wait. No step of these tests takes as long, so an event that misses it will not
/// happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;
/// Waits for a future that must complete.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it did not happen")
}

pub(crate) fn route(key: &str, function: &str, responds: bool) -> Route {
    Route { key: key.to_owned(), function: function.to_owned(), responds, rate: None }
}

/// Returns an API that echoes its messages and has no limits except those that a test sets.
pub(crate) fn config() -> Config {
    Config {
        api_id: "abcdef123".to_owned(),
        region: "us-east-1".to_owned(),
        account_id: "123456789012".to_owned(),
        stage: "local".to_owned(),
        domain_name: "gateway.test:3001".to_owned(),
        route_selection_expression: "$request.body.action".to_owned(),
        routes: vec![
            route("$connect", "connect", false),
            route("$disconnect", "disconnect", false),
            route("$default", "echo", true),
        ],
        authorizer: None,
        http: None,
        allow_binary: false,
        hosts: None,
        limits: Limits::default(),
    }
}

/// A gateway that runs until it is dropped or stopped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) functions: Arc<Functions>,
    pub(crate) gateway: Gateway<Arc<Functions>>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Drained>,
}

impl Running {
    pub(crate) async fn start(config: Config, functions: Functions) -> Self {
        Self::start_with(config, functions, NoHooks).await
    }

    pub(crate) async fn usual() -> Self {
        Self::start(config(), usual_functions()).await
    }

    pub(crate) async fn start_with(config: Config, functions: Functions, hooks: impl Hooks) -> Self {
        let functions = Arc::new(functions);
        let gateway = Gateway::with_hooks(config, Arc::clone(&functions), hooks).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = gateway.clone().serve(listener, async { stopped.await.unwrap_or_default() });
        Self { address, functions, gateway, stop: Some(stop), served: tokio::spawn(serving) }
    }

    /// Stops the gateway and waits until it has stopped.
    pub(crate) async fn stop(mut self) -> Drained {
        self.stop.take();
        soon(&mut self.served).await.unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/local", self.address)
    }

    pub(crate) async fn connect(&self) -> Client {
        self.connect_to(self.url()).await
    }

    pub(crate) async fn connect_to(&self, request: impl IntoClientRequest + Unpin) -> Client {
        soon(connect_async(request)).await.unwrap().0
    }

    /// Connects, and returns the client with its connection id.
    pub(crate) async fn connect_as(&self) -> (Client, String) {
        let client = self.connect().await;
        let event = self.functions.json_event("connect").await;
        (client, event["requestContext"]["connectionId"].as_str().unwrap().to_owned())
    }

    /// Returns the answer to a handshake that must be refused.
    pub(crate) async fn refused(&self, request: impl IntoClientRequest + Unpin) -> http::Response<Option<Vec<u8>>> {
        match soon(connect_async(request)).await {
            Err(tungstenite::Error::Http(response)) => *response,
            other => panic!("expected a refusal: {other:?}"),
        }
    }

    /// Returns a caller of the management API that uses the AWS SDK.
    pub(crate) fn sdk(&self) -> sdk::Client {
        self.sdk_at("local")
    }

    pub(crate) fn sdk_at(&self, stage: &str) -> sdk::Client {
        let credentials = aws_credential_types::Credentials::new("AKIDTEST", "secret", None, None, "test");
        let config = sdk::Config::builder()
            .behavior_version(sdk::config::BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{}/{stage}", self.address))
            .region(sdk::config::Region::new("us-east-1"))
            .credentials_provider(credentials)
            .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
            .build();
        sdk::Client::from_conf(config)
    }

    /// Posts through the SDK and expects success.
    pub(crate) async fn post(&self, id: &str, data: &str) {
        let post = self.sdk().post_to_connection().connection_id(id).data(data.as_bytes().to_vec().into());
        soon(post.send()).await.unwrap();
    }

    /// Sends bytes over a new TCP connection and returns the response.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        self.exchange(request).await.0
    }

    /// Like [`Self::raw`], and also returns the connection for further requests.
    pub(crate) async fn exchange(&self, request: impl AsRef<[u8]>) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        (read_response(&mut stream).await, stream)
    }

    /// Sends a hand-written management call, signed as far as the gateway checks.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> String {
        self.raw(signed(method, path, "AKIDTEST/20240209/us-east-1/execute-api/aws4_request", body)).await
    }
}

/// Returns the text of a signed request.
pub(crate) fn signed(method: &str, path: &str, credential: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00\r\n\r\n{body}",
        body.len()
    )
}

/// Returns the status of a raw HTTP response.
pub(crate) fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no HTTP: {response}"))
}

/// Returns a header of a raw HTTP response.
pub(crate) fn header<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let head = response.split("\r\n\r\n").next()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Returns the body of a raw HTTP response.
pub(crate) fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// Returns the opening handshake of a browser, with the headers in `more`.
pub(crate) fn opening(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: gateway.test:3001\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n{more}\r\n"
    )
}

/// Reads one HTTP response, head and body. Returns a part of it if the connection ends earlier.
pub(crate) async fn read_response(stream: &mut TcpStream) -> String {
    let mut response = Vec::new();
    soon(async {
        while !response.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => response.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8_lossy(&response).into_owned();
        let length = header(&head, "Content-Length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        response.extend(body);
    })
    .await;
    String::from_utf8_lossy(&response).into_owned()
}

/// Opens a TCP connection and performs the handshake, for tests that write frames themselves.
pub(crate) async fn raw_client(running: &Running, opening: &str) -> TcpStream {
    let (response, stream) = running.exchange(opening).await;
    assert_eq!(status(&response), 101);
    stream
}

/// Returns the code of the close frame at the end of the data that a raw client reads.
pub(crate) async fn raw_close_code(mut stream: TcpStream) -> u16 {
    let mut read = Vec::new();
    soon(stream.read_to_end(&mut read)).await.unwrap();
    let close = read.iter().position(|byte| *byte == 0x88).unwrap_or_else(|| panic!("no close frame in {read:?}"));
    u16::from_be_bytes([read[close + 2], read[close + 3]])
}

pub(crate) async fn send(client: &mut Client, text: impl Into<String>) {
    soon(client.send(Message::text(text.into()))).await.unwrap();
}

/// Returns the next text frame.
pub(crate) async fn text(client: &mut Client) -> String {
    match soon(client.next()).await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("expected text: {other:?}"),
    }
}

/// Returns the close frame, which must come next except for pongs.
pub(crate) async fn close_frame(client: &mut Client) -> (u16, String) {
    loop {
        match soon(client.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
            Some(Ok(Message::Pong(_))) => {}
            other => panic!("expected a close frame: {other:?}"),
        }
    }
}

/// Reads the next frame, which must be the gateway's error frame to the letter. Returns its request
/// id.
pub(crate) async fn error_frame(client: &mut Client, id: &str, message: &str) -> String {
    let frame = text(client).await;
    let parsed: Value = serde_json::from_str(&frame).unwrap();
    let request_id = parsed["requestId"].as_str().unwrap();
    assert_eq!(frame, format!(r#"{{"message": "{message}", "connectionId":"{id}", "requestId":"{request_id}"}}"#));
    request_id.to_owned()
}

/// Reads until the connection is closed.
pub(crate) async fn until_closed(client: &mut Client) {
    while let Some(Ok(_)) = soon(client.next()).await {}
}
