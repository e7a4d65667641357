//! A server with the part of rooms.v1 that a load test uses, which injects one chosen fault.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// The fault of the server. It occurs once, at the delivery with this number, or permanently if it
/// has no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// A delivery does not happen; the log has the publication.
    Drops(u64),
    /// A delivery does not happen, and the log of that connection lacks the publication too.
    Loses(u64),
    /// All later publications to the connection of that delivery are lost for ever.
    LosesTheRest(u64),
    /// The delivery and all earlier publications to its connection are lost for ever.
    LosesTheBeginning(u64),
    /// A delivery happens twice.
    Repeats(u64),
    /// A publication gets two positions.
    SequencesTwice(u64),
    /// Two deliveries to one connection change places on the wire.
    SwapsOnTheWire(u64),
    /// Two publications change places, for one connection.
    SwapsPositions(u64),
    /// A delivery also happens in another room.
    ForeignRoom(u64),
    /// A publication is delivered that was never sent.
    Phantom(u64),
    /// A member that leaves is not removed.
    ForgetsLeaves,
    /// A connection receives nothing for so many milliseconds from that delivery on.
    Stalls(u64, u64),
    /// A connection that closes is still counted.
    KeepsGhosts,
    /// The second connection of each room receives nothing, and the log lacks its publications too.
    Silences,
    /// Publications get no reply.
    DoesNotAnswer,
}

#[derive(Default)]
struct Room {
    log: Vec<(String, Value)>,
    members: Vec<u64>,
    ghosts: usize,
}

#[derive(Default)]
struct State {
    rooms: HashMap<String, Room>,
    links: HashMap<u64, Link>,
    deliveries: u64,
    connections: u64,
    done: bool,
}

struct Link {
    out: UnboundedSender<String>,
    /// Positions that this connection never receives, by no request.
    lost: Vec<std::ops::RangeInclusive<u64>>,
    /// A frame that waits until the next one has overtaken it.
    waits: Option<String>,
    /// The content of the connection's next delivery, instead of the right one.
    instead: Option<(String, Value)>,
}

#[derive(Clone)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    fault: Fault,
    pub(crate) url: String,
}

impl Server {
    pub(crate) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/local", listener.local_addr().unwrap());
        let server = Self { state: Arc::default(), fault, url };
        let serves = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serves.clone().serve(stream));
            }
        });
        server
    }

    #[allow(clippy::result_large_err, reason = "the library's own type")]
    async fn serve(self, stream: TcpStream) {
        let accept = |_: &Request, mut response: Response| {
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("rooms.v1"));
            Ok(response)
        };
        let Ok(socket) = accept_hdr_async(stream, accept).await else { return };
        let (mut sink, mut source) = socket.split();
        let (out, mut outgoing) = unbounded_channel::<String>();
        let id = {
            let mut state = self.state.lock().unwrap();
            state.connections += 1;
            let id = state.connections;
            state.links.insert(id, Link { out, lost: Vec::new(), waits: None, instead: None });
            id
        };
        let writing = tokio::spawn(async move {
            while let Some(text) = outgoing.recv().await {
                if let Some(ms) = text.strip_prefix("sleep ") {
                    tokio::time::sleep(Duration::from_millis(ms.parse().unwrap())).await;
                } else if sink.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
        });
        while let Some(Ok(message)) = source.next().await {
            match message {
                Message::Text(text) => self.hear(id, &serde_json::from_str(&text).unwrap()),
                Message::Close(_) => break,
                _ => {}
            }
        }
        self.forget(id);
        let _ = writing.await;
    }

    fn forget(&self, id: u64) {
        let mut state = self.state.lock().unwrap();
        state.links.remove(&id);
        for room in state.rooms.values_mut() {
            let before = room.members.len();
            room.members.retain(|member| *member != id);
            room.ghosts += (before - room.members.len()) * usize::from(self.fault == Fault::KeepsGhosts);
        }
    }

    fn hear(&self, id: u64, request: &Value) {
        let mut state = self.state.lock().unwrap();
        let name = request["room"].as_str().unwrap_or_default().to_owned();
        let reply = match request["action"].as_str().unwrap() {
            "join" => state.join(id, &name, &request["since"], self.fault),
            "sync" => {
                let rooms = request["rooms"].as_object().unwrap();
                let join = |(name, since): (&String, &Value)| (name.clone(), state.join(id, name, since, self.fault));
                json!({ "rooms": rooms.iter().map(join).collect::<serde_json::Map<_, _>>() })
            }
            "leave" => {
                if self.fault != Fault::ForgetsLeaves {
                    state.room(&name).members.retain(|member| *member != id);
                }
                json!({ "room": name })
            }
            "who" => {
                let room = state.room(&name);
                json!({ "room": name, "members": room.members.len() + room.ghosts, "users": [] })
            }
            "ping" => return state.pong(id, &request["at"]),
            "publish" => {
                let pid = request["pid"].as_str().unwrap_or_default().to_owned();
                if request["ephemeral"] == true {
                    return state.say(&name);
                }
                if !state.room(&name).log.iter().any(|(known, _)| *known == pid) {
                    state.publish(&name, &pid, &request["data"], self.fault);
                }
                if self.fault == Fault::DoesNotAnswer {
                    return;
                }
                json!({ "accepted": [pid] })
            }
            other => panic!("{other}"),
        };
        state.send(id, json!({ "id": request["id"], "ok": reply }).to_string());
    }
}

impl State {
    fn room(&mut self, name: &str) -> &mut Room {
        self.rooms.entry(name.to_owned()).or_default()
    }

    fn send(&self, id: u64, text: String) {
        if let Some(link) = self.links.get(&id) {
            let _ = link.out.send(text);
        }
    }

    fn join(&mut self, id: u64, name: &str, since: &Value, fault: Fault) -> Value {
        let lost = self.links[&id].lost.clone();
        let room = self.room(name);
        if !room.members.contains(&id) {
            room.members.push(id);
        }
        let (head, members) = (room.log.len() as u64, room.members.len());
        let mut reply = json!({ "room": name, "ep": "e1", "seq": head, "members": members });
        if let Some(since) = since["seq"].as_u64() {
            let silent = fault == Fault::Silences && room.members.get(1) == Some(&id);
            let is_lost = |at: &u64| silent || lost.iter().any(|range| range.contains(at));
            let blocks: Vec<Value> = (since + 1..=head)
                .filter(|at| !is_lost(at))
                .map(|at| block(name, at, &room.log[at as usize - 1]))
                .collect();
            reply["recovered"] = true.into();
            reply["b"] = blocks.into();
        }
        reply
    }

    fn pong(&mut self, id: u64, at: &Value) {
        let mut behind = serde_json::Map::new();
        for (name, position) in at.as_object().unwrap() {
            let head = self.room(name).log.len() as u64;
            if head > position["seq"].as_u64().unwrap() {
                behind.insert(name.clone(), json!({ "ep": "e1", "seq": head }));
            }
        }
        self.send(id, json!({ "sys": "pong", "behind": behind }).to_string());
    }

    fn say(&mut self, name: &str) {
        let frame = json!({ "b": [{ "room": name, "e": [{ "by": "x", "data": 1 }] }] }).to_string();
        for member in self.room(name).members.clone() {
            self.send(member, frame.clone());
        }
    }

    fn publish(&mut self, name: &str, pid: &str, data: &Value, fault: Fault) {
        self.append(name, pid, data, fault);
        let reached = |n: u64| self.deliveries >= n && !self.done;
        match fault {
            Fault::SequencesTwice(n) if reached(n) => {
                self.done = true;
                self.append(name, pid, data, fault);
            }
            Fault::Phantom(n) if reached(n) => {
                self.done = true;
                self.append(name, "nobody.published.this", data, fault);
            }
            _ => {}
        }
    }

    fn append(&mut self, name: &str, pid: &str, data: &Value, fault: Fault) {
        let room = self.room(name);
        room.log.push((pid.to_owned(), data.clone()));
        let at = room.log.len() as u64;
        for (n, member) in room.members.clone().into_iter().enumerate() {
            self.deliver(member, n, name, at, fault);
        }
    }

    fn deliver(&mut self, id: u64, n: usize, name: &str, at: u64, fault: Fault) {
        self.deliveries += 1;
        let now = self.deliveries;
        let mut said = self.room(name).log[at as usize - 1].clone();
        let Some(link) = self.links.get_mut(&id) else { return };
        let other = link.instead.take();
        if let Some(other) = other {
            said = other;
        }
        if link.lost.iter().any(|range| range.contains(&at)) {
            return;
        }
        let text = frame(name, at, &said);
        if let Some(first) = link.waits.take() {
            let _ = link.out.send(text);
            let _ = link.out.send(first);
            return;
        }
        match fault {
            Fault::Drops(when) if when == now => return,
            Fault::Loses(when) if when == now => return link.lost.push(at..=at),
            Fault::LosesTheRest(when) if when == now => return link.lost.push(at..=u64::MAX),
            Fault::LosesTheBeginning(when) if when == now => return link.lost.push(0..=at),
            Fault::Silences if n == 1 => return,
            Fault::SwapsOnTheWire(when) if when == now => return link.waits = Some(text),
            Fault::SwapsPositions(when) if when == now => {
                // The next publication is not known yet. This one takes its place too, since the
                // test publishes in pairs.
                link.instead = Some(said);
                return self.swap(id, name, at);
            }
            Fault::Stalls(when, ms) if when == now => drop(link.out.send(format!("sleep {ms}"))),
            Fault::Repeats(when) if when == now => drop(link.out.send(text.clone())),
            Fault::ForeignRoom(when) if when == now => drop(link.out.send(frame("elsewhere", 7, &said))),
            _ => {}
        }
        let _ = link.out.send(text);
    }

    /// Delivers the previous publication at this position. The right one follows.
    fn swap(&mut self, id: u64, name: &str, at: u64) {
        // The neighbour has been delivered at its own place. So the member receives it twice, or
        // receives a phantom.
        let next = self.room(name).log[at as usize - 1].clone();
        let number: u64 = next.0.rsplit('.').next().unwrap().parse().unwrap();
        let stem = next.0.rsplit_once('.').unwrap().0;
        let text = frame(name, at, &(format!("{stem}.{}", number + 1), next.1));
        self.send(id, text);
    }
}

fn block(room: &str, at: u64, (pid, data): &(String, Value)) -> Value {
    json!({ "room": room, "ep": "e1", "seq": at, "m": [{ "id": pid, "by": "load", "at": 1_764_000_000_000_u64, "data": data }] })
}

fn frame(room: &str, at: u64, said: &(String, Value)) -> String {
    json!({ "b": [block(room, at, said)] }).to_string()
}
