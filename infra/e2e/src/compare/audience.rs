//! Members that only receive, and one that publishes. Both sides use the same code; only joining a
//! room differs.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Marks the frame of a broadcast.
const MARK: &str = "\"mark\":";
/// New connections a second. AWS accepts 500.
const CONNECTS_PER_SECOND: u64 = 250;
/// Size of the read buffer. Each read writes zeros to the whole buffer first. The default is 128
/// KiB, which takes a tenth of all work of a broadcast.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// All members of the room.
pub(crate) struct Audience {
    url: String,
    listeners: JoinSet<()>,
    speaker: Option<Socket>,
    tells: UnboundedSender<(u64, Instant)>,
    told: UnboundedReceiver<(u64, Instant)>,
    said: u64,
}

impl Audience {
    pub(crate) fn new(url: &str) -> Self {
        let (tells, told) = unbounded_channel();
        Self { url: url.to_owned(), listeners: JoinSet::new(), speaker: None, tells, told, said: 0 }
    }

    /// Connects members until there are `members` of them.
    pub(crate) async fn grow_to(&mut self, members: usize) {
        let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / CONNECTS_PER_SECOND));
        if self.speaker.is_none() {
            self.speaker = Some(connect(&self.url, "elsewhere").await);
        }
        let mut coming = JoinSet::new();
        for _ in self.listeners.len()..members {
            ticks.tick().await;
            let url = self.url.clone();
            coming.spawn(async move {
                let mut socket = connect(&url, "lobby").await;
                if !url.contains("room=") {
                    join(&mut socket).await;
                }
                socket
            });
        }
        while let Some(socket) = coming.join_next().await {
            self.listeners.spawn(listen(socket.expect("a member"), self.tells.clone()));
        }
    }

    /// Sends the frame that `request` builds. Returns the time until the last member received it,
    /// and the number of members that did.
    pub(crate) async fn broadcast(&mut self, request: fn(u64) -> Value, within: Duration) -> (Duration, usize) {
        self.said += 1;
        let speaker = self.speaker.as_mut().expect("somebody to speak");
        let frame = Message::text(request(self.said).to_string());
        let begun = Instant::now();
        speaker.send(frame).await.expect("a connection");
        let (mut heard, mut last) = (0, begun);
        while heard < self.listeners.len() {
            match timeout_at((begun + within).into(), self.told.recv()).await {
                Ok(Some((mark, at))) if mark == self.said => {
                    heard += 1;
                    last = at;
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        (last - begun, heard)
    }
}

/// Connects with `rooms.v1`, except for the recipe, which takes the room from the query.
async fn connect(url: &str, room: &str) -> Socket {
    let is_recipe = url.contains("room=");
    let url = url.replace("room=", &format!("room={room}"));
    let mut request = url.into_client_request().expect("a URL");
    if !is_recipe {
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("rooms.v1"));
    }
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    connect_async_with_config(request, Some(config), true).await.expect("a connection").0
}

async fn join(socket: &mut Socket) {
    let request = json!({ "action": "join", "id": 1, "room": "lobby" });
    socket.send(Message::text(request.to_string())).await.expect("a connection");
    while let Some(Ok(message)) = socket.next().await {
        if message.to_text().is_ok_and(|text| text.contains("\"id\":1")) {
            assert!(message.to_text().is_ok_and(|text| text.contains("\"ok\"")), "{message}");
            return;
        }
    }
}

async fn listen(mut socket: Socket, tells: UnboundedSender<(u64, Instant)>) {
    while let Some(Ok(message)) = socket.next().await {
        let at = Instant::now();
        let mark = message.to_text().ok().and_then(mark);
        if let Some(mark) = mark {
            let _ = tells.send((mark, at));
        }
    }
}

fn mark(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(MARK)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}
