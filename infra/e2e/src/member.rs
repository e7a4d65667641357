//! A member that records the publications it receives.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use futures::{SinkExt, StreamExt};
use roomcast_client::development::Keys;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Returns a token of the local stack with these claims. It is valid until 2100 unless the claims
/// contain `exp`.
#[must_use]
pub fn token(mut claims: Value) -> String {
    if claims["exp"].is_null() {
        claims["exp"] = json!(4_102_444_800_u64);
    }
    Keys::find().unwrap().mint(&serde_json::from_value(claims).unwrap(), None).unwrap()
}

/// Timeout of every wait. No step takes as long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long publications after a gap are held before the member syncs.
const HOLD: Duration = Duration::from_secs(2);

/// A WebSocket, and the data that was received through it.
#[derive(Debug)]
pub struct Member {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u64,
    /// Position in each joined room.
    positions: BTreeMap<String, (String, u64)>,
    /// Ids of the received publications of each room, in order. Repeats are dropped; gaps never
    /// occur.
    heard: BTreeMap<String, Vec<String>>,
    /// Publications after a gap, until the gap is filled. `None` stands for an own publication that
    /// the server leaves out.
    held: BTreeMap<String, BTreeMap<u64, Option<String>>>,
    repeats: u64,
    /// Blocks that are not part of the log, and messages about the connection, until a test takes
    /// them.
    notes: Vec<Value>,
}

impl Member {
    /// Connects with `rooms.v1` and a token with these claims. It is valid until 2100 unless the
    /// claims contain `exp`.
    pub async fn with_claims(url: &str, claims: Value) -> Self {
        let join = if url.contains('?') { '&' } else { '?' };
        Self::connect_with(&format!("{url}{join}token={}", token(claims)), Some("rooms.v1")).await
    }

    /// Connects with `rooms.v1` as the guest with the secret for this name. The secret is the same
    /// each time.
    pub async fn connect(url: &str, guest: &str) -> Self {
        Self::connect_with(&format!("{url}?guest={}", guest_secret(guest)), Some("rooms.v1")).await
    }

    /// Connects. Without a subprotocol, it connects like a client of the classic recipes.
    pub async fn connect_with(url: &str, subprotocol: Option<&str>) -> Self {
        let mut request = url.into_client_request().unwrap();
        if let Some(name) = subprotocol {
            request.headers_mut().insert("sec-websocket-protocol", name.parse().unwrap());
        }
        let (socket, _) = timeout(PATIENCE, connect_async(request)).await.expect("connected in time").unwrap();
        let (positions, heard, held) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { socket, next_id: 0, positions, heard, held, repeats: 0, notes: Vec::new() }
    }

    /// Sends any text.
    pub async fn say(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends a text in frames of at most 32 KB, as a browser does with long messages.
    pub async fn say_in_frames(&mut self, text: &str) {
        const FRAME_BYTES: usize = 32 * 1024;
        let mut chunks = text.as_bytes().chunks(FRAME_BYTES).peekable();
        let mut kind = OpCode::Data(Data::Text);
        while let Some(chunk) = chunks.next() {
            let frame = Frame::message(chunk.to_vec(), kind, chunks.peek().is_none());
            self.socket.send(Message::Frame(frame)).await.unwrap();
            kind = OpCode::Data(Data::Continue);
        }
    }

    /// Sends a binary message. Returns the code with which the server closes.
    pub async fn say_binary(mut self, bytes: Vec<u8>) -> u16 {
        self.socket.send(Message::binary(bytes)).await.unwrap();
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("closed in time") {
                Some(Ok(Message::Close(frame))) => return frame.map_or(1005, |frame| frame.code.into()),
                Some(Ok(_)) => {}
                other => panic!("lost: {other:?}"),
            }
        }
    }

    /// Sends a request and waits for its answer. Records the frames that arrive in between.
    pub async fn ask(&mut self, mut request: Value) -> Value {
        self.next_id += 1;
        request["id"] = json!(self.next_id);
        self.say(request.to_string()).await;
        loop {
            let frame = self.next_frame().await;
            if frame["id"] == json!(self.next_id) {
                return frame;
            }
        }
    }

    /// Joins a room, or returns to it. Sends further requests until all missed publications have
    /// arrived.
    pub async fn join(&mut self, room: &str) -> Value {
        let mut request = json!({ "action": "join", "room": room });
        loop {
            if let Some((epoch, sequence)) = self.positions.get(room) {
                request["since"] = json!({ "ep": epoch, "seq": sequence });
            }
            let answer = self.ask(request.clone()).await;
            let joined = &answer["ok"];
            assert_eq!(joined["room"], room, "{answer}");
            let (epoch, head) = (joined["ep"].as_str().unwrap().to_owned(), joined["seq"].as_u64().unwrap());
            if request.get("since").is_none() {
                self.positions.insert(room.to_owned(), (epoch, head));
                return answer;
            }
            self.blocks(&joined["b"]);
            if joined.get("next").is_none() {
                return answer;
            }
        }
    }

    /// Publishes, and waits until the publication is accepted. Retries if the answer asks for it.
    pub async fn publish(&mut self, room: &str, id: &str) {
        let request = json!({ "action": "publish", "room": room, "pid": id, "data": { "text": id } });
        loop {
            let answer = self.ask(request.clone()).await;
            if answer["ok"]["accepted"] == json!([id]) {
                return;
            }
            assert_eq!(answer["err"]["retry"], true, "{answer}");
            tokio::time::sleep(Duration::from_millis(answer["err"]["after_ms"].as_u64().unwrap_or(0))).await;
        }
    }

    /// Reads until the member has received this number of publications of a room. A gap that stays
    /// is filled from the log by the client rules. Missing publications without a gap are not
    /// requested.
    pub async fn hear(&mut self, room: &str, count: usize) {
        while self.heard(room).len() < count {
            if self.held.get(room).is_none_or(BTreeMap::is_empty) {
                self.next_frame().await;
            } else if timeout(HOLD, self.next_frame()).await.is_err() {
                Box::pin(self.join(room)).await;
            }
        }
    }

    /// Waits for a block that is not part of the log, or for a message about the connection, for
    /// which `wanted` holds. Drops those before it.
    pub async fn note(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(at) = self.notes.iter().position(&wanted) {
                return self.notes.drain(..=at).next_back().unwrap();
            }
            self.next_frame().await;
        }
    }

    /// Returns the notes that no test has taken yet.
    #[must_use]
    pub fn notes(&self) -> &[Value] {
        &self.notes
    }

    /// Reads for this time.
    pub async fn listen_for(&mut self, time: Duration) {
        let listen = async {
            loop {
                self.next_frame().await;
            }
        };
        drop(timeout(time, listen).await);
    }

    /// Reads until the connection ends. Returns its close code.
    pub async fn until_closed(&mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("closed in time") {
                Some(Ok(Message::Close(frame))) => return frame.map_or(1005, |frame| frame.code.into()),
                Some(Ok(Message::Text(text))) => drop(self.read(&text)),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return 1006,
            }
        }
    }

    /// Returns the next text as it was received.
    pub async fn next_text(&mut self) -> String {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await;
            match message.unwrap_or_else(|_| panic!("silence; so far {:?}", self.positions)) {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Close(frame))) => panic!("closed: {frame:?}"),
                Some(Ok(_)) => {}
                other => panic!("lost: {other:?}"),
            }
        }
    }

    /// Returns the ids of all received publications of a room.
    #[must_use]
    pub fn heard(&self, room: &str) -> &[String] {
        self.heard.get(room).map_or(&[], Vec::as_slice)
    }

    /// Returns the number of publications that arrived more than once.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Resets the socket, which breaks the connection without a close frame.
    pub fn reset(self) -> Absent {
        if let MaybeTlsStream::Plain(socket) = self.socket.get_ref() {
            socket.set_zero_linger().unwrap();
        }
        Absent { positions: self.positions, heard: self.heard, repeats: self.repeats }
    }

    async fn next_frame(&mut self) -> Value {
        let text = self.next_text().await;
        self.read(&text)
    }

    fn read(&mut self, text: &str) -> Value {
        let frame: Value = serde_json::from_str(text).unwrap();
        self.blocks(&frame["b"]);
        if frame["sys"].is_string() && frame["sys"] != "pong" {
            self.joined_or_left(&frame);
            self.notes.push(frame.clone());
        }
        frame
    }

    /// Handles a `joined` or `left` message: a backend may add a member to a room, or remove it.
    fn joined_or_left(&mut self, word: &Value) {
        let Some(room) = word["room"].as_str().map(str::to_owned) else { return };
        self.held.remove(&room);
        self.positions.remove(&room);
        if let (Some(epoch), Some(sequence)) = (word["ep"].as_str(), word["seq"].as_u64()) {
            self.positions.insert(room, (epoch.to_owned(), sequence));
        }
    }

    fn blocks(&mut self, blocks: &Value) {
        for block in blocks.as_array().into_iter().flatten() {
            let room = block["room"].as_str().unwrap();
            if block["m"].is_null() {
                self.notes.push(block.clone());
                continue;
            }
            let Some((epoch, at)) = self.positions.get_mut(room) else { continue };
            assert_eq!(block["ep"], epoch.as_str(), "another epoch");
            let first = block["seq"].as_u64().unwrap();
            let held = self.held.entry(room.to_owned()).or_default();
            let messages =
                block["m"].as_array().unwrap().iter().map(|message| message["id"].as_str().map(str::to_owned));
            let skipped = (0..block["skip"].as_u64().unwrap_or(0)).map(|_| None);
            for (sequence, id) in (first..).zip(messages.chain(skipped)) {
                if sequence <= *at || held.insert(sequence, id).is_some() {
                    self.repeats += 1;
                }
            }
            while let Some(id) = held.remove(&(*at + 1)) {
                *at += 1;
                self.heard.entry(room.to_owned()).or_default().extend(id);
            }
        }
    }
}

/// Returns the secret of a guest, which the name determines. It has the length that the authorizer
/// requires, but is not secret.
#[must_use]
pub fn guest_secret(name: &str) -> String {
    format!("{name:-<24}")
}

/// Connects members, which join their rooms. The names of the guests begin with `prefix`.
pub async fn members(url: &str, prefix: &str, count: usize, rooms: &[&str]) -> Vec<Member> {
    let join = |n: usize| async move {
        let mut member = Member::connect(url, &format!("{prefix}{n}")).await;
        for room in rooms {
            member.join(room).await;
        }
        member
    };
    let mut members = Vec::with_capacity(count);
    // The gateway accepts this number of concurrent handshakes without throttling.
    for first in (0..count).step_by(50) {
        members.extend(join_all((first..count.min(first + 50)).map(join)).await);
    }
    members
}

/// A disconnected member with its recorded data.
#[derive(Debug)]
pub struct Absent {
    positions: BTreeMap<String, (String, u64)>,
    heard: BTreeMap<String, Vec<String>>,
    repeats: u64,
}

impl Absent {
    /// Returns on a new connection. The member has not joined its rooms again yet.
    pub async fn return_to(self, url: &str, guest: &str) -> Member {
        self.return_as(Member::connect(url, guest).await)
    }

    /// Returns as the connected `member`, which has not joined the rooms yet.
    #[must_use]
    pub fn return_as(self, member: Member) -> Member {
        Member { positions: self.positions, heard: self.heard, repeats: self.repeats, ..member }
    }
}
