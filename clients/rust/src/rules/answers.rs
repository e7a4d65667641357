//! Frames of the server, and their effects on the client.

use std::collections::BTreeMap;

use domain::{Announcement, Code, Position, RoomId, limits};
use protocol::block::{AnyBlock, EphemeralBlock, EphemeralMessage, PresenceBlock};
use protocol::reply::{Accepted, Answer, Failure, History, Joined, Renewed, Synced, SyncedRooms, Who};
use protocol::server::{Return, ServerFrame, System};
use serde_json::value::RawValue;

use super::client::{Client, Pause};
use super::event::{Event, LinkId, Loss, NoAnswer, Output};
use super::link::Asked;
use super::room::{Ask, Room, Step};

/// The backoff of a refused ping starts at this number of tries, since the server is under load.
const PING_TRIES: u32 = 4;

/// The outcome of a reply to a join or sync.
#[derive(Debug, Default)]
struct Progress {
    /// True if the reply brought at least one room further.
    any: bool,
    /// Rooms whose replay is not complete.
    more: Vec<RoomId>,
}

impl Client {
    /// Handles a text message. Ignores frames that are not of rooms.v1. API Gateway's own error
    /// frames name no request, so the affected request is sent again after its timeout.
    pub fn received(&mut self, link: LinkId, text: &str, now_ms: u64) {
        let primary = self.primary.as_ref().is_some_and(|primary| primary.id == link);
        let retiring = self.retiring.as_ref().is_some_and(|(retiring, _)| retiring.id == link);
        if !primary && !retiring {
            return;
        }
        if let Some(link) = self.primary.as_mut().filter(|_| primary) {
            link.heard();
        }
        match ServerFrame::parse(text) {
            Ok(ServerFrame::Blocks(blocks)) => self.hear(blocks, primary, now_ms),
            Ok(ServerFrame::Answer(answer)) if primary => self.answer(answer, now_ms),
            Ok(ServerFrame::System(System::Pong { behind })) if primary => self.pong(behind, now_ms),
            Ok(ServerFrame::System(System::Bye { code, retry })) => self.bye(primary, code, retry, now_ms),
            Ok(ServerFrame::System(System::Joined { room, at })) => {
                self.joined_by_server(room, at, primary, now_ms);
            }
            Ok(ServerFrame::System(System::Left { room, code })) => self.left_by_server(&room, code),
            // The frame came on the replaced connection. The new connection has sent the requests
            // again.
            Ok(ServerFrame::Answer(_) | ServerFrame::System(_)) => {}
            Err(error) => tracing::debug!(%error, "cannot parse a frame of the server; the frame is ignored"),
        }
        self.pump(now_ms);
    }

    fn hear(&mut self, blocks: Vec<AnyBlock>, primary: bool, now_ms: u64) {
        self.attempts = 0;
        let mut events = Vec::new();
        for block in blocks {
            match block {
                AnyBlock::Run(block) => {
                    if let Some(room) = self.rooms.get_mut(&block.room).filter(|room| room.wanted) {
                        room.hear(block, now_ms, &mut self.chance, &mut events);
                    }
                }
                // The replaced connection receives the same blocks.
                AnyBlock::Presence(block) if primary => events.extend(self.presence(block)),
                AnyBlock::Ephemeral(block) if primary => events.extend(self.ephemeral(block)),
                AnyBlock::Ephemeral(_) | AnyBlock::Presence(_) => {}
            }
        }
        events.into_iter().for_each(|event| self.event(event));
    }

    fn ephemeral(&self, block: EphemeralBlock) -> Vec<Event> {
        let EphemeralBlock { room, e } = block;
        if !self.rooms.get(&room).is_some_and(|known| known.wanted && known.position().is_some()) {
            return Vec::new();
        }
        let event =
            |EphemeralMessage { by, key, data, from }| Event::Ephemeral { room: room.clone(), by, key, from, data };
        e.into_iter().map(event).collect()
    }

    fn presence(&self, block: PresenceBlock) -> Option<Event> {
        let PresenceBlock { room, p: Announcement { members, users, came, went } } = block;
        let is_in = self.rooms.get(&room).is_some_and(|known| known.wanted && known.position().is_some());
        is_in.then_some(Event::Presence { room, members, users, came, went })
    }

    fn pong(&mut self, behind: BTreeMap<RoomId, Position>, now_ms: u64) {
        self.attempts = 0;
        if let Some(primary) = &mut self.primary {
            primary.ponged();
        }
        self.repeat_overdue(now_ms);
        for (name, head) in behind {
            if let Some(room) = self.rooms.get_mut(&name).filter(|room| room.wanted && room.position().is_some()) {
                room.behind(head, now_ms);
            }
        }
    }

    fn bye(&mut self, primary: bool, code: String, retry: Return, now_ms: u64) {
        let because = Loss::Told { code };
        match (retry, primary) {
            // A client that can get another token reconnects with it.
            (Return::Never, true) if self.renews && because.is_of_token() => {
                self.drop_primary(because, Pause::Usual, now_ms);
            }
            (Return::Never, false) if self.renews && because.is_of_token() => self.close_retiring(),
            (Return::Never, _) => self.end(because),
            (Return::Now, true) => self.drop_primary(because, Pause::Usual, now_ms),
            (Return::Later, true) => self.drop_primary(because, Pause::Later, now_ms),
            (Return::Now | Return::Later, false) => self.close_retiring(),
        }
    }

    fn close_retiring(&mut self) {
        if let Some((retiring, _)) = self.retiring.take() {
            self.output(Output::CloseSocket(retiring.id));
        }
    }

    /// Handles a `joined`: a backend made this connection a member of the room. The room starts at
    /// the given position, without a request. The membership ends with the connection, and the
    /// token decides about a later join. If the connection is being replaced, the new one requests
    /// the room at once, from that position.
    fn joined_by_server(&mut self, name: RoomId, at: Position, primary: bool, now_ms: u64) {
        let known = self.rooms.contains_key(&name);
        if known || self.rooms.len() >= limits::ROOMS_PER_CONNECTION {
            return;
        }
        let mut room = Room::joined(name.clone(), at.clone(), now_ms);
        if !primary {
            room.ask = Ask::At(now_ms);
            self.unsettle(name.clone());
        }
        self.rooms.insert(name.clone(), room);
        self.event(Event::Joined { room: name, head: at, members: None });
    }

    /// Handles a `left`: a backend removed this connection from the room.
    fn left_by_server(&mut self, name: &RoomId, code: String) {
        self.taken_out(name, code);
    }

    fn answer(&mut self, answer: Answer, now_ms: u64) {
        if let Err(failure) = &answer.outcome
            && is_about_the_connection(failure)
        {
            let because = Loss::Told { code: failure.code.as_str().to_owned() };
            return self.drop_primary(because, Pause::Usual, now_ms);
        }
        self.attempts = 0;
        let (Some(id), Some(primary)) = (answer.id, &mut self.primary) else { return };
        let Some(asked) = primary.answered(id) else {
            if let Err(failure) = &answer.outcome {
                let pause = self.pause(PING_TRIES, failure.after_ms);
                if self.primary.as_mut().is_some_and(|primary| primary.ping_refused(id, now_ms + pause)) {
                    self.repeat_overdue(now_ms);
                }
            }
            return;
        };
        match answer.outcome {
            Err(failure) if failure.retry => self.try_again(asked, failure.after_ms, now_ms),
            Err(failure) => self.refused(asked, &failure, now_ms),
            Ok(raw) => self.done(asked, &raw, now_ms),
        }
    }

    fn done(&mut self, asked: Asked, raw: &RawValue, now_ms: u64) {
        let read = match &asked {
            Asked::Rooms { rooms, sync } => read_rooms(rooms, *sync, raw).map(|outcomes| {
                let rooms = rooms.clone();
                self.rooms_answered(rooms, outcomes, now_ms);
            }),
            Asked::Leave(room) => {
                self.left(room, now_ms);
                Ok(())
            }
            Asked::Publish(room) => Answer::done::<Accepted>(raw).map(|accepted| {
                let first_time = self.outbox.was_sent_once(room);
                for pid in self.outbox.accepted(room, now_ms) {
                    self.event(Event::Accepted { room: room.clone(), pid });
                }
                // A batch that this client sent more than once is expected to be a repeat.
                for pid in accepted.repeated.into_iter().filter(|_| first_time) {
                    self.event(Event::Repeated { room: room.clone(), pid });
                }
            }),
            Asked::Auth { lasts_ms } => {
                Answer::done::<Renewed>(raw).map(|renewed| self.renewed(renewed, *lasts_ms, now_ms))
            }
            Asked::History(ticket) => Answer::done::<History>(raw).map(|page| {
                if self.questions.done(*ticket) {
                    self.event(Event::History { ticket: *ticket, page: Ok(page) });
                }
            }),
            Asked::Who(ticket) => Answer::done::<Who>(raw).map(|page| {
                if self.questions.done(*ticket) {
                    self.event(Event::Who { ticket: *ticket, page: Ok(page) });
                }
            }),
        };
        if let Err(error) = read {
            tracing::warn!(%error, "cannot parse a reply of the server; the request is sent again");
            self.failed(asked, now_ms);
        }
    }

    fn rooms_answered(
        &mut self,
        rooms: Vec<(RoomId, Option<Position>)>,
        mut outcomes: BTreeMap<RoomId, Synced>,
        now_ms: u64,
    ) {
        let (mut progress, mut again, mut after_ms) = (Progress::default(), Vec::new(), None);
        for (room, since) in rooms {
            match outcomes.remove(&room) {
                Some(Synced::Joined(joined)) => self.joined(room, since.as_ref(), joined, &mut progress, now_ms),
                Some(Synced::Refused { err }) if is_about_the_connection(&err) => {
                    let because = Loss::Told { code: err.code.as_str().to_owned() };
                    return self.drop_primary(because, Pause::Usual, now_ms);
                }
                Some(Synced::Refused { err }) if !err.retry => self.room_refused(&room, err),
                refused_for_now => {
                    if let Some(Synced::Refused { err }) = refused_for_now {
                        after_ms = after_ms.max(err.after_ms);
                    }
                    again.push(room);
                }
            }
        }
        self.ask_again(&again, after_ms, now_ms);
        self.ask_on(&progress, now_ms);
        if let Some(primary) = &mut self.primary {
            primary.settle(now_ms);
        }
        self.settled(now_ms);
    }

    /// Requests the rest of incomplete replays: at once, or after a pause if the last reply brought
    /// no room further.
    fn ask_on(&mut self, progress: &Progress, now_ms: u64) {
        if !progress.any {
            return self.ask_again(&progress.more, None, now_ms);
        }
        for room in &progress.more {
            if let Some(known) = self.rooms.get_mut(room) {
                known.ask = Ask::At(now_ms);
            }
        }
    }

    fn joined(&mut self, room: RoomId, since: Option<&Position>, joined: Joined, progress: &mut Progress, now_ms: u64) {
        let Some(known) = self.rooms.get_mut(&room) else { return };
        if !known.wanted {
            // The application left the room while the join was in flight. The leave can be sent
            // now.
            known.ask = Ask::At(now_ms);
            return;
        }
        let mut events = Vec::new();
        let step = known.answered(since, joined, now_ms, &mut self.chance, &mut events);
        match step {
            Step::Whole => {
                progress.any = true;
                if let Some(primary) = &mut self.primary {
                    primary.unsettled.remove(&room);
                }
            }
            Step::More { advanced } => {
                progress.any |= advanced;
                known.ask = Ask::Sent;
                progress.more.push(room);
            }
        }
        events.into_iter().for_each(|event| self.event(event));
    }

    fn left(&mut self, room: &RoomId, now_ms: u64) {
        match self.rooms.get_mut(room) {
            // The application joined the room again while the leave was in flight.
            Some(known) if known.wanted => known.ask = Ask::At(now_ms),
            Some(_) => self.forget(room),
            None => {}
        }
    }

    /// Handles a refusal that a retry cannot change.
    fn refused(&mut self, asked: Asked, failure: &Failure, now_ms: u64) {
        match asked {
            Asked::Rooms { rooms, .. } => {
                rooms.iter().for_each(|(room, _)| self.room_refused(room, failure.clone()));
                self.settled(now_ms);
            }
            Asked::Leave(room) => self.left(&room, now_ms),
            Asked::Auth { .. } => {
                tracing::warn!(
                    code = failure.code.as_str(),
                    message = failure.message,
                    "the server refused to renew the token; the renewal is tried again later"
                );
                self.renew_later(None, now_ms);
            }
            Asked::Publish(room) => {
                let one_of_them = failure.code != Code::Forbidden && failure.code != Code::InvalidRoom;
                for pid in self.outbox.refused(&room, one_of_them, now_ms) {
                    self.event(Event::Rejected { room: room.clone(), pid, failure: failure.clone() });
                }
            }
            Asked::History(ticket) => {
                if self.questions.done(ticket) {
                    self.event(Event::History { ticket, page: Err(NoAnswer::Refused(failure.clone())) });
                }
            }
            Asked::Who(ticket) => {
                if self.questions.done(ticket) {
                    self.event(Event::Who { ticket, page: Err(NoAnswer::Refused(failure.clone())) });
                }
            }
        }
    }

    fn room_refused(&mut self, room: &RoomId, failure: Failure) {
        if let Some(primary) = &mut self.primary {
            primary.unsettled.remove(room);
        }
        match self.rooms.get(room) {
            Some(known) if known.wanted => {
                self.rooms.remove(room);
                self.event(Event::Refused { room: room.clone(), failure });
            }
            Some(_) => self.forget(room),
            None => {}
        }
    }
}

/// Reads the outcome of each requested room from the reply.
fn read_rooms(
    rooms: &[(RoomId, Option<Position>)],
    sync: bool,
    raw: &RawValue,
) -> Result<BTreeMap<RoomId, Synced>, serde_json::Error> {
    if sync {
        return Ok(Answer::done::<SyncedRooms>(raw)?.rooms);
    }
    let joined: Joined = Answer::done(raw)?;
    Ok(rooms.iter().take(1).map(|(room, _)| (room.clone(), Synced::Joined(joined.clone()))).collect())
}

/// Returns true if the refusal concerns the connection and not the request: the server does not
/// know the connection, or its token has expired. A new connection with a new token is needed.
fn is_about_the_connection(failure: &Failure) -> bool {
    [Code::NotConnected, Code::TokenExpired].iter().any(|code| failure.code == *code)
}
