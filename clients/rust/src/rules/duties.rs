//! Work that is due at a time: attempts to connect, requests, pings, the exchange of connections.

use std::collections::BTreeMap;

use domain::{Position, RoomId};

use super::client::{Client, Pause};
use super::event::{Event, Loss, NoAnswer, Output, Ticket};
use super::link::{Asked, Due};
use super::questions::About;
use super::request::Request;
use super::room::{Ask, Room};

impl Client {
    /// The latest time for the next [`Client::tick`]; `None` if no work is scheduled.
    #[must_use]
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        if self.has_ended() {
            return None;
        }
        let mut wake = self.connect_at_ms;
        let mut at = |due_ms: u64| wake = Some(wake.map_or(due_ms, |earlier| earlier.min(due_ms)));
        if let Some((_, Some(close_at_ms))) = &self.retiring {
            at(*close_at_ms);
        }
        if let Some(primary) = &self.primary {
            at(primary.wake_at_ms());
            if self.opening.is_none() {
                at(primary.rotate_at_ms);
            }
            for room in self.rooms.values() {
                if let Ask::At(due_ms) = room.ask {
                    at(due_ms);
                }
                room.sync_at_ms().into_iter().for_each(&mut at);
            }
            self.questions.due().for_each(|(_, due_ms)| at(due_ms));
            self.publications_due().for_each(|(_, due_ms)| at(due_ms));
        }
        wake
    }

    /// Does the work that is due.
    pub fn tick(&mut self, now_ms: u64) {
        if self.has_ended() {
            return;
        }
        if self.connect_at_ms.is_some_and(|at| at <= now_ms) {
            self.open();
        }
        if let Some((retired, _)) = self.retiring.take_if(|(_, close_at_ms)| close_at_ms.is_some_and(|at| at <= now_ms))
        {
            self.output(Output::CloseSocket(retired.id));
        }
        self.tend(now_ms);
        self.pump(now_ms);
    }

    /// Sends the requests that are due, if there is a connection.
    pub(super) fn pump(&mut self, now_ms: u64) {
        if self.primary.is_none() {
            return;
        }
        let due = |room: &&Room| {
            matches!(room.ask, Ask::At(at) if at <= now_ms) || room.sync_at_ms().is_some_and(|at| at <= now_ms)
        };
        let (wanted, unwanted): (Vec<&Room>, Vec<&Room>) =
            self.rooms.values().filter(due).partition(|room| room.wanted);
        let names = |rooms: Vec<&Room>| rooms.into_iter().map(|room| room.name().clone()).collect::<Vec<_>>();
        let (wanted, unwanted) = (names(wanted), names(unwanted));
        if !wanted.is_empty() {
            let sync = wanted.len() > 1;
            self.ask_rooms(wanted, sync, now_ms);
        }
        unwanted.into_iter().for_each(|room| self.ask_to_leave(room, now_ms));
        self.ask_questions(now_ms);
        self.send_publications(now_ms);
    }

    /// Sends a join or a resume of these rooms in one message.
    pub(super) fn ask_rooms(&mut self, names: Vec<RoomId>, sync: bool, now_ms: u64) {
        let id = self.request_id();
        let mut rooms: Vec<(RoomId, Option<Position>)> = Vec::with_capacity(names.len());
        for name in names {
            if let Some(room) = self.rooms.get_mut(&name) {
                room.asked();
                rooms.push((name, room.position().cloned()));
            }
        }
        let text = match rooms.as_slice() {
            [(room, since)] if !sync => Request::Join { id, room, since: since.as_ref() }.text(),
            several => {
                let rooms: BTreeMap<_, _> = several.iter().map(|(room, since)| (room, since.as_ref())).collect();
                Request::Sync { id, rooms }.text()
            }
        };
        self.ask(id, Asked::Rooms { rooms, sync }, text, now_ms);
    }

    /// Sends a ping: a keep-alive with the positions of the rooms.
    pub(super) fn ping(&mut self, now_ms: u64) {
        let id = self.request_id();
        let known = self.rooms.iter().filter(|(_, room)| room.wanted);
        let at: BTreeMap<_, _> = known.filter_map(|(name, room)| Some((name, room.position()?))).collect();
        let text = Request::Ping { id, at }.text();
        if let Some(primary) = &mut self.primary {
            primary.pinged(id, now_ms, &mut self.chance);
            let link = primary.id;
            self.output(Output::Send { link, text });
        }
    }

    /// Schedules the requests without a reply again: a ping was answered, and they were not.
    pub(super) fn repeat_overdue(&mut self, now_ms: u64) {
        let overdue = self.primary.as_mut().map(|primary| primary.give_up(now_ms)).unwrap_or_default();
        overdue.into_iter().for_each(|asked| self.failed(asked, now_ms));
    }

    /// Schedules a request without a reply again, after the usual pause.
    pub(super) fn failed(&mut self, asked: Asked, now_ms: u64) {
        self.try_again(asked, None, now_ms);
    }

    /// Schedules a request again, after the usual pause and at least `after_ms`.
    pub(super) fn try_again(&mut self, asked: Asked, after_ms: Option<u64>, now_ms: u64) {
        match asked {
            Asked::Rooms { rooms, .. } => {
                let rooms: Vec<RoomId> = rooms.into_iter().map(|(room, _)| room).collect();
                self.ask_again(&rooms, after_ms, now_ms);
            }
            Asked::Leave(room) => self.ask_again(&[room], after_ms, now_ms),
            Asked::Publish(room) => {
                if let Some(tries) = self.outbox.failed(&room) {
                    let pause = self.pause(tries, after_ms);
                    self.outbox.again_at(&room, now_ms + pause);
                }
            }
            Asked::Auth { .. } => {
                if let Some(primary) = &mut self.primary {
                    primary.renewal_in_doubt = true;
                }
                self.renew_later(after_ms, now_ms);
            }
            Asked::History(ticket) => {
                if self.is_given_up(ticket, after_ms, now_ms) {
                    self.event(Event::History { ticket, page: Err(NoAnswer::Unanswered) });
                }
            }
            Asked::Who(ticket) => {
                if self.is_given_up(ticket, after_ms, now_ms) {
                    self.event(Event::Who { ticket, page: Err(NoAnswer::Unanswered) });
                }
            }
        }
    }

    /// Returns true if a failed question has been sent often enough. Otherwise schedules it again.
    fn is_given_up(&mut self, ticket: Ticket, after_ms: Option<u64>, now_ms: u64) -> bool {
        let Some(tries) = self.questions.failed(ticket) else { return true };
        let pause = self.pause(tries, after_ms);
        self.questions.again_at(ticket, now_ms + pause);
        false
    }

    /// Schedules rooms of one request again, at the same time, so that they stay one request.
    pub(super) fn ask_again(&mut self, rooms: &[RoomId], after_ms: Option<u64>, now_ms: u64) {
        let tries = rooms.iter().filter_map(|room| self.rooms.get(room)).map(|room| room.tries).max();
        let due_ms = now_ms + self.pause(tries.unwrap_or(0), after_ms);
        for room in rooms {
            if let Some(known) = self.rooms.get_mut(room).filter(|known| known.ask == Ask::Sent) {
                known.tries = known.tries.saturating_add(1);
                known.ask = Ask::At(due_ms);
            }
        }
    }

    /// The pause before a retry: the server's minimum plus jittered backoff.
    pub(super) fn pause(&mut self, tries: u32, after_ms: Option<u64>) -> u64 {
        after_ms.unwrap_or(0).saturating_add(self.chance.backoff(tries))
    }

    /// Does the work of the primary connection that is due.
    fn tend(&mut self, now_ms: u64) {
        let Some(primary) = &mut self.primary else { return };
        let (due, rotate) = (primary.due(now_ms), primary.rotate_at_ms <= now_ms);
        match due {
            Due::GiveUp => return self.drop_primary(Loss::Silent, Pause::Usual, now_ms),
            Due::Ping => self.ping(now_ms),
            Due::Nothing => {}
        }
        self.tend_token(now_ms);
        if rotate && self.opening.is_none() {
            self.open();
        }
    }

    fn ask_to_leave(&mut self, room: RoomId, now_ms: u64) {
        let id = self.request_id();
        if let Some(known) = self.rooms.get_mut(&room) {
            known.ask = Ask::Sent;
        }
        let text = Request::Leave { id, room: &room }.text();
        self.ask(id, Asked::Leave(room), text, now_ms);
    }

    fn ask_questions(&mut self, now_ms: u64) {
        let due: Vec<Ticket> = self.questions.due().filter(|(_, at)| *at <= now_ms).map(|(ticket, _)| ticket).collect();
        for ticket in due {
            let id = self.request_id();
            if let Some(question) = self.questions.send(ticket) {
                let (room, limit) = (&question.room, question.limit);
                let (request, asked) = match &question.about {
                    About::History { before } => {
                        (Request::History { id, room, before: *before, limit }, Asked::History(ticket))
                    }
                    About::Who { after } => {
                        (Request::Who { id, room, after: after.as_ref(), limit }, Asked::Who(ticket))
                    }
                };
                let text = request.text();
                self.ask(id, asked, text, now_ms);
            }
        }
    }

    fn send_publications(&mut self, now_ms: u64) {
        let due: Vec<RoomId> =
            self.publications_due().filter(|(_, at)| *at <= now_ms).map(|(room, _)| room.clone()).collect();
        for room in due {
            let id = self.request_id();
            let text = Request::publish(id, &room, &self.outbox.send(&room)).text();
            self.ask(id, Asked::Publish(room), text, now_ms);
        }
    }

    /// Publications to send, with their times. Publications to a room that is being joined wait for
    /// the join, so that this client receives them live.
    fn publications_due(&self) -> impl Iterator<Item = (&RoomId, u64)> {
        let being_joined =
            |room: &RoomId| self.rooms.get(room).is_some_and(|known| known.wanted && known.position().is_none());
        self.outbox.due().filter(move |(room, _)| !being_joined(room))
    }

    pub(super) fn ask(&mut self, id: u64, asked: Asked, text: String, now_ms: u64) {
        if let Some(primary) = &mut self.primary {
            primary.ask(id, asked, now_ms);
            let link = primary.id;
            self.output(Output::Send { link, text });
        }
    }
}
