//! A user that sends requests as fast as it can, on each of its connections, and checks of the
//! replies that it gets.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::limits::{CONNECTION_RATE, REQUEST_RATE, SMALL_REQUEST_UNITS};
use domain::{Charge, Code, ConnectionId, Rate, RoomId, Timestamp};
use protocol::reply::{Answer, Failure};
use protocol::server::ServerFrame;
use serde_json::{Value, json};

use crate::due::Due;
use crate::faults::Fault;
use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;
use crate::step::Torrent;

/// Publish requests sent together, and publications in each: more than a burst of the rate of a
/// user, but not on each of two connections.
const PUBLISHES: u64 = 6;
const ITEMS: usize = 10;
/// Other requests sent together, in rounds of one of each action: more than a burst of the rate.
const ROUNDS: u64 = 60;
/// Ids of its requests are above all ids that a client uses.
const FIRST_ID: u64 = 1_000_000_000;
/// Requests that are judged at the same time may have begun this far apart.
const AT_THE_SAME_TIME: Duration = Duration::from_millis(250);
/// The check that the connection is still open runs this long after the flood began.
const LOOKS_AFTER_MS: u64 = 2_500;

/// A request of a flood.
#[derive(Debug, Clone)]
struct Sent {
    connection: ConnectionId,
    text: String,
    charge: Charge,
    turn: Turn,
}

/// The number of times that a request of a flood was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Once, with all others.
    First,
    /// Once more, alone: the pause that it gets now does not depend on requests under way.
    Alone,
    /// Again, exactly when that pause ended.
    OnTime,
}

/// The state of the user that floods.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    /// The connections that the requests were sent on, in turn.
    connections: Vec<ConnectionId>,
    requests: u64,
    /// Requests without a reply.
    asked: BTreeMap<u64, Sent>,
    began: Timestamp,
    /// What the accepted requests take of the allowance.
    let_in: Duration,
    /// The last refused request, and the pause after which it may be repeated.
    refused: Option<(Sent, Duration)>,
    /// True if the client itself has sent requests since the flood began: pauses depend on them
    /// too.
    is_disturbed: bool,
}

impl Run {
    /// Sends more requests at once than the rate of a user allows, on all of its connections,
    /// bypassing the rules of the client.
    pub(crate) fn flood(&mut self, at: usize, room: &RoomId, torrent: Torrent) {
        let user = self.members[at].user_id();
        let devices = self.members.iter().filter(|member| member.user_id() == user);
        let newest: Vec<ConnectionId> =
            devices.filter_map(|device| device.links.values().next_back()).cloned().collect();
        let mut core = self.shared.lock();
        let is_open = |id: &ConnectionId| core.sockets.get(id).is_some_and(|socket| socket.open && socket.answered);
        let connections: Vec<ConnectionId> = newest.into_iter().filter(is_open).collect();
        if connections.is_empty() {
            return;
        }
        let requests = self.flood.requests;
        let (began, turns) = (core.now, connections.clone());
        self.flood = Flood { connections: connections.clone(), requests, began, ..Flood::default() };
        let bodies: Vec<(Value, Charge)> = match torrent {
            Torrent::Publications => (0..PUBLISHES).map(|n| publish(room, requests + n)).collect(),
            Torrent::Others => (0..ROUNDS).flat_map(|_| one_of_each(room)).collect(),
        };
        for ((mut body, charge), connection) in bodies.into_iter().zip(turns.iter().cycle()) {
            self.flood.requests += 1;
            let id = FIRST_ID + self.flood.requests;
            body["id"] = json!(id);
            let text = body.to_string();
            self.flood
                .asked
                .insert(id, Sent { connection: connection.clone(), text: text.clone(), charge, turn: Turn::First });
            let latency_ms = core.dice.within(1, 30);
            core.after_ms(latency_ms, Due::FromClient(connection.clone(), text));
        }
        for connection in connections {
            core.after_ms(LOOKS_AFTER_MS, Due::Flooded(connection));
        }
    }

    /// Handles a reply to the flood; returns whether the text is one. The client itself did not
    /// send the request.
    pub(crate) fn floods_hears(&mut self, connection: &ConnectionId, text: &str) -> bool {
        if !self.floods(connection) {
            return false;
        }
        let Ok(ServerFrame::Answer(Answer { id: Some(id), outcome })) = ServerFrame::parse(text) else { return false };
        let Some(sent) = self.flood.asked.remove(&id) else { return id > FIRST_ID };
        let is_on_time = sent.turn == Turn::OnTime;
        match outcome {
            Err(failure) if failure.code == Code::RateLimited => self.flood_refused(sent, &failure),
            Err(failure) if failure.code == Code::Unavailable => {}
            Err(_) => self.flood_let_in(&sent),
            Ok(_) => {
                self.note_flooded(&sent);
                self.flood_let_in(&sent);
            }
        }
        if is_on_time {
            self.shared.lock().weigh(Stake::LetIn);
        }
        self.repeat_what_was_refused();
        true
    }

    /// Returns true if this is a connection of the user that floods.
    pub(crate) fn floods(&self, connection: &ConnectionId) -> bool {
        self.flood.connections.contains(connection)
    }

    /// Records accepted publications.
    fn note_flooded(&mut self, sent: &Sent) {
        let said = serde_json::from_str::<Value>(&sent.text).unwrap_or_default();
        let Some(Ok(room)) = said["room"].as_str().map(|room| RoomId::parse(room.to_owned())) else { return };
        let ids = said["items"].as_array().into_iter().flatten().filter_map(|item| item["pid"].as_str());
        self.backend.published.extend(ids.map(|id| (room.clone(), id.to_owned())));
    }

    /// Checks that no more requests of a user are let in than the rate and one burst allow, besides
    /// one small request on each connection that was quiet before.
    fn flood_let_in(&mut self, sent: &Sent) {
        self.flood.let_in += sent.charge.takes();
        let mut core = self.shared.lock();
        let elapsed = core.now.since(self.flood.began);
        let small = REQUEST_RATE.takes(SMALL_REQUEST_UNITS) * self.flood.connections.len() as u32;
        let most = burst(sent) + small + elapsed;
        if self.flood.let_in > most && !core.faults.could(Fault::ClocksDiffer) {
            let let_in = self.flood.let_in;
            let what = format!("requests of one user that take {let_in:?} were accepted within {elapsed:?}");
            core.broke(Kind::TooFast, format!("{what}; the rate allows {most:?}"));
        }
    }

    /// Checks the pause in a refusal: it is longer than zero, and no longer than the request takes
    /// after a whole burst.
    fn flood_refused(&mut self, sent: Sent, failure: &Failure) {
        let mut core = self.shared.lock();
        if core.faults.could(Fault::ClocksDiffer) || failure.field.is_some() || self.flood.is_disturbed {
            return;
        }
        core.weigh(Stake::TooFast);
        let most = sent.charge.takes() + AT_THE_SAME_TIME;
        let pause = Duration::from_millis(failure.after_ms.unwrap_or_default());
        if pause.is_zero() || pause > most {
            let what = format!("the pause is {pause:?}, and may be at most {most:?}: {}", sent.text);
            core.broke(Kind::TooFast, what);
        }
        if sent.turn == Turn::OnTime && core.faults.is_calm() {
            let what = "a request that was repeated after its pause is refused";
            core.broke(Kind::TooFast, format!("{what} for {pause:?} more: {}", sent.text));
        }
        self.flood.refused = Some((sent, pause));
    }

    /// After every request has its reply, repeats the last refused request: at once, and exactly
    /// when the pause ends that it gets then. A pong names no request, so pings are not waited for.
    fn repeat_what_was_refused(&mut self) {
        let is_ping = |sent: &Sent| sent.charge == Charge::ping(0);
        if self.flood.asked.values().any(|sent| !is_ping(sent)) {
            return;
        }
        let Some((sent, pause)) = self.flood.refused.take().filter(|(sent, _)| !is_ping(sent)) else { return };
        let (turn, pause) = match sent.turn {
            Turn::First => (Turn::Alone, Duration::ZERO),
            Turn::Alone | Turn::OnTime => (Turn::OnTime, pause),
        };
        let (text, connection) = (sent.text.clone(), sent.connection.clone());
        let Some(id) = serde_json::from_str::<Value>(&text).unwrap_or_default()["id"].as_u64() else { return };
        self.flood.asked.insert(id, Sent { turn, ..sent });
        let mut core = self.shared.lock();
        let then = core.now.plus(pause);
        core.at(then, Due::FromClient(connection, text));
    }

    /// Records that the client itself sends a request on this connection.
    pub(crate) fn disturbs_flood(&mut self, connection: &ConnectionId) {
        if self.floods(connection) {
            self.flood.is_disturbed = true;
        }
    }

    /// Checks that a connection with too many requests is kept.
    pub(crate) fn check_flooder_stays(&self, connection: &ConnectionId) {
        let mut core = self.shared.lock();
        let open = core.sockets.get(connection).is_some_and(|socket| socket.open && socket.held);
        if core.faults.is_calm() && !open {
            core.broke(Kind::TooFast, format!("{connection} sent requests too fast and was closed"));
        }
    }
}

/// The part of the allowance that requests of this kind may use at once.
fn burst(sent: &Sent) -> Duration {
    let whole = |rate: Rate| rate.takes(rate.burst());
    if sent.charge == Charge::publications(ITEMS) { whole(CONNECTION_RATE) } else { whole(REQUEST_RATE) }
}

fn publish(room: &RoomId, number: u64) -> (Value, Charge) {
    let item = |n| json!({ "pid": format!("flood{number}-{n}"), "data": n });
    let items: Vec<Value> = (0..ITEMS).map(item).collect();
    (json!({ "action": "publish", "room": room, "items": items }), Charge::publications(ITEMS))
}

/// A request of each other action, without an effect on the memberships and the token of the
/// connection.
fn one_of_each(room: &RoomId) -> [(Value, Charge); 7] {
    [
        (json!({ "action": "history", "room": room }), Charge::history(100)),
        (json!({ "action": "who", "room": room }), Charge::who()),
        (json!({ "action": "ping" }), Charge::ping(0)),
        (json!({ "action": "sync", "rooms": {} }), Charge::sync(0)),
        (json!({ "action": "join", "room": "@somebody" }), Charge::join()),
        (json!({ "action": "leave", "room": "*" }), Charge::leave()),
        (json!({ "action": "auth", "token": "a.b.c" }), Charge::auth()),
    ]
}
