//! Records the inputs, random numbers and outputs of a client, so that clients in other languages
//! can replay them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Data, Position, PublicationId, RoomId, Sequence};
use roomcast_client::rules::{Client, Draw, Event, LinkId, Loss, NoAnswer, NotTaken, Output, Seeded, Ticket};
use serde_json::{Value, json};

/// The random numbers since the last step: the maximum and the drawn value of each.
type Drawn = Arc<Mutex<Vec<(u64, u64)>>>;

#[derive(Debug)]
struct Recorder {
    seeded: Seeded,
    drawn: Drawn,
}

impl Draw for Recorder {
    fn up_to(&mut self, most: u64) -> u64 {
        let number = self.seeded.up_to(most);
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push((most, number));
        number
    }
}

pub(crate) struct Recorded {
    client: Client,
    outputs: VecDeque<Output>,
    drawn: Drawn,
    /// The steps so far, one JSON object each, in the format of
    /// `shared/protocol/vectors/README.md`.
    pub(crate) steps: Option<Vec<Value>>,
}

impl Recorded {
    pub(crate) fn new(seed: u64) -> Self {
        let drawn = Drawn::default();
        let recorder = Recorder { seeded: Seeded::new(seed), drawn: drawn.clone() };
        let client = Client::drawing(recorder, 0).with_renewals();
        Self { client, outputs: VecDeque::new(), drawn, steps: None }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn next_wakeup_ms(&self) -> Option<u64> {
        self.client.next_wakeup_ms()
    }

    pub(crate) fn tick(&mut self, now_ms: u64) {
        self.step(now_ms, || json!({"tick": true}), |client| client.tick(now_ms));
    }

    pub(crate) fn connected(&mut self, link: LinkId, now_ms: u64) {
        self.step(now_ms, || json!({"connected": link.0}), |client| client.connected(link, now_ms));
    }

    pub(crate) fn token_lasts(&mut self, link: LinkId, lasts_ms: u64, now_ms: u64) {
        let input = || json!({"token_lasts": link.0, "lasts_ms": lasts_ms});
        self.step(now_ms, input, |client| client.token_lasts(link, lasts_ms, now_ms));
    }

    pub(crate) fn renew(&mut self, link: LinkId, token: &str, lasts_ms: Option<u64>, now_ms: u64) {
        let input = || json!({"renew": link.0, "token": token, "lasts_ms": lasts_ms});
        self.step(now_ms, input, |client| client.renew(link, token, lasts_ms, now_ms));
    }

    pub(crate) fn not_renewed(&mut self, link: LinkId, now_ms: u64) {
        self.step(now_ms, || json!({"not_renewed": link.0}), |client| client.not_renewed(link, now_ms));
    }

    pub(crate) fn closed(&mut self, link: LinkId, because: Loss, now_ms: u64) {
        let input = || json!({"closed": link.0, "because": loss(&because)});
        self.step(now_ms, input, |client| client.closed(link, because.clone(), now_ms));
    }

    pub(crate) fn received(&mut self, link: LinkId, text: &str, now_ms: u64) {
        let input = || json!({"received": link.0, "text": text});
        self.step(now_ms, input, |client| client.received(link, text, now_ms));
    }

    pub(crate) fn join(&mut self, room: &RoomId, since: Option<Position>, now_ms: u64) -> Result<(), NotTaken> {
        let input = || json!({"join": room, "since": since.as_ref().map(at)});
        self.step(now_ms, input, |client| client.join(room.clone(), since.clone(), now_ms))
    }

    pub(crate) fn leave(&mut self, room: &RoomId, now_ms: u64) {
        self.step(now_ms, || json!({"leave": room}), |client| client.leave(room, now_ms));
    }

    pub(crate) fn publish(
        &mut self,
        room: &RoomId,
        pid: &PublicationId,
        data: &Data,
        now_ms: u64,
    ) -> Result<(), NotTaken> {
        let input = || json!({"publish": room, "pid": pid, "data": data});
        self.step(now_ms, input, |client| client.publish(room.clone(), pid.clone(), data.clone(), now_ms))
    }

    pub(crate) fn history(
        &mut self,
        ticket: Ticket,
        room: &RoomId,
        before: Option<Sequence>,
        limit: usize,
        now_ms: u64,
    ) -> Result<(), NotTaken> {
        let input = || json!({"history": ticket.0, "room": room, "before": before, "limit": limit});
        self.step(now_ms, input, |client| client.history(ticket, room.clone(), before, limit, now_ms))
    }

    fn step<T: Taken>(&mut self, now_ms: u64, input: impl Fn() -> Value, call: impl Fn(&mut Client) -> T) -> T {
        let result = call(&mut self.client);
        let mut out = Vec::new();
        while let Some(output) = self.client.poll_output() {
            out.push(self.steps.is_some().then(|| written(&output)));
            self.outputs.push_back(output);
        }
        let drawn = std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        let wake_ms = self.client.next_wakeup_ms();
        if let Some(steps) = &mut self.steps {
            let mut step = json!({"ms": now_ms, "in": input(), "drew": drawn, "out": out, "wake_ms": wake_ms});
            if !result.is_taken() {
                step["taken"] = json!(false);
            }
            steps.push(step);
        }
        result
    }
}

/// Returns true if the client accepted a request.
trait Taken {
    fn is_taken(&self) -> bool {
        true
    }
}

impl Taken for () {}

impl Taken for Result<(), NotTaken> {
    fn is_taken(&self) -> bool {
        self.is_ok()
    }
}

fn at(position: &Position) -> Value {
    json!({"ep": position.epoch, "seq": position.sequence})
}

fn loss(because: &Loss) -> Value {
    match because {
        Loss::Refused { status } => json!({"status": status}),
        Loss::Failed(_) | Loss::Unreachable(_) => json!({"failed": true}),
        Loss::Closed { code } => json!({"close_code": code}),
        Loss::Silent => json!({"silent": true}),
        Loss::Told { code } => json!({"told": code}),
    }
}

fn written(output: &Output) -> Value {
    match output {
        Output::Connect(link) => json!({"connect": link.0}),
        Output::Send { link, text } => {
            let frame: Value = serde_json::from_str(text).unwrap_or_default();
            json!({"send": link.0, "frame": frame})
        }
        Output::Renew(link) => json!({"renew": link.0}),
        Output::CloseSocket(link) => json!({"close": link.0}),
        Output::Event(event) => json!({"event": told(event)}),
    }
}

fn told(event: &Event) -> Value {
    match event {
        Event::Online => json!({"online": true}),
        Event::Offline { because, retry_in_ms } => json!({"offline": loss(because), "retry_in_ms": retry_in_ms}),
        Event::Ended { because } => json!({"ended": loss(because)}),
        Event::Joined { room, head, members } => json!({"joined": room, "at": at(head), "members": members}),
        Event::Resumed { room, at: to, replayed } => json!({"resumed": room, "at": at(to), "replayed": replayed}),
        Event::Missed { room, from, to } => json!({"missed": room, "from": at(from), "to": at(to)}),
        Event::Left { room } => json!({"left": room}),
        Event::Removed { room, code } => json!({"removed": room, "code": code}),
        Event::Refused { room, failure } => json!({"refused": room, "code": failure.code.as_str()}),
        Event::Accepted { room, pid } => json!({"accepted": pid, "room": room}),
        Event::Repeated { room, pid } => json!({"repeated": pid, "room": room}),
        Event::Rejected { room, pid, failure } => {
            json!({"rejected": pid, "room": room, "code": failure.code.as_str()})
        }
        Event::Message(message) => json!({
            "message": message.pid, "room": message.room, "at": at(&message.at), "by": message.by,
            "from": message.from, "accepted_at": message.accepted_at, "data": message.data,
        }),
        Event::Ephemeral { room, by, key, from, data } => {
            json!({"ephemeral": data, "room": room, "by": by, "key": key, "from": from})
        }
        Event::Presence { room, members, users, came, went } => {
            json!({"presence": members, "room": room, "users": users, "in": came, "out": went})
        }
        Event::History { ticket, page } => {
            json!({"history": ticket.0, "page": page.as_ref().map_or_else(no_answer, |page| json!(page))})
        }
        Event::Who { ticket, page } => {
            json!({"who": ticket.0, "page": page.as_ref().map_or_else(no_answer, |page| json!(page))})
        }
    }
}

fn no_answer(why: &NoAnswer) -> Value {
    match why {
        NoAnswer::Refused(failure) => json!({"refused": failure.code.as_str()}),
        NoAnswer::Unanswered => json!({"unanswered": true}),
    }
}
