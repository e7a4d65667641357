//! One client under test: the test is its clock, its network and its server.

use std::collections::VecDeque;

use domain::{Data, Epoch, Position, PublicationId, RoomId, Sequence, UserId};
use roomcast_client::rules::{Client, Event, LinkId, Loss, Output, Ticket};
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) now_ms: u64,
    /// The newest connection.
    pub(crate) link: LinkId,
    /// The connection that the newest one replaces.
    pub(crate) replaced: Option<LinkId>,
    events: VecDeque<Event>,
    sent: VecDeque<(LinkId, Value)>,
    opened: VecDeque<LinkId>,
    closed: Vec<LinkId>,
    /// Connections for which another token was requested.
    pub(crate) renewals: Vec<LinkId>,
}

pub(crate) fn room(name: &str) -> RoomId {
    RoomId::parse(name).unwrap()
}

pub(crate) fn at(epoch: &str, sequence: u64) -> Position {
    Position { epoch: Epoch::parse(epoch).unwrap(), sequence: Sequence::new(sequence) }
}

pub(crate) fn pid(id: &str) -> PublicationId {
    PublicationId::parse(id).unwrap()
}

/// A block of `count` messages, each with its sequence as data.
pub(crate) fn block(name: &str, epoch: &str, seq: u64, count: u64) -> Value {
    let message = |n: u64| json!({"id": format!("{epoch}{n}"), "by": "bob", "at": 1_764_000_000_000_u64, "data": n});
    json!({"room": name, "ep": epoch, "seq": seq, "m": (seq..seq + count).map(message).collect::<Vec<_>>()})
}

impl Bench {
    /// A client that has requested its first connection.
    pub(crate) fn new() -> Self {
        Self::with_seed(1)
    }

    pub(crate) fn with_seed(seed: u64) -> Self {
        Self::with_client(Client::new(seed, 0))
    }

    /// A client whose tokens can be renewed.
    pub(crate) fn renewing(seed: u64) -> Self {
        Self::with_client(Client::new(seed, 0).with_renewals())
    }

    fn with_client(client: Client) -> Self {
        let mut bench = Self {
            client,
            now_ms: 0,
            link: LinkId(0),
            replaced: None,
            events: VecDeque::new(),
            sent: VecDeque::new(),
            opened: VecDeque::new(),
            closed: Vec::new(),
            renewals: Vec::new(),
        };
        bench.client.tick(0);
        bench.drain();
        bench
    }

    /// A client that is connected and has joined `lobby` at k7Qf/10. It is settled, so no work is
    /// due for minutes.
    pub(crate) fn in_lobby() -> Self {
        let mut bench = Self::new();
        bench.join("lobby");
        bench.open();
        bench.answer_sync(&[("lobby", json!({"ep": "k7Qf", "seq": 10}))]);
        bench.settle();
        bench.events.clear();
        bench
    }

    pub(crate) fn join(&mut self, name: &str) {
        self.client.join(room(name), None, self.now_ms).unwrap();
        self.drain();
    }

    pub(crate) fn leave(&mut self, name: &str) {
        self.client.leave(&room(name), self.now_ms);
        self.drain();
    }

    pub(crate) fn publish(&mut self, name: &str, id: &str) {
        self.client.publish(room(name), pid(id), Data::text(id).unwrap(), self.now_ms).unwrap();
        self.drain();
    }

    pub(crate) fn history(&mut self, ticket: u64, name: &str) {
        self.client.history(Ticket(ticket), room(name), None, 20, self.now_ms).unwrap();
        self.drain();
    }

    pub(crate) fn who(&mut self, ticket: u64, name: &str, after: Option<&str>) {
        let after = after.map(|name| UserId::parse(name).unwrap());
        self.client.who(Ticket(ticket), room(name), after, 20, self.now_ms).unwrap();
        self.drain();
    }

    /// Opens the requested connection.
    pub(crate) fn open(&mut self) -> LinkId {
        let link = self.opened.pop_front().expect("no connection was asked for");
        self.replaced = Some(std::mem::replace(&mut self.link, link));
        self.client.connected(self.link, self.now_ms);
        self.drain();
        self.link
    }

    /// Sets the remaining life of the newest connection's token.
    pub(crate) fn token_lasts(&mut self, lasts_ms: u64) {
        self.client.token_lasts(self.link, lasts_ms, self.now_ms);
        self.drain();
    }

    pub(crate) fn renew(&mut self, link: LinkId, token: &str, lasts_ms: Option<u64>) {
        self.client.renew(link, token, lasts_ms, self.now_ms);
        self.drain();
    }

    pub(crate) fn not_renewed(&mut self, link: LinkId) {
        self.client.not_renewed(link, self.now_ms);
        self.drain();
    }

    /// Fails the requested connection.
    pub(crate) fn fail(&mut self, because: Loss) {
        let link = self.opened.pop_front().expect("no connection was asked for");
        self.client.closed(link, because, self.now_ms);
        self.drain();
    }

    /// Loses the newest connection.
    pub(crate) fn reset(&mut self) {
        self.client.closed(self.link, Loss::Failed("reset".to_owned()), self.now_ms);
        self.drain();
    }

    pub(crate) fn receive(&mut self, frame: &Value) {
        self.receive_on(self.link, &frame.to_string());
    }

    pub(crate) fn receive_on(&mut self, link: LinkId, text: &str) {
        self.client.received(link, text, self.now_ms);
        self.drain();
    }

    /// Delivers live publications.
    pub(crate) fn hear(&mut self, name: &str, epoch: &str, seq: u64, count: u64) {
        self.receive(&json!({"b": [block(name, epoch, seq, count)]}));
    }

    /// Lets time pass, with each wake-up at its time.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while let Some(at) = self.client.next_wakeup_ms().filter(|at| *at <= until) {
            self.now_ms = self.now_ms.max(at);
            self.client.tick(self.now_ms);
            self.drain();
        }
        self.now_ms = until;
    }

    /// Lets time pass, with each wake-up at its time. Each ping gets an empty pong at once.
    pub(crate) fn pass_answering_pings(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while let Some(at) = self.client.next_wakeup_ms().filter(|at| *at <= until) {
            self.pass(at.saturating_sub(self.now_ms));
            let is_ping = |(_, message): &(LinkId, Value)| message["action"] == "ping";
            let (pings, others) = std::mem::take(&mut self.sent).into_iter().partition::<VecDeque<_>, _>(is_ping);
            self.sent = others;
            pings.into_iter().for_each(|_| self.pong(&json!({})));
        }
        self.now_ms = until;
    }

    /// Lets time pass without any wake-up, then does the work that is due.
    pub(crate) fn sleep(&mut self, ms: u64) {
        self.now_ms += ms;
        self.client.tick(self.now_ms);
        self.drain();
    }

    /// Moves to the next wake-up. Returns the time until it.
    pub(crate) fn pass_to_wakeup(&mut self) -> u64 {
        let before = self.now_ms;
        let at = self.client.next_wakeup_ms().expect("nothing is due");
        self.pass(at.saturating_sub(before));
        self.now_ms - before
    }

    /// Takes the next message that was sent.
    pub(crate) fn sent(&mut self) -> Value {
        self.sent.pop_front().expect("nothing was sent").1
    }

    /// Takes the next message that was sent, which must be this action. Returns its id and the
    /// message.
    pub(crate) fn asked(&mut self, action: &str) -> (u64, Value) {
        let message = self.sent();
        assert_eq!(message["action"], action, "{message}");
        (message["id"].as_u64().expect("no id"), message)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.sent.is_empty()
    }

    pub(crate) fn nothing_sent(&self) {
        assert!(self.sent.is_empty(), "{:?}", self.sent);
    }

    /// Answers the sync that was sent, with a reply for each room.
    pub(crate) fn answer_sync(&mut self, rooms: &[(&str, Value)]) {
        let (id, _) = self.asked("sync");
        let part = |(name, reply): &(&str, Value)| {
            let mut reply = reply.clone();
            reply["room"] = json!(name);
            ((*name).to_owned(), reply)
        };
        let rooms: serde_json::Map<String, Value> = rooms.iter().map(part).collect();
        self.receive(&json!({"id": id, "ok": {"rooms": rooms}}));
    }

    pub(crate) fn ok(&mut self, id: u64, ok: &Value) {
        self.receive(&json!({"id": id, "ok": ok}));
    }

    pub(crate) fn refuse(&mut self, id: u64, code: &str, after_ms: Option<u64>) {
        let retry = code == "rate_limited" || code == "unavailable";
        let err = json!({"code": code, "retry": retry, "after_ms": after_ms, "message": "no", "field": "room"});
        self.receive(&json!({"id": id, "err": err}));
    }

    pub(crate) fn pong(&mut self, behind: &Value) {
        self.receive(&json!({"sys": "pong", "behind": behind}));
    }

    /// Answers both pings that follow a join.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2 {
            self.pass_to_wakeup();
            self.asked("ping");
            self.pong(&json!({}));
        }
        self.nothing_sent();
    }

    /// Answers the pings that were sent. No other message may have been sent.
    pub(crate) fn answer_pings(&mut self) {
        while let Some((_, message)) = self.sent.pop_front() {
            assert_eq!(message["action"], "ping", "{message}");
            self.pong(&json!({}));
        }
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// The sequences of the messages that the application received. It must have received no other
    /// event.
    pub(crate) fn heard(&mut self) -> Vec<u64> {
        let heard = |event: Event| match event {
            Event::Message(message) => message.at.sequence.get(),
            other => panic!("{other:?}"),
        };
        self.events().into_iter().map(heard).collect()
    }

    pub(crate) fn closed(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.closed)
    }

    pub(crate) fn is_opening(&self) -> bool {
        !self.opened.is_empty()
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect(link) => self.opened.push_back(link),
                Output::Send { link, text } => self.sent.push_back((link, serde_json::from_str(&text).unwrap())),
                Output::Renew(link) => self.renewals.push(link),
                Output::CloseSocket(link) => self.closed.push(link),
                Output::Event(event) => self.events.push_back(event),
            }
        }
    }
}
