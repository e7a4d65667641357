//! A client, the model server, and a network between them that loses, repeats, delays and cuts. The
//! test sets the faults. Everything follows from one seed, in virtual time.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Code, Data, PublicationId, RoomId};
use roomcast_client::rules::{Event, LinkId, Loss, Output, Ticket};

use crate::model::{Sequenced, Server};
use crate::recorded::Recorded;

/// The faults of the network and of the server: chances in percent, times in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// A delivery is lost.
    pub(crate) lost: u64,
    /// A delivery arrives twice.
    pub(crate) twice: u64,
    /// Maximum extra delay of each delivery.
    pub(crate) delay_ms: u64,
    /// A request is served, but its reply is lost.
    pub(crate) unanswered: u64,
    /// A request is not served: it is refused for the moment, answered by the gateway, or lost.
    pub(crate) unserved: u64,
    /// Maximum extra delay of each request and reply.
    pub(crate) reply_delay_ms: u64,
    /// A connection does not open.
    pub(crate) unopened: u64,
    /// The fan-out sees a membership only after this time.
    pub(crate) lag_ms: u64,
}

/// An event at a time.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    Opens(LinkId),
    DoesNotOpen(LinkId),
    Served(LinkId, String),
    Received(LinkId, String),
    Closed(LinkId),
    Token(LinkId),
    NoToken(LinkId),
    Do(Step),
}

/// An action of the client, the server or the network.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Join(usize),
    Leave(usize),
    /// The client publishes.
    Publish(usize),
    /// Other publishers send so many publications.
    Others(usize, usize),
    /// The connection is cut.
    Cut,
    /// The connection goes silent without a close.
    Freeze,
    /// The server deletes the connection.
    Forget,
    /// The room's history restarts in another epoch.
    Restart(usize),
    /// The room's rows expire.
    Expire(usize),
    History(usize),
    /// The server sends this frame on the newest connection.
    Frame(String),
    /// The server sends this frame on the oldest open connection.
    FrameOnTheOldest(String),
}

pub(crate) struct World {
    pub(crate) client: Recorded,
    pub(crate) server: Server,
    pub(crate) now_ms: u64,
    pub(crate) faults: Faults,
    pub(crate) heard: Vec<(u64, Event)>,
    pub(crate) published: Vec<(RoomId, PublicationId)>,
    /// Rooms that the application has joined.
    pub(crate) wanted: BTreeSet<RoomId>,
    /// The number of accepted questions for history.
    pub(crate) questions: usize,
    /// Every message to and from the client, in order.
    pub(crate) trace: Vec<String>,
    pub(crate) open: BTreeSet<LinkId>,
    pub(crate) most_open: usize,
    frozen: BTreeSet<LinkId>,
    forgotten: BTreeSet<LinkId>,
    agenda: BTreeMap<(u64, u64), Happening>,
    random: u64,
    count: u64,
}

pub(crate) fn rooms() -> Vec<RoomId> {
    ["lobby", "team:7", "@ada"].map(|name| RoomId::parse(name).unwrap()).to_vec()
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            client: Recorded::new(seed),
            server: Server::default(),
            now_ms: 0,
            faults,
            heard: Vec::new(),
            published: Vec::new(),
            wanted: BTreeSet::new(),
            questions: 0,
            trace: Vec::new(),
            open: BTreeSet::new(),
            most_open: 0,
            frozen: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            agenda: BTreeMap::new(),
            random: seed.wrapping_mul(2).wrapping_add(1),
            count: 0,
        }
    }

    pub(crate) fn at(&mut self, at_ms: u64, happening: Happening) {
        self.count += 1;
        self.agenda.insert((at_ms.max(self.now_ms), self.count), happening);
    }

    /// Runs until this time.
    pub(crate) fn run_until(&mut self, until_ms: u64) {
        let mut idle = 0;
        loop {
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let wake = self.client.next_wakeup_ms();
            let Some(at) = next.into_iter().chain(wake).min().filter(|at| *at <= until_ms) else { break };
            idle = if at > self.now_ms { 0 } else { idle + 1 };
            assert!(idle < 10_000, "time stands still at {}", self.now_ms);
            self.now_ms = self.now_ms.max(at);
            if wake.is_some_and(|wake| wake <= self.now_ms) {
                self.client.tick(self.now_ms);
            } else if let Some((_, happening)) = self.agenda.pop_first() {
                self.happen(happening);
            }
            self.carry_out();
        }
        self.now_ms = until_ms;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Opens(link) => {
                self.open.insert(link);
                self.most_open = self.most_open.max(self.open.len());
                self.client.connected(link, self.now_ms);
                self.client.token_lasts(link, crate::model::TOKEN_MS, self.now_ms);
            }
            Happening::DoesNotOpen(link) => self.client.closed(link, Loss::Refused { status: 503 }, self.now_ms),
            Happening::Token(link) => self.client.renew(link, "a.b.c", Some(crate::model::TOKEN_MS), self.now_ms),
            Happening::NoToken(link) => self.client.not_renewed(link, self.now_ms),
            Happening::Served(link, text) => self.serve(link, &text),
            Happening::Received(link, text) if self.passes(link) => {
                self.trace.push(format!("{} < {text}", self.now_ms));
                self.client.received(link, &text, self.now_ms);
            }
            Happening::Received(..) => {}
            Happening::Closed(link) => self.client.closed(link, Loss::Closed { code: Some(1001) }, self.now_ms),
            Happening::Do(step) => self.act(&step),
        }
    }

    fn act(&mut self, step: &Step) {
        let rooms = rooms();
        let newest = self.open.last().copied();
        match step {
            Step::Join(room) => {
                self.client.join(&rooms[*room], None, self.now_ms).unwrap();
                self.wanted.insert(rooms[*room].clone());
            }
            Step::Leave(room) => {
                self.client.leave(&rooms[*room], self.now_ms);
                self.wanted.remove(&rooms[*room]);
            }
            Step::Publish(room) => {
                let (pid, data) = self.publication("own");
                if self.client.publish(&rooms[*room], &pid, &data, self.now_ms).is_ok() {
                    self.published.push((rooms[*room].clone(), pid));
                }
            }
            Step::Others(room, count) => {
                for _ in 0..*count {
                    let (pid, data) = self.publication("other");
                    let lag_ms = self.faults.lag_ms;
                    let sequenced = self.server.publish(&rooms[*room], &pid, &data, self.now_ms, lag_ms);
                    sequenced.into_iter().for_each(|sequenced| self.fan_out(&sequenced));
                }
            }
            Step::Cut => {
                if let Some(link) = newest {
                    self.open.remove(&link);
                    self.at(self.now_ms, Happening::Closed(link));
                }
            }
            Step::Freeze => self.frozen.extend(newest),
            Step::Forget => {
                self.forgotten.extend(newest);
                newest.into_iter().for_each(|link| self.server.forget(link));
            }
            Step::Restart(room) => self.server.restart(&rooms[*room]),
            Step::Expire(room) => {
                let log = self.server.log(&rooms[*room]);
                log.expired_through = log.rows.len() as u64;
            }
            Step::History(room) => {
                self.count += 1;
                let ticket = Ticket(self.count);
                let taken = self.client.history(ticket, &rooms[*room], None, 5, self.now_ms);
                self.questions += usize::from(taken.is_ok());
            }
            Step::Frame(text) => newest.into_iter().for_each(|link| self.say(link, text)),
            Step::FrameOnTheOldest(text) => {
                self.open.first().copied().into_iter().for_each(|link| self.say(link, text));
            }
        }
    }

    fn say(&mut self, link: LinkId, text: &str) {
        let at = self.now_ms + 20 + self.up_to(self.faults.delay_ms);
        self.at(at, Happening::Received(link, text.to_owned()));
    }

    fn publication(&mut self, prefix: &str) -> (PublicationId, Data) {
        self.count += 1;
        (
            PublicationId::parse(format!("{prefix}{}", self.count)).unwrap(),
            Data::parse(&self.count.to_string()).unwrap(),
        )
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect(link) => {
                    let at = self.now_ms + 20 + self.up_to(self.faults.reply_delay_ms / 10);
                    let opens = !self.chance(self.faults.unopened);
                    self.at(at, if opens { Happening::Opens(link) } else { Happening::DoesNotOpen(link) });
                }
                Output::Send { link, text } => {
                    self.trace.push(format!("{} > {text}", self.now_ms));
                    let at = self.now_ms + 5 + self.up_to(self.faults.reply_delay_ms / 2);
                    self.at(at, Happening::Served(link, text));
                }
                Output::Renew(link) if self.chance(self.faults.unopened) => {
                    self.at(self.now_ms + 5, Happening::NoToken(link));
                }
                Output::Renew(link) => self.at(self.now_ms + 5, Happening::Token(link)),
                Output::CloseSocket(link) => {
                    self.open.remove(&link);
                    self.server.forget(link);
                }
                Output::Event(event) => self.heard.push((self.now_ms, event)),
            }
        }
    }

    fn serve(&mut self, link: LinkId, text: &str) {
        if !self.passes(link) {
            return;
        }
        let back = self.now_ms + 5 + self.up_to(self.faults.reply_delay_ms / 2);
        if self.forgotten.contains(&link) {
            let text = Server::refuse(text, Code::NotConnected);
            return self.at(back, Happening::Received(link, text));
        }
        if self.chance(self.faults.unserved) {
            let text = match self.up_to(2) {
                0 => return,
                1 => Server::refuse(text, Code::Unavailable),
                _ => r#"{"message": "Internal server error", "connectionId":"c", "requestId":"r"}"#.to_owned(),
            };
            return self.at(back, Happening::Received(link, text));
        }
        let (reply, published) = self.server.serve(link, text, self.now_ms, self.faults.lag_ms);
        if !self.chance(self.faults.unanswered) {
            self.at(back, Happening::Received(link, reply));
        }
        published.iter().for_each(|sequenced| self.fan_out(sequenced));
    }

    fn fan_out(&mut self, sequenced: &Sequenced) {
        let text = serde_json::json!({"b": [sequenced.block]}).to_string();
        for link in &sequenced.to {
            let times = if self.chance(self.faults.twice) { 2 } else { 1 };
            for _ in 0..times {
                if !self.chance(self.faults.lost) {
                    let at = self.now_ms + 20 + self.up_to(self.faults.delay_ms);
                    self.at(at, Happening::Received(*link, text.clone()));
                }
            }
        }
    }

    fn passes(&self, link: LinkId) -> bool {
        self.open.contains(&link) && !self.frozen.contains(&link)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.up_to(99) < percent
    }

    /// A small generator (Marsaglia's xorshift) of the test itself; the client has another one.
    fn up_to(&mut self, most: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % (most + 1)
    }
}
