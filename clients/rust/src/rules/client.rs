//! The client: its rooms, its connections, and the outputs.

use std::collections::{BTreeMap, VecDeque};

use domain::{Data, Item, Key, Position, PublicationId, RoomId, Sequence, UserId, limits};

use super::chance::{Chance, Draw, Seeded};
use super::event::{Event, LinkId, Loss, NotTaken, Output, Ticket};
use super::link::Link;
use super::outbox::Outbox;
use super::questions::{About, Questions};
use super::request::Request;
use super::room::{Ask, Room};
use super::times::{LATER_MS, OVERLAP_MS, RENEW_APART_MS, ROTATE_RETRY_MS};

/// One client of rooms.v1. See the [module](super) for the protocol between client and driver.
///
/// After every call, take the outputs until there are none, then call [`Client::next_wakeup_ms`]
/// again.
#[derive(Debug)]
pub struct Client {
    pub(super) rooms: BTreeMap<RoomId, Room>,
    pub(super) outbox: Outbox,
    pub(super) questions: Questions,
    /// The connection that requests go to.
    pub(super) primary: Option<Link>,
    /// The replaced connection, still read until the new one is whole, and the time at which it is
    /// closed.
    pub(super) retiring: Option<(Link, Option<u64>)>,
    pub(super) opening: Option<LinkId>,
    pub(super) connect_at_ms: Option<u64>,
    /// Successive failed attempts to connect.
    pub(super) attempts: u32,
    pub(super) chance: Chance,
    /// True if tokens can be renewed.
    pub(super) renews: bool,
    /// Successive handshakes that were refused because of their token.
    pub(super) tokens_refused: u32,
    online: bool,
    ended: bool,
    next_link: u64,
    next_request: u64,
    outputs: VecDeque<Output>,
}

/// The pause before the next attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// The usual backoff. The first pause is below one second.
    Usual,
    /// The backoff plus the minimum that the server requested with `later`.
    Later,
    /// The backoff plus the minimum distance between two tokens.
    NextToken,
}

impl Client {
    /// A client that requests a connection at `now_ms`. The seed determines all its jitter.
    #[must_use]
    pub fn new(seed: u64, now_ms: u64) -> Self {
        Self::drawing(Seeded::new(seed), now_ms)
    }

    /// A client that requests a connection at `now_ms`, and draws its random numbers from the
    /// caller.
    #[must_use]
    pub fn drawing(draw: impl Draw + 'static, now_ms: u64) -> Self {
        Self {
            rooms: BTreeMap::new(),
            outbox: Outbox::default(),
            questions: Questions::default(),
            primary: None,
            retiring: None,
            opening: None,
            connect_at_ms: Some(now_ms),
            attempts: 0,
            chance: Chance::new(draw),
            renews: false,
            tokens_refused: 0,
            online: false,
            ended: false,
            next_link: 1,
            next_request: 1,
            outputs: VecDeque::new(),
        }
    }

    /// Takes the next output, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The position up to which the application has received the room; `None` before the room is
    /// joined.
    #[must_use]
    pub fn position(&self, room: &RoomId) -> Option<&Position> {
        self.rooms.get(room).and_then(Room::position)
    }

    /// Joins a room: from now on, or from a position that an earlier run of the application stored.
    /// Has no effect on a room that is joined already.
    ///
    /// # Errors
    /// [`NotTaken::Rooms`] at 100 rooms; [`NotTaken::Ended`].
    pub fn join(&mut self, room: RoomId, since: Option<Position>, now_ms: u64) -> Result<(), NotTaken> {
        self.check_alive()?;
        let mut joining = Room::new(room.clone(), since, now_ms);
        match self.rooms.get(&room) {
            Some(known) if known.wanted => return Ok(()),
            Some(leaving) => {
                if leaving.ask == Ask::Sent {
                    // The join is sent after the reply to the request in flight, because two
                    // requests may overtake each other.
                    joining.ask = Ask::Sent;
                }
                self.forget(&room);
            }
            None if self.rooms.len() >= limits::ROOMS_PER_CONNECTION => return Err(NotTaken::Rooms),
            None => {}
        }
        self.rooms.insert(room, joining);
        self.pump(now_ms);
        Ok(())
    }

    /// Leaves a room. No event of the room follows this call, except [`Event::Left`] when the
    /// server has confirmed.
    pub fn leave(&mut self, room: &RoomId, now_ms: u64) {
        let Some(known) = self.rooms.get_mut(room).filter(|known| known.wanted) else { return };
        known.wanted = false;
        if known.ask != Ask::Sent {
            known.ask = Ask::At(now_ms);
        }
        if self.primary.is_none() {
            self.forget(room);
        }
        self.pump(now_ms);
    }

    /// Publishes. [`Event::Accepted`] or [`Event::Rejected`] follows. Publications of one room keep
    /// their order.
    ///
    /// # Errors
    /// [`NotTaken::Publications`] when too many wait; [`NotTaken::Ended`].
    pub fn publish(&mut self, room: RoomId, pid: PublicationId, data: Data, now_ms: u64) -> Result<(), NotTaken> {
        self.check_alive()?;
        self.outbox.push(room, Item { id: pid, data }, now_ms)?;
        self.pump(now_ms);
        Ok(())
    }

    /// Sends an ephemeral publication to the current members of a room, best effort. Without a
    /// connection it is dropped.
    ///
    /// # Errors
    /// [`NotTaken::Ended`] when the client has ended.
    pub fn say(&mut self, room: &RoomId, key: Option<&Key>, data: &Data) -> Result<(), NotTaken> {
        self.check_alive()?;
        if let Some(link) = self.primary.as_ref().map(|primary| primary.id) {
            let text = Request::Whisper { room, ephemeral: true, echo: false, key, data }.text();
            self.output(Output::Send { link, text });
        }
        Ok(())
    }

    /// Requests at most `limit` publications (1 to 100) before a sequence, or the latest ones.
    /// [`Event::History`] follows.
    ///
    /// # Errors
    /// [`NotTaken::Questions`] when too many questions wait; [`NotTaken::Ended`].
    pub fn history(
        &mut self,
        ticket: Ticket,
        room: RoomId,
        before: Option<Sequence>,
        limit: usize,
        now_ms: u64,
    ) -> Result<(), NotTaken> {
        self.check_alive()?;
        let limit = limit.clamp(1, limits::HISTORY_PUBLICATIONS);
        self.questions.push(ticket, room, About::History { before }, limit, now_ms)?;
        self.pump(now_ms);
        Ok(())
    }

    /// Requests at most `limit` users (1 to 100) of a room in the order of their names, after the
    /// name `after` or from the first. [`Event::Who`] follows.
    ///
    /// # Errors
    /// [`NotTaken::Questions`] when too many questions wait; [`NotTaken::Ended`].
    pub fn who(
        &mut self,
        ticket: Ticket,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
        now_ms: u64,
    ) -> Result<(), NotTaken> {
        self.check_alive()?;
        let limit = limit.clamp(1, limits::WHO_USERS);
        self.questions.push(ticket, room, About::Who { after }, limit, now_ms)?;
        self.pump(now_ms);
        Ok(())
    }

    /// Ends the client: closes every connection. Later calls have no effect.
    pub fn stop(&mut self) {
        self.rooms.clear();
        let links = [self.primary.take().map(|link| link.id), self.retiring.take().map(|(link, _)| link.id)];
        for link in links.into_iter().flatten().chain(self.opening.take()) {
            self.output(Output::CloseSocket(link));
        }
        self.connect_at_ms = None;
        self.ended = true;
    }

    /// Handles the opening of a requested connection.
    pub fn connected(&mut self, link: LinkId, now_ms: u64) {
        if self.opening != Some(link) {
            return self.output(Output::CloseSocket(link));
        }
        self.opening = None;
        self.tokens_refused = 0;
        let replaced = self.primary.replace(Link::new(link, now_ms, &mut self.chance));
        if let Some(replaced) = replaced
            && let Some((older, _)) = self.retiring.replace((replaced.retired(), None))
        {
            self.output(Output::CloseSocket(older.id));
        }
        if !std::mem::replace(&mut self.online, true) {
            self.event(Event::Online);
        }
        self.say_hello(now_ms);
    }

    /// Handles the loss of a connection, or a failed attempt.
    pub fn closed(&mut self, link: LinkId, because: Loss, now_ms: u64) {
        if self.opening == Some(link) {
            self.opening = None;
            return self.not_opened(because, now_ms);
        }
        if self.retiring.as_ref().is_some_and(|(retiring, _)| retiring.id == link) {
            self.retiring = None;
        } else if self.primary.as_ref().is_some_and(|primary| primary.id == link) {
            self.lost(because, Pause::Usual, now_ms);
        }
    }

    /// Requests all rooms on a new connection, and sends unanswered requests again.
    pub(super) fn say_hello(&mut self, now_ms: u64) {
        self.forget_unwanted();
        self.outbox.interrupted(now_ms);
        self.questions.interrupted(now_ms);
        let rooms: Vec<RoomId> = self.rooms.keys().cloned().collect();
        if let Some(primary) = &mut self.primary {
            primary.unsettled = rooms.iter().cloned().collect();
        }
        if !rooms.is_empty() {
            self.ask_rooms(rooms, true, now_ms);
        }
        self.settled(now_ms);
        self.pump(now_ms);
    }

    /// Marks a room as not whole on the new connection. The replaced connection stays open until it
    /// is.
    pub(super) fn unsettle(&mut self, room: RoomId) {
        if let Some(primary) = &mut self.primary {
            primary.unsettled.insert(room);
        }
        if let Some((_, close_at_ms)) = &mut self.retiring {
            *close_at_ms = None;
        }
    }

    /// Schedules the close of the replaced connection if every room is whole on the new one.
    pub(super) fn settled(&mut self, now_ms: u64) {
        let settled = self.primary.as_ref().is_some_and(|primary| primary.unsettled.is_empty());
        if let Some((_, close_at_ms @ None)) = self.retiring.as_mut().filter(|_| settled) {
            *close_at_ms = Some(now_ms + OVERLAP_MS);
        }
    }

    /// Abandons the connection. The replaced connection takes over if it is still open; otherwise a
    /// new one is opened.
    pub(super) fn lost(&mut self, because: Loss, pause: Pause, now_ms: u64) {
        self.primary = None;
        if let Some((before, _)) = self.retiring.take() {
            self.primary = Some(before.restored(now_ms + self.rotate_retry()));
            return self.say_hello(now_ms);
        }
        self.rooms.values_mut().for_each(Room::interrupted);
        self.outbox.interrupted(now_ms);
        self.questions.interrupted(now_ms);
        self.forget_unwanted();
        self.go_offline(because, pause, now_ms);
    }

    /// Closes the primary connection from this side.
    pub(super) fn drop_primary(&mut self, because: Loss, pause: Pause, now_ms: u64) {
        if let Some(primary) = &self.primary {
            let link = primary.id;
            self.output(Output::CloseSocket(link));
            self.lost(because, pause, now_ms);
        }
    }

    /// Ends the client because the server does not permit another attempt.
    pub(super) fn end(&mut self, because: Loss) {
        self.stop();
        self.event(Event::Ended { because });
    }

    fn not_opened(&mut self, because: Loss, now_ms: u64) {
        if self.primary.is_some() {
            let retry = self.rotate_retry();
            if let Some(primary) = &mut self.primary {
                primary.rotate_at_ms = now_ms + retry;
            }
        } else if self.is_refused_for_good(&because) {
            self.end(because);
        } else {
            let is_token_refused = matches!(because, Loss::Refused { status: 401 });
            let pause = if is_token_refused { Pause::NextToken } else { Pause::Usual };
            self.go_offline(because, pause, now_ms);
        }
    }

    fn go_offline(&mut self, because: Loss, pause: Pause, now_ms: u64) {
        self.online = false;
        if self.opening.is_some() {
            return self.event(Event::Offline { because, retry_in_ms: 0 });
        }
        let least_ms = match pause {
            Pause::Usual => 0,
            Pause::Later => LATER_MS,
            Pause::NextToken => RENEW_APART_MS,
        };
        let retry_in_ms = least_ms + self.chance.backoff(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        self.connect_at_ms = Some(now_ms + retry_in_ms);
        self.event(Event::Offline { because, retry_in_ms });
    }

    fn rotate_retry(&mut self) -> u64 {
        ROTATE_RETRY_MS + self.chance.up_to(ROTATE_RETRY_MS)
    }

    /// Removes the rooms that were being left: without the connection, the membership is gone.
    fn forget_unwanted(&mut self) {
        let unwanted: Vec<RoomId> =
            self.rooms.values().filter(|room| !room.wanted).map(|room| room.name().clone()).collect();
        unwanted.iter().for_each(|room| self.forget(room));
    }

    /// Removes a room because the server removed this connection from it, even if a leave was in
    /// flight.
    pub(super) fn taken_out(&mut self, room: &RoomId, code: String) {
        if self.rooms.get(room).is_some_and(|known| known.wanted) {
            self.rooms.remove(room);
            self.event(Event::Removed { room: room.clone(), code });
        } else {
            self.forget(room);
        }
    }

    /// Removes a room that the application has left.
    pub(super) fn forget(&mut self, room: &RoomId) {
        if self.rooms.remove(room).is_some() {
            self.event(Event::Left { room: room.clone() });
        }
    }

    /// Requests a new connection.
    pub(super) fn open(&mut self) {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.connect_at_ms = None;
        self.opening = Some(link);
        self.output(Output::Connect(link));
    }

    pub(super) fn request_id(&mut self) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        id
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.output(Output::Event(event));
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    fn check_alive(&self) -> Result<(), NotTaken> {
        if self.ended { Err(NotTaken::Ended) } else { Ok(()) }
    }
}
