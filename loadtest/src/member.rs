//! Members that only listen, and one that only publishes, over the public protocol.

use std::time::Instant;

use domain::{Position, Sequence};
use futures::{SinkExt, StreamExt};
use protocol::reply::{Answer, Joined};
use protocol::server::ServerFrame;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::ledger::Ledger;

/// Why there is nothing to account for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket did not open, or broke.
    #[error("the connection failed: {0}; is the stack running (cargo dev)?")]
    Socket(#[from] Box<tungstenite::Error>),
    /// The server said no.
    #[error("a {request} was refused: {message}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// What it said.
        message: String,
    },
    /// The connection was closed.
    #[error("the server closed a connection")]
    Closed,
    /// A task of the load test itself died.
    #[error("the load test itself failed")]
    Generator,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(url: &str, device: &str) -> Result<Socket, Error> {
    let mut request = format!("{url}?device={device}").into_client_request().map_err(Box::new)?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol::SUBPROTOCOL));
    let (socket, _) = connect_async(request).await.map_err(Box::new)?;
    Ok(socket)
}

async fn say(socket: &mut Socket, request: &Value) -> Result<(), Error> {
    socket.send(Message::text(request.to_string())).await.map_err(|error| Error::Socket(Box::new(error)))
}

/// The next frame of ours.
async fn next(socket: &mut Socket) -> Result<ServerFrame, Error> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                if let Ok(frame) = ServerFrame::parse(&text) {
                    return Ok(frame);
                }
            }
            Some(Ok(Message::Close(_))) | None => return Err(Error::Closed),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Error::Socket(Box::new(error))),
        }
    }
}

async fn answer(socket: &mut Socket, request: &'static str) -> Result<Box<serde_json::value::RawValue>, Error> {
    loop {
        if let ServerFrame::Answer(Answer { outcome, .. }) = next(socket).await? {
            return outcome.map_err(|failure| Error::Refused { request, message: failure.message });
        }
    }
}

/// A member that only listens.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    room: String,
    position: Position,
}

impl Listener {
    pub(crate) async fn join(url: &str, room: &str, number: usize) -> Result<Self, Error> {
        let mut socket = connect(url, &format!("load-{number}")).await?;
        say(&mut socket, &json!({ "action": "join", "id": 1, "room": room })).await?;
        let raw = answer(&mut socket, "join").await?;
        let refused = |error: serde_json::Error| Error::Refused { request: "join", message: error.to_string() };
        let joined: Joined = Answer::done(&raw).map_err(refused)?;
        let position = Position { epoch: joined.ep, sequence: joined.seq };
        Ok(Self { socket, room: room.to_owned(), position })
    }

    /// Listens until everything has arrived, it is told to stop, or the connection is lost.
    pub(crate) async fn listen(mut self, publications: usize, mut stopped: watch::Receiver<bool>) -> Ledger {
        let mut ledger = Ledger::new(publications, self.position.sequence.get());
        while ledger.missing() > 0 {
            let frame = tokio::select! {
                frame = next(&mut self.socket) => frame,
                _ = stopped.wait_for(|stopped| *stopped) => break,
            };
            match frame {
                Ok(ServerFrame::Blocks(blocks)) => self.note(&blocks, &mut ledger),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        ledger
    }

    fn note(&self, blocks: &[protocol::block::Block], ledger: &mut Ledger) {
        let now = Instant::now();
        for block in blocks.iter().filter(|block| block.room.as_str() == self.room && block.ep == self.position.epoch) {
            for (sequence, message) in block.messages() {
                let number = message.id.as_ref().rsplit('-').next().and_then(|text| text.parse().ok());
                ledger.arrived(number.unwrap_or(usize::MAX), Sequence::get(sequence), now);
            }
        }
    }
}

/// Somebody who only publishes.
#[derive(Debug)]
pub(crate) struct Publisher {
    socket: Socket,
    room: String,
    run: String,
}

impl Publisher {
    pub(crate) async fn connect(url: &str, room: &str) -> Result<Self, Error> {
        let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(Self { socket: connect(url, "load-publisher").await?, room: room.to_owned(), run: run.to_string() })
    }

    pub(crate) async fn publish(&mut self, number: usize) -> Result<(), Error> {
        let id = format!("{}-{number}", self.run);
        let request =
            json!({ "action": "publish", "id": number, "room": self.room, "pid": id, "data": { "n": number } });
        say(&mut self.socket, &request).await?;
        answer(&mut self.socket, "publish").await.map(drop)
    }
}
