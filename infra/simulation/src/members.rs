//! Members: real client rules, each with a network of its own.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConnectionId, Data, Position, PublicationId, RoomId, UserId};
use protocol::block::AnyBlock;
use protocol::server::ServerFrame;
use roomcast_client::rules::{Client, Event, LinkId, Loss, Output};

use crate::check::{Broken, Heard, Kind};
use crate::core::Due;
use crate::faults::Fault;
use crate::gateway::Socket;
use crate::run::{Mistake, Run};

/// So long after it was left a room may still be heard on the wire: its index lags 5 s, a job that has read it runs for 5 s,
/// and a slow post takes 5 s.
const HEARD_AFTER_LEAVE_MS: u64 = 16_000;
/// A client waits so long for the answer to its handshake.
const CONNECT_TIMEOUT_MS: u64 = 15_000;
/// A client settles within this after joining.
const SETTLES_MS: u64 = 15_000;

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    /// Whose it is.
    pub(crate) user: &'static str,
    seed: u64,
    client: Option<Client>,
    links: BTreeMap<LinkId, ConnectionId>,
    wanted: BTreeSet<RoomId>,
    unanswered: BTreeSet<(RoomId, PublicationId)>,
    lives: Vec<Heard>,
    wakes_at_ms: Option<u64>,
    joined_at_ms: u64,
}

impl Member {
    /// One that has not begun.
    #[must_use]
    pub(crate) fn new(at: usize, user: &'static str, seed: u64) -> Self {
        Self {
            user,
            seed: seed ^ (at as u64) << 32,
            client: None,
            links: BTreeMap::new(),
            wanted: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            lives: Vec::new(),
            wakes_at_ms: None,
            joined_at_ms: 0,
        }
    }

    /// Whose it is.
    #[must_use]
    pub(crate) fn user_id(&self) -> UserId {
        testkit::samples::user(self.user)
    }

    /// Whether its application runs.
    #[must_use]
    pub(crate) fn is_up(&self) -> bool {
        self.client.is_some()
    }

    /// What it heard in this life, or the last one.
    ///
    /// # Panics
    /// Before the first.
    #[must_use]
    pub(crate) fn heard(&self) -> &Heard {
        &self.lives[self.lives.len() - 1]
    }

    /// What it heard in each of its lives.
    #[must_use]
    pub(crate) fn lives(&self) -> &[Heard] {
        &self.lives
    }

    /// Rooms it wants to hear.
    #[must_use]
    pub(crate) fn wanted(&self) -> &BTreeSet<RoomId> {
        &self.wanted
    }

    /// What it published in this life, and has no answer for.
    #[must_use]
    pub(crate) fn unanswered(&self) -> &BTreeSet<(RoomId, PublicationId)> {
        &self.unanswered
    }

    /// How many publications it was told of.
    #[must_use]
    pub(crate) fn heard_in_all(&self) -> u64 {
        self.lives.iter().map(|heard| heard.messages().len() as u64).sum()
    }

    fn newest(&self) -> Option<ConnectionId> {
        self.links.last_key_value().map(|(_, connection)| connection.clone())
    }

    fn link_of(&self, connection: &ConnectionId) -> Option<LinkId> {
        self.links.iter().find(|(_, one)| *one == connection).map(|(link, _)| *link)
    }
}

impl Run {
    /// An application begins, where it had ended.
    pub(crate) fn begin(&mut self, at: usize) {
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        if member.client.is_some() {
            return;
        }
        member.seed = member.seed.wrapping_add(1);
        let mut client = Client::new(member.seed, now_ms);
        let before: BTreeMap<RoomId, Position> = member
            .wanted
            .iter()
            .filter_map(|room| Some((room.clone(), member.lives.last()?.position(room)?.clone())))
            .collect();
        member.lives.push(Heard::default());
        let last = member.lives.len() - 1;
        for room in &member.wanted {
            let since = before.get(room).cloned();
            member.lives[last].asks(room, since.clone());
            // 3 rooms are fewer than a connection may be in.
            let _ = client.join(room.clone(), since, now_ms);
        }
        member.client = Some(client);
        self.carry_out(at);
        self.wake(at);
    }

    pub(crate) fn join(&mut self, at: usize, room: RoomId) {
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        member.wanted.insert(room.clone());
        member.joined_at_ms = now_ms;
        if let Some(client) = &mut member.client {
            let _ = client.join(room, None, now_ms);
        }
        self.carry_out(at);
    }

    pub(crate) fn leave(&mut self, at: usize, room: &RoomId) {
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        member.wanted.remove(room);
        if let Some(client) = &mut member.client {
            client.leave(room, now_ms);
        }
        self.carry_out(at);
    }

    pub(crate) fn publish(&mut self, at: usize, room: RoomId, id: Option<&str>) {
        self.published += 1;
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        let pid = id.map_or_else(|| format!("p{}", self.published), |id| format!("{id}-{}", room.as_str().len()));
        let (pid, data) = (testkit::samples::publication_id(&pid), format!("\"{} in {room}\"", self.published));
        // An id is used once by each user: what it says is for others to use it, too.
        let again =
            id.is_some() && member.lives.iter().any(|heard| heard.accepted().contains(&(room.clone(), pid.clone())));
        let data = if id.is_some() { format!("\"{} says the same\"", member.user) } else { data };
        let Ok(data) = Data::parse(&data) else { return };
        if let Some(client) = member.client.as_mut().filter(|_| !again)
            && client.publish(room.clone(), pid.clone(), data, now_ms).is_ok()
        {
            member.unanswered.insert((room, pid));
        }
        self.carry_out(at);
    }

    /// The network ends the newest connection of a member, and both sides know.
    pub(crate) fn reset(&mut self, at: usize) {
        let Some(connection) = self.members[at].newest() else { return };
        let opening = self.shared.lock().sockets.get(&connection).is_some_and(|socket| socket.opening);
        if opening {
            return;
        }
        self.lost_by_client(&connection, &Loss::Failed("reset".to_owned()));
        self.shared.lock().after_ms(5, Due::ClosedFrom(connection));
    }

    pub(crate) fn vanish(&mut self, at: usize) {
        let Some(connection) = self.members[at].newest() else { return };
        let mut core = self.shared.lock();
        let Some(socket) = core.sockets.get_mut(&connection).filter(|socket| socket.open) else { return };
        socket.black_hole = true;
        core.faults.note(Fault::BlackHole);
        drop(core);
        self.lost_silently = true;
    }

    pub(crate) fn cut(&mut self, at: usize) {
        let Some(connection) = self.members[at].newest() else { return };
        let mut core = self.shared.lock();
        core.faults.note(Fault::Cut);
        core.close(&connection);
    }

    pub(crate) fn restart(&mut self, at: usize, away_ms: u64) {
        let member = &mut self.members[at];
        if let Some(mut client) = member.client.take() {
            client.stop();
            member.unanswered.clear();
            let links = std::mem::take(&mut member.links);
            let mut core = self.shared.lock();
            for connection in links.into_values() {
                if let Some(socket) = core.sockets.get_mut(&connection) {
                    socket.held = false;
                }
                core.after_ms(5, Due::ClosedFrom(connection));
            }
        }
        self.shared.lock().after_ms(away_ms, Due::Begin(at));
    }

    pub(crate) fn wake(&mut self, at: usize) {
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        if member.wakes_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            member.wakes_at_ms = None;
        }
        if let Some(client) = &mut member.client
            && client.next_wakeup_ms().is_some_and(|at_ms| at_ms <= now_ms)
        {
            client.tick(now_ms);
        }
        self.carry_out(at);
    }

    /// A client does not wait for ever for the answer to a handshake.
    pub(crate) fn waited_for(&mut self, connection: &ConnectionId) {
        let waits = self.shared.lock().sockets.get(connection).is_some_and(|socket| socket.held && !socket.answered);
        if waits {
            self.give_up(connection, &Loss::Failed("the server did not answer the handshake".to_owned()));
            self.shared.lock().after_ms(5, Due::ClosedFrom(connection.clone()));
        }
    }

    pub(crate) fn opened_to(&mut self, connection: &ConnectionId) {
        let Some((at, link)) = self.holder(connection) else { return };
        if let Some(socket) = self.shared.lock().sockets.get_mut(connection) {
            socket.answered = true;
        }
        let now_ms = self.now_ms();
        if let Some(client) = &mut self.members[at].client {
            client.connected(link, now_ms);
        }
        self.carry_out(at);
    }

    pub(crate) fn refused_to(&mut self, connection: &ConnectionId, status: u16) {
        self.lost_by_client(connection, &Loss::Refused { status });
    }

    pub(crate) fn closed_to(&mut self, connection: &ConnectionId) {
        self.lost_by_client(connection, &Loss::Closed { code: Some(1000) });
    }

    /// Its client learns that a connection has ended.
    pub(crate) fn lost_by_client(&mut self, connection: &ConnectionId, because: &Loss) {
        if self.holder(connection).is_some() {
            self.give_up(connection, because);
        }
    }

    fn give_up(&mut self, connection: &ConnectionId, because: &Loss) {
        let at = match self.shared.lock().sockets.get_mut(connection) {
            Some(socket) => {
                socket.held = false;
                socket.member
            }
            None => return,
        };
        let Some(link) = self.members[at].link_of(connection) else { return };
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        member.links.remove(&link);
        if let Some(client) = &mut member.client {
            client.closed(link, because.clone(), now_ms);
        }
        self.carry_out(at);
    }

    pub(crate) fn hears(&mut self, connection: &ConnectionId, text: &str) {
        self.check_the_wire(connection, text);
        let Some((at, link)) = self.holder(connection) else { return };
        if self.mistake == Some(Mistake::HoldDropped) && self.is_above_a_gap(at, text) {
            return;
        }
        let now_ms = self.now_ms();
        self.shared.lock().tell(|| format!("{connection} < {text}"));
        if let Some(client) = &mut self.members[at].client {
            client.received(link, text, now_ms);
        }
        self.carry_out(at);
    }

    /// Whose client takes a connection for open.
    fn holder(&self, connection: &ConnectionId) -> Option<(usize, LinkId)> {
        let core = self.shared.lock();
        let socket = core.sockets.get(connection).filter(|socket| socket.held && !socket.black_hole)?;
        let link = self.members[socket.member].link_of(connection)?;
        Some((socket.member, link))
    }

    fn is_above_a_gap(&self, at: usize, text: &str) -> bool {
        let Ok(ServerFrame::Blocks(blocks)) = ServerFrame::parse(text) else { return false };
        blocks.iter().any(|block| match block {
            AnyBlock::Run(block) => {
                let heard = self.members[at].heard().position(&block.room);
                heard.is_some_and(|heard| heard.epoch == block.ep && block.seq > heard.sequence.next())
            }
            _ => false,
        })
    }

    /// What is posted of a room goes to who is in it, or was a moment ago.
    fn check_the_wire(&self, connection: &ConnectionId, text: &str) {
        let Ok(ServerFrame::Blocks(blocks)) = ServerFrame::parse(text) else { return };
        let now = self.now();
        for block in blocks {
            let AnyBlock::Run(block) = block else { continue };
            let room = block.room;
            if room.inbox_owner().is_some() || room.is_everyone() {
                continue;
            }
            match self.belonged.get(&(connection.clone(), room.clone())) {
                None => self.shared.lock().broke(Kind::CrossRoom, format!("{connection} never was in {room}: {text}")),
                Some(Some(left)) if now.since(*left).as_millis() > u128::from(HEARD_AFTER_LEAVE_MS) => {
                    let ago = now.since(*left);
                    let what = format!("{connection} left {room} {ago:?} ago: {text}");
                    self.shared.lock().broke(Kind::LateAfterLeave, what);
                }
                Some(_) => {}
            }
        }
    }

    /// Does what a client says.
    pub(crate) fn carry_out(&mut self, at: usize) {
        while let Some(output) = self.members[at].client.as_mut().and_then(Client::poll_output) {
            match output {
                Output::Connect(link) => self.connect(at, link),
                Output::Send { link, text } => self.send(at, link, text),
                Output::CloseSocket(link) => {
                    if let Some(connection) = self.members[at].links.remove(&link) {
                        let mut core = self.shared.lock();
                        if let Some(socket) = core.sockets.get_mut(&connection) {
                            socket.held = false;
                            if !socket.black_hole {
                                core.after_ms(5, Due::ClosedFrom(connection));
                            }
                        }
                    }
                }
                Output::Renew(_) => {}
                Output::Event(event) => self.told(at, &event),
            }
        }
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        let wakes = member.client.as_ref().and_then(Client::next_wakeup_ms).map(|at_ms| at_ms.max(now_ms));
        if let Some(wakes_ms) = wakes.filter(|wakes_ms| member.wakes_at_ms.is_none_or(|before| *wakes_ms < before)) {
            member.wakes_at_ms = Some(wakes_ms);
            let mut core = self.shared.lock();
            let due = core.began.plus(std::time::Duration::from_millis(wakes_ms));
            core.at(due, Due::Wake(at));
        }
    }

    fn told(&mut self, at: usize, event: &Event) {
        let name = self.members[at].user;
        self.shared.lock().tell(|| format!("member {at} ({name}) is told {}", short(event)));
        let member = &mut self.members[at];
        if let Event::Accepted { room, pid } | Event::Rejected { room, pid, .. } = event {
            member.unanswered.remove(&(room.clone(), pid.clone()));
        }
        let last = member.lives.len() - 1;
        if let Some(Broken { kind, what }) = member.lives[last].hear(event, &self.restored) {
            self.shared.lock().broke(kind, format!("member {at} ({name}): {what}"));
        }
    }

    fn connect(&mut self, at: usize, link: LinkId) {
        self.connections += 1;
        let connection = testkit::samples::connection_id(&format!("c{}", self.connections));
        self.members[at].links.insert(link, connection.clone());
        let mut core = self.shared.lock();
        let now = core.now;
        let socket = Socket {
            member: at,
            connected_at: now,
            open: false,
            opening: true,
            held: true,
            answered: false,
            black_hole: false,
            active_at: now,
            full_until: now,
            arrives_at: now,
            closed_by_us: false,
        };
        core.sockets.insert(connection.clone(), socket);
        let latency_ms = core.dice.within(5, 40);
        core.after_ms(latency_ms, Due::Handshake(connection.clone()));
        core.after_ms(CONNECT_TIMEOUT_MS, Due::Waited(connection));
    }

    fn send(&mut self, at: usize, link: LinkId, text: String) {
        let Some(connection) = self.members[at].links.get(&link).cloned() else { return };
        let settles = self.now_ms() < self.members[at].joined_at_ms + SETTLES_MS;
        if self.mistake == Some(Mistake::SettlingSkipped) && settles && text.contains(r#""action":"ping""#) {
            // It believes that it has been told, and that nothing is missing.
            self.shared.lock().after_ms(1, Due::ToClient(connection, r#"{"sys":"pong"}"#.to_owned()));
            return;
        }
        let mut core = self.shared.lock();
        let repairs = text.contains(r#""action":"join""#) && text.contains(r#""since""#);
        if repairs && core.faults.is_calm() {
            core.broke(Kind::Repaired, format!("member {at} asks for what it should have been told: {text}"));
        }
        core.tell(|| format!("{connection} > {text}"));
        let latency_ms = core.dice.within(1, 30);
        core.after_ms(latency_ms, Due::FromClient(connection, text));
    }
}

fn short(event: &Event) -> String {
    match event {
        Event::Message(message) => {
            let (epoch, sequence) = (&message.at.epoch, message.at.sequence.get());
            format!("{} by {} at {epoch}/{sequence} in {}", message.pid, message.by, message.room)
        }
        other => format!("{other:?}"),
    }
}
