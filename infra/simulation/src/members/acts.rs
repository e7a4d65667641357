//! The actions of members, as their scripts prescribe them.

use std::collections::BTreeMap;

use domain::{Data, Position, PublicationId, RoomId};
use roomcast_client::rules::{Client, Loss, NotTaken, Ticket};

use crate::check::Heard;
use crate::due::Due;
use crate::faults::Fault;
use crate::run::Run;

/// The bytes of a publication's data beside its padding.
const NAMES_BYTES: usize = 64;

impl Run {
    /// Starts an application, from the positions that it had at its end.
    pub(crate) fn begin(&mut self, at: usize) {
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        if member.client.is_some() {
            return;
        }
        member.seed = member.seed.wrapping_add(1);
        let mut client = Client::new(member.seed, now_ms).with_renewals();
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
            // A member wants fewer rooms than a connection may join.
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
        match id {
            None => self.publish_as(at, room, "p"),
            Some(id) => self.publish_same(at, room, id),
        }
    }

    /// Publishes under an id that begins with `name`.
    pub(crate) fn publish_as(&mut self, at: usize, room: RoomId, name: &str) {
        self.published += 1;
        let pid = testkit::samples::publication_id(&format!("{name}{}", self.published));
        let says = format!("\"{} in {room}{}\"", self.published, self.padding());
        self.publish_text(at, room, pid, &says);
    }

    /// The padding of a publication: usually empty, and sometimes as much as fits.
    fn padding(&self) -> String {
        let largest = self.pipeline.scale.largest_bytes as u64;
        let bytes = match self.sizes.below(4) {
            _ if largest == 0 => 0,
            0 => self.sizes.below(largest),
            1 => largest,
            _ => 0,
        };
        "x".repeat(usize::try_from(bytes).unwrap_or_default().saturating_sub(NAMES_BYTES))
    }

    /// Asks for a page of a room's member list.
    pub(crate) fn ask_who(&mut self, at: usize, room: RoomId) {
        let ticket = self.ticket();
        self.ask(at, ticket, |client, now_ms| client.who(ticket, room, None, 3, now_ms));
    }

    /// Asks for the latest publications of a room's history.
    pub(crate) fn ask_history(&mut self, at: usize, room: RoomId) {
        let ticket = self.ticket();
        self.ask(at, ticket, |client, now_ms| client.history(ticket, room, None, 20, now_ms));
    }

    fn ticket(&mut self) -> Ticket {
        self.questions += 1;
        Ticket(self.questions)
    }

    fn ask(&mut self, at: usize, ticket: Ticket, ask: impl FnOnce(&mut Client, u64) -> Result<(), NotTaken>) {
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        if let Some(client) = &mut member.client
            && ask(client, now_ms).is_ok()
        {
            member.asked.insert(ticket);
        }
        self.carry_out(at);
    }

    /// Publishes under an id that several users share: each user publishes it once.
    fn publish_same(&mut self, at: usize, room: RoomId, id: &str) {
        self.published += 1;
        let pid = testkit::samples::publication_id(&format!("{id}-{}", room.as_str().len()));
        let member = &self.members[at];
        if member.lives.iter().any(|heard| heard.accepted().contains(&(room.clone(), pid.clone()))) {
            return self.carry_out(at);
        }
        let says = format!("\"{} says the same\"", member.user);
        self.publish_text(at, room, pid, &says);
    }

    fn publish_text(&mut self, at: usize, room: RoomId, pid: PublicationId, data: &str) {
        let Ok(data) = Data::parse(data) else { return };
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        if let Some(client) = &mut member.client
            && client.publish(room.clone(), pid.clone(), data, now_ms).is_ok()
        {
            member.unanswered.insert((room, pid));
        }
        self.carry_out(at);
    }

    /// Resets the newest connection of a member; the client and the gateway both notice.
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
        self.members[at].vanished = true;
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
            member.asked.clear();
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
}
