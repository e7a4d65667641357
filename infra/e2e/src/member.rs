//! A member that keeps a ledger of what it heard.

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

/// A token of the local stack with these claims; it is good until 2100 unless they say otherwise.
#[must_use]
pub fn token(mut claims: Value) -> String {
    if claims["exp"].is_null() {
        claims["exp"] = json!(4_102_444_800_u64);
    }
    Keys::find().unwrap().mint(&serde_json::from_value(claims).unwrap(), None).unwrap()
}

/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long what came beyond a gap is held before the log is asked.
const HOLD: Duration = Duration::from_secs(2);

/// A WebSocket, and what came through it.
#[derive(Debug)]
pub struct Member {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u64,
    /// Where it is in each room it has joined.
    positions: BTreeMap<String, (String, u64)>,
    /// The ids of what it heard of each room, in order; repeats dropped, gaps never.
    heard: BTreeMap<String, Vec<String>>,
    /// What came beyond a gap, until the gap is filled; `None` where a publication of its own is left out.
    held: BTreeMap<String, BTreeMap<u64, Option<String>>>,
    repeats: u64,
    /// Blocks that are not of the log, and words about the connection, until somebody looks for them.
    notes: Vec<Value>,
}

impl Member {
    /// Connects with `rooms.v1` and a token with these claims; it is good until 2100 unless they say otherwise.
    pub async fn with_claims(url: &str, claims: Value) -> Self {
        let join = if url.contains('?') { '&' } else { '?' };
        Self::connect_with(&format!("{url}{join}token={}", token(claims)), Some("rooms.v1")).await
    }

    /// Connects with `rooms.v1`, as the guest whose secret stands for this name: the same one each time.
    pub async fn connect(url: &str, guest: &str) -> Self {
        Self::connect_with(&format!("{url}?guest={}", guest_secret(guest)), Some("rooms.v1")).await
    }

    /// Connects; without a subprotocol as a client of the classic recipes does.
    pub async fn connect_with(url: &str, subprotocol: Option<&str>) -> Self {
        let mut request = url.into_client_request().unwrap();
        if let Some(name) = subprotocol {
            request.headers_mut().insert("sec-websocket-protocol", name.parse().unwrap());
        }
        let (socket, _) = timeout(PATIENCE, connect_async(request)).await.expect("connected in time").unwrap();
        let (positions, heard, held) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { socket, next_id: 0, positions, heard, held, repeats: 0, notes: Vec::new() }
    }

    /// Says something, whatever it is.
    pub async fn say(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// Says something in frames of at most 32 KB, as a browser does with long messages.
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

    /// Sends bytes that are no text, and gives the code that the server closes with.
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

    /// Asks, and waits for the answer; what arrives in between is heard.
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

    /// Joins a room, or comes back to it: asks on until everything it missed is there.
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

    /// Publishes, and waits until it is accepted; tries again when told to.
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

    /// Listens until it has heard this many publications of a room. A gap that stays is filled from the log, as the
    /// client rules say; silence is not.
    pub async fn hear(&mut self, room: &str, count: usize) {
        while self.heard(room).len() < count {
            if self.held.get(room).is_none_or(BTreeMap::is_empty) {
                self.next_frame().await;
            } else if timeout(HOLD, self.next_frame()).await.is_err() {
                Box::pin(self.join(room)).await;
            }
        }
    }

    /// Waits for a block that is not of the log, or for a word about the connection, that is as wanted. Those before it
    /// are forgotten.
    pub async fn note(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(at) = self.notes.iter().position(&wanted) {
                return self.notes.drain(..=at).next_back().unwrap();
            }
            self.next_frame().await;
        }
    }

    /// The notes that nobody looked for yet.
    #[must_use]
    pub fn notes(&self) -> &[Value] {
        &self.notes
    }

    /// Listens for this long.
    pub async fn listen_for(&mut self, time: Duration) {
        let listen = async {
            loop {
                self.next_frame().await;
            }
        };
        drop(timeout(time, listen).await);
    }

    /// Listens until the connection ends; the code it was closed with.
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

    /// The next text, as it came.
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

    /// Everything heard of a room so far, by publication id.
    #[must_use]
    pub fn heard(&self, room: &str) -> &[String] {
        self.heard.get(room).map_or(&[], Vec::as_slice)
    }

    /// How many publications came more than once on the wire.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Breaks the connection without a word: the socket is reset.
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

    /// A backend may join a member to a room, and take it out of one.
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

/// A secret of a guest that is told from others by its name. It is as long as the authorizer wants it, and no secret at all.
#[must_use]
pub fn guest_secret(name: &str) -> String {
    format!("{name:-<24}")
}

/// Connects members and lets them join their rooms; guests are named by `prefix`.
pub async fn members(url: &str, prefix: &str, count: usize, rooms: &[&str]) -> Vec<Member> {
    let join = |n: usize| async move {
        let mut member = Member::connect(url, &format!("{prefix}{n}")).await;
        for room in rooms {
            member.join(room).await;
        }
        member
    };
    let mut members = Vec::with_capacity(count);
    // As many at a time as a gateway lets in without a murmur.
    for first in (0..count).step_by(50) {
        members.extend(join_all((first..count.min(first + 50)).map(join)).await);
    }
    members
}

/// A member that is away, with what it remembers.
#[derive(Debug)]
pub struct Absent {
    positions: BTreeMap<String, (String, u64)>,
    heard: BTreeMap<String, Vec<String>>,
    repeats: u64,
}

impl Absent {
    /// Comes back through a new connection; its rooms have still to be joined.
    pub async fn return_to(self, url: &str, guest: &str) -> Member {
        self.return_as(Member::connect(url, guest).await)
    }

    /// Comes back as this member, whose rooms have still to be joined.
    #[must_use]
    pub fn return_as(self, member: Member) -> Member {
        Member { positions: self.positions, heard: self.heard, repeats: self.repeats, ..member }
    }
}
