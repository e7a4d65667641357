//! A client that shows every frame it receives.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::Error;

/// A frame that takes longer counts as missing.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection, and the headers that answered its handshake.
#[derive(Debug)]
pub(super) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    answered_with: HeaderMap,
}

/// The name and the value of a header.
pub(super) type Header<'a> = (&'static str, &'a str);

impl Client {
    /// Connects. `Err` holds the status of a handshake that was refused.
    pub(super) async fn connect(url: &str, headers: &[Header<'_>]) -> Result<Result<Self, u16>, Error> {
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|error| Error::Request(error.to_string()))?;
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        match timeout(PATIENCE, connect_async(request)).await.map_err(|_| Error::Silence)? {
            Ok((socket, answer)) => Ok(Ok(Self { socket, answered_with: answer.headers().clone() })),
            Err(tungstenite::Error::Http(answer)) => Ok(Err(answer.status().as_u16())),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a header of the answer to the handshake.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.answered_with.get(name)?.to_str().ok()
    }

    pub(super) async fn send(&mut self, message: Message) -> Result<(), Error> {
        Ok(self.socket.send(message).await?)
    }

    /// Waits for the next text, or for the close of the connection.
    pub(super) async fn next(&mut self) -> Result<Result<String, Closed>, Error> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.map_err(|_| Error::Silence)? {
                Some(Ok(Message::Text(text))) => return Ok(Ok(text.to_string())),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
                    let reason = frame.map_or_else(String::new, |frame| frame.reason.to_string());
                    return Ok(Err(Closed { code, reason }));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(Err(Closed { code: 1006, reason: String::new() })),
            }
        }
    }

    /// Waits for a JSON text that `matches`, and drops the texts before it.
    pub(super) async fn next_json(&mut self, matches: impl Fn(&Value) -> bool) -> Result<Value, Error> {
        loop {
            let text = self.next().await?.map_err(|closed| Error::Reply(format!("closed with {closed}")))?;
            if let Ok(value) = serde_json::from_str(&text)
                && matches(&value)
            {
                return Ok(value);
            }
        }
    }

    /// Waits for a text that is not of Roomcast, or for the close of the connection.
    pub(super) async fn next_foreign(&mut self) -> Result<Result<String, Closed>, Error> {
        loop {
            let next = self.next().await?;
            if !next.as_ref().is_ok_and(|text| is_roomcast(text)) {
                return Ok(next);
            }
        }
    }

    /// Sends a request with an id, and waits for its reply.
    pub(super) async fn request(&mut self, mut request: Value) -> Result<Value, Error> {
        const ID: u64 = 7;
        request["id"] = ID.into();
        self.send(Message::text(request.to_string())).await?;
        self.next_json(|reply| reply["id"] == ID).await
    }
}

/// Whether a text is a frame of `rooms.v1`: with exactly one of `id`, `b` and `sys`.
pub(super) fn is_roomcast(text: &str) -> bool {
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    ["id", "b", "sys"].iter().any(|field| frame.get(field).is_some())
}

/// The code and the reason of a close.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) code: u16,
    pub(super) reason: String,
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}
