//! What the server says, and what follows from it.

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

/// A refused ping is repeated after a pause as if it were that many tries later: somebody is in trouble.
const PING_TRIES: u32 = 4;

/// What a reply to a question about rooms came to.
#[derive(Debug, Default)]
struct Progress {
    /// Whether any room got further.
    any: bool,
    /// Rooms with more to ask for.
    more: Vec<RoomId>,
}

impl Client {
    /// A text message came. What is none of rooms.v1 is passed over: API Gateway's own error frames name no request, so
    /// whatever they were about is sent again when it has had no answer for long enough.
    pub fn received(&mut self, link: LinkId, text: &str, now_ms: u64) {
        let primary = self.primary.as_ref().is_some_and(|primary| primary.id == link);
        let retiring = self.retiring.as_ref().is_some_and(|(retiring, _)| retiring.id == link);
        if !primary && !retiring {
            return;
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
            // On the connection before: its successor has asked again.
            Ok(ServerFrame::Answer(_) | ServerFrame::System(_)) => {}
            Err(error) => tracing::debug!(%error, "a frame was passed over"),
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
                // The connection before is told the same.
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
        for (name, head) in behind {
            if let Some(room) = self.rooms.get_mut(&name).filter(|room| room.wanted && room.position().is_some()) {
                room.behind(head, now_ms);
            }
        }
    }

    fn bye(&mut self, primary: bool, code: String, retry: Return, now_ms: u64) {
        let because = Loss::Told { code };
        match (retry, primary) {
            // Another token helps, if there are others.
            (Return::Never, true) if self.renews && because.is_expiry() => {
                self.drop_primary(because, Pause::Usual, now_ms);
            }
            (Return::Never, false) if self.renews && because.is_expiry() => self.close_retiring(),
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

    /// A backend has made this connection a member: the room is heard from there on, and nothing has to be asked. The
    /// membership ends with the connection; whether the room can be joined again is for the token to say. If the connection
    /// is being replaced, its successor asks at once, from that position.
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

    /// A backend has taken this connection out of a room.
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
                if let Some(primary) = &mut self.primary {
                    primary.ping_refused(id, now_ms + pause);
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
                // What this client has sent before is expected to be a repeat.
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
            tracing::warn!(%error, "a reply is not what was asked for");
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

    /// Asks for the rest of replays: at once, unless the last reply brought nothing at all.
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
            // It was left while it was asked for: now the server can be told.
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
            // It was joined again while it was being left.
            Some(known) if known.wanted => known.ask = Ask::At(now_ms),
            Some(_) => self.forget(room),
            None => {}
        }
    }

    /// A request was refused, and making it again would not help.
    fn refused(&mut self, asked: Asked, failure: &Failure, now_ms: u64) {
        match asked {
            Asked::Rooms { rooms, .. } => {
                rooms.iter().for_each(|(room, _)| self.room_refused(room, failure.clone()));
                self.settled(now_ms);
            }
            Asked::Leave(room) => self.left(&room, now_ms),
            Asked::Auth { .. } => {
                tracing::warn!(code = failure.code.as_str(), message = failure.message, "the token was not renewed");
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

/// The outcome of every room that was asked for, by room.
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

/// Whether a refusal is none of the request's fault: the connection is not known any more, or its token has expired.
/// A new connection, with a new token, helps.
fn is_about_the_connection(failure: &Failure) -> bool {
    [Code::NotConnected, Code::TokenExpired].iter().any(|code| failure.code == *code)
}
