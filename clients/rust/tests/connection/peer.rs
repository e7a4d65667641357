//! The server side of a real socket, which the test controls message by message.

use std::future::Future;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use roomcast_client::connection::{Events, Options};
use roomcast_client::rules::Event;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// Timeout of every wait. No step of these tests takes as long, so an event that is later never
/// comes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it did not happen")
}

/// A server that listens on loopback.
pub(crate) struct Peer(TcpListener);

/// One connection to the server.
pub(crate) struct Guest {
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    socket: WebSocketStream<TcpStream>,
}

impl Peer {
    pub(crate) async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(format!("ws://{}/local", self.0.local_addr().unwrap()))
    }

    pub(crate) async fn accept_raw(&self) -> TcpStream {
        soon(self.0.accept()).await.unwrap().0
    }

    /// Accepts a connection that speaks rooms.v1.
    #[allow(clippy::result_large_err, reason = "the signature is that of the library")]
    pub(crate) async fn accept(&self) -> Guest {
        let stream = self.accept_raw().await;
        let (mut uri, mut headers) = (String::new(), HeaderMap::new());
        let look = |request: &Request, mut response: Response| {
            (uri, headers) = (request.uri().to_string(), request.headers().clone());
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("rooms.v1"));
            Ok(response)
        };
        let socket = soon(accept_hdr_async(stream, look)).await.unwrap();
        Guest { uri, headers, socket }
    }

    /// Answers a handshake with a status.
    pub(crate) async fn refuse(&self, status: &str) {
        let mut stream = self.accept_raw().await;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
}

impl Guest {
    /// Waits for the next message.
    pub(crate) async fn hear(&mut self) -> Message {
        soon(self.socket.next()).await.expect("the client is gone").unwrap()
    }

    /// Waits for the next message, which must be this action. Returns its id and the message.
    pub(crate) async fn asked(&mut self, action: &str) -> (u64, Value) {
        let Message::Text(text) = self.hear().await else { panic!("no text") };
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(message["action"], action, "{message}");
        (message["id"].as_u64().unwrap(), message)
    }

    pub(crate) async fn say(&mut self, value: &Value) {
        self.socket.send(Message::Text(value.to_string().into())).await.unwrap();
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Answers the first sync, with this reply for `lobby`.
    pub(crate) async fn answer_sync(&mut self, reply: Value) -> Value {
        let (id, sync) = self.asked("sync").await;
        self.say(&json!({"id": id, "ok": {"rooms": {"lobby": reply}}})).await;
        sync
    }
}

pub(crate) fn joined(seq: u64) -> Value {
    json!({"room": "lobby", "ep": "k7Qf", "seq": seq})
}

pub(crate) fn block(seq: u64, data: &Value) -> Value {
    let message = json!({"id": format!("p{seq}"), "by": "bob", "at": 1_764_000_000_000_u64, "data": data});
    json!({"room": "lobby", "ep": "k7Qf", "seq": seq, "m": [message]})
}

/// Waits for the next event that `wanted` accepts.
pub(crate) async fn until<T>(events: &mut Events, wanted: impl Fn(Event) -> Option<T>) -> T {
    loop {
        let event = soon(events.next()).await.expect("the client has ended");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

pub(crate) async fn next_sequence(events: &mut Events) -> u64 {
    let sequence = |event| match event {
        Event::Message(message) => Some(message.at.sequence.get()),
        _ => None,
    };
    until(events, sequence).await
}
