//! Members that only listen, and one that only publishes, over the public protocol.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::{Position, Sequence};
use futures::{SinkExt, StreamExt};
use protocol::block::{AnyBlock, Block};
use protocol::reply::{Answer, Failure, Joined};
use protocol::server::ServerFrame;
use serde_json::value::RawValue;
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
    /// A door needs to be told where it is.
    #[error("the environment variable {0} is not set; `cargo dev -- --run 'cargo load …'` sets it")]
    Variable(&'static str),
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

/// The next answer: what was done, or why not.
async fn answer(socket: &mut Socket) -> Result<Result<Box<RawValue>, Failure>, Error> {
    loop {
        if let ServerFrame::Answer(Answer { outcome, .. }) = next(socket).await? {
            return Ok(outcome);
        }
    }
}

fn refused(request: &'static str, message: String) -> Error {
    Error::Refused { request, message }
}

/// What comes beyond a gap is held this long before the log is asked, as the client rules say.
const HOLD: Duration = Duration::from_secs(2);

/// A member that only listens.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    room: String,
    position: Position,
    /// What came beyond a gap: which publication, and when.
    held: BTreeMap<u64, (usize, Instant)>,
    /// When the log is asked for what is missing, if something is.
    ask_at: Option<Instant>,
}

impl Listener {
    pub(crate) async fn join(url: &str, room: &str, number: usize) -> Result<Self, Error> {
        let mut socket = connect(url, &format!("load-{number}")).await?;
        say(&mut socket, &json!({ "action": "join", "id": 1, "room": room })).await?;
        let raw = answer(&mut socket).await?.map_err(|failure| refused("join", failure.message))?;
        let joined: Joined = Answer::done(&raw).map_err(|error| refused("join", error.to_string()))?;
        let position = Position { epoch: joined.ep, sequence: joined.seq };
        Ok(Self { socket, room: room.to_owned(), position, held: BTreeMap::new(), ask_at: None })
    }

    /// Listens until everything has arrived, it is told to stop, or the connection is lost.
    pub(crate) async fn listen(mut self, publications: usize, mut stopped: watch::Receiver<bool>) -> Ledger {
        let mut ledger = Ledger::new(publications, self.position.sequence.get());
        while ledger.missing() > 0 {
            let frame = tokio::select! {
                frame = next(&mut self.socket) => Some(frame),
                () = until(self.ask_at) => None,
                _ = stopped.wait_for(|stopped| *stopped) => break,
            };
            let heard = match frame {
                Some(frame) => frame.map(|frame| self.hear(frame, &mut ledger)),
                None => self.ask(&mut ledger).await,
            };
            if heard.is_err() {
                break;
            }
        }
        ledger
    }

    /// Asks the log for what is missing.
    async fn ask(&mut self, ledger: &mut Ledger) -> Result<(), Error> {
        ledger.resumes += 1;
        self.ask_at = Some(Instant::now() + HOLD);
        let since = json!({ "ep": self.position.epoch, "seq": ledger.position });
        say(&mut self.socket, &json!({ "action": "join", "id": 2, "room": self.room, "since": since })).await
    }

    fn hear(&mut self, frame: ServerFrame, ledger: &mut Ledger) {
        match frame {
            ServerFrame::Blocks(blocks) => {
                let runs: Vec<Block> = blocks.into_iter().filter_map(AnyBlock::into_run).collect();
                self.note(&runs, ledger);
            }
            ServerFrame::Answer(Answer { outcome: Ok(done), .. }) => {
                if let Ok(joined) = Answer::done::<Joined>(&done) {
                    self.note(&joined.b, ledger);
                }
            }
            ServerFrame::Answer(_) | ServerFrame::System(_) => {}
        }
    }

    fn note(&mut self, blocks: &[Block], ledger: &mut Ledger) {
        let now = Instant::now();
        for block in blocks {
            if block.room.as_str() != self.room || block.ep != self.position.epoch {
                continue;
            }
            for (sequence, message) in block.messages() {
                let number = message.id.as_ref().rsplit('-').next().and_then(|text| text.parse().ok());
                self.take(sequence, number.unwrap_or(usize::MAX), now, ledger);
            }
            for sequence in block.skipped() {
                self.take(sequence, usize::MAX, now, ledger);
            }
        }
        while let Some((number, at)) = self.held.remove(&(ledger.position + 1)) {
            ledger.next(number, at);
            self.ask_at = None;
        }
        if !self.held.is_empty() && self.ask_at.is_none() {
            self.ask_at = Some(now + HOLD);
        }
    }

    /// Holds a position until those before it are there.
    fn take(&mut self, sequence: Sequence, number: usize, now: Instant, ledger: &mut Ledger) {
        let sequence = sequence.get();
        if sequence <= ledger.position || self.held.contains_key(&sequence) {
            ledger.repeats_on_the_wire += 1;
        } else {
            self.held.insert(sequence, (number, now));
        }
    }
}

/// Comes back at that time; never, if there is none.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Somebody who only publishes.
#[derive(Debug)]
pub(crate) struct Publisher {
    socket: Socket,
    room: String,
}

impl Publisher {
    pub(crate) async fn connect(url: &str, room: &str) -> Result<Self, Error> {
        Ok(Self { socket: connect(url, "load-publisher").await?, room: room.to_owned() })
    }

    /// Publishes; waits and tries again if it is told to.
    pub(crate) async fn publish(&mut self, id: &str, number: usize) -> Result<(), Error> {
        let request =
            json!({ "action": "publish", "id": number, "room": self.room, "pid": id, "data": { "n": number } });
        loop {
            say(&mut self.socket, &request).await?;
            match answer(&mut self.socket).await? {
                Err(failure) if failure.retry => {
                    tokio::time::sleep(Duration::from_millis(failure.after_ms.unwrap_or(0))).await;
                }
                outcome => return outcome.map(drop).map_err(|failure| refused("publish", failure.message)),
            }
        }
    }
}
