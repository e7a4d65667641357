//! One room: delivers each publication to the application at most once, in order, and reports every
//! gap.
//!
//! The same rule applies to live, replayed and held blocks. A publication at or below the position
//! was delivered before, so it is dropped. The one that follows the position is delivered. One
//! beyond is held until late blocks or the log have filled the gap before it.

use std::collections::VecDeque;

use domain::{Epoch, Position, RoomId, Sequence};
use protocol::block::{Block, Message as WireMessage};
use protocol::reply::Joined;

use super::chance::Chance;
use super::event::{Event, Message};
use super::held::Held;
use super::times::{BEHIND_MS, EPOCHS_LEFT, HOLD_JITTER_MS, HOLD_MS};

/// A room that the application has joined, or is leaving.
#[derive(Debug)]
pub(super) struct Room {
    name: RoomId,
    /// True if the application wants the room; false while it is being left.
    pub(super) wanted: bool,
    /// The state of the next request: a join or resume while the room is wanted, otherwise a leave.
    pub(super) ask: Ask,
    /// Successive failed tries of the request.
    pub(super) tries: u32,
    /// The position up to which everything was delivered. `None` until the first reply.
    position: Option<Position>,
    /// The highest known sequence in the epoch of the position.
    known: Sequence,
    /// The highest position seen in another epoch since the last request. The room's history may
    /// have begun anew.
    other: Option<Position>,
    /// Epochs that the room has left, the latest one last. Their blocks are late.
    left: VecDeque<Epoch>,
    held: Held,
    /// The time to send a request, if the room is still behind.
    sync_at_ms: Option<u64>,
    announced: bool,
    /// The number of replayed publications since an interruption, until the room is whole.
    replayed: Option<u64>,
}

/// The state of a request to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// No request is needed.
    No,
    /// The request is due at this time.
    At(u64),
    /// The request is in flight.
    Sent,
}

/// The outcome of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The replay is complete.
    Whole,
    /// The replay continues.
    More {
        /// True if the reply moved the position.
        advanced: bool,
    },
}

impl Room {
    /// A room to join, from a stored position if there is one.
    pub(super) fn new(name: RoomId, since: Option<Position>, now_ms: u64) -> Self {
        Self {
            name,
            wanted: true,
            ask: Ask::At(now_ms),
            tries: 0,
            known: since.as_ref().map_or(Sequence::ZERO, |at| at.sequence),
            other: None,
            left: VecDeque::new(),
            held: Held::default(),
            sync_at_ms: None,
            announced: false,
            replayed: since.is_some().then_some(0),
            position: since,
        }
    }

    /// A room that a backend joined for this client, from this position on.
    pub(super) fn joined(name: RoomId, at: Position, now_ms: u64) -> Self {
        let room = Self::new(name, Some(at), now_ms);
        Self { ask: Ask::No, announced: true, replayed: None, ..room }
    }

    pub(super) fn name(&self) -> &RoomId {
        &self.name
    }

    pub(super) fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// The time to send a request because of a gap or a pong, if one is scheduled.
    pub(super) fn sync_at_ms(&self) -> Option<u64> {
        self.sync_at_ms.filter(|_| self.wanted && self.ask == Ask::No)
    }

    /// Records that the request is being sent. Positions that become known afterwards are newer
    /// than its reply.
    pub(super) fn asked(&mut self) {
        self.ask = Ask::Sent;
        self.sync_at_ms = None;
        self.known = self.position.as_ref().map_or(Sequence::ZERO, |at| at.sequence);
        self.other = None;
    }

    /// Handles the loss of the connection and of the request in flight.
    pub(super) fn interrupted(&mut self) {
        self.ask = Ask::No;
        self.sync_at_ms = None;
        if self.position.is_some() {
            self.replayed.get_or_insert(0);
        }
    }

    /// Handles a live block.
    pub(super) fn hear(&mut self, block: Block, now_ms: u64, chance: &mut Chance, events: &mut Vec<Event>) {
        if self.left.contains(&block.ep) {
            return;
        }
        self.note(Position { epoch: block.ep.clone(), sequence: block.through() });
        self.take(block, events);
        self.watch(now_ms, chance);
    }

    /// Handles the reply to a request from position `since`.
    pub(super) fn answered(
        &mut self,
        since: Option<&Position>,
        reply: Joined,
        now_ms: u64,
        chance: &mut Chance,
        events: &mut Vec<Event>,
    ) -> Step {
        self.ask = Ask::No;
        let head = Position { epoch: reply.ep, sequence: reply.seq };
        if !std::mem::replace(&mut self.announced, true) {
            events.push(Event::Joined { room: self.name.clone(), head: head.clone(), members: reply.members });
        }
        self.note(head.clone());
        let before = self.position.clone();
        let recovered = reply.recovered == Some(true) && before.as_ref().is_some_and(|at| at.epoch == head.epoch);
        if recovered {
            reply.b.into_iter().for_each(|block| self.take(block, events));
        } else if since.is_none() && before.as_ref().is_some_and(|at| at.epoch == head.epoch) {
            // The request was sent before there was a position, and answered after another one. A
            // later request fetches the rest from the position.
        } else if !self.has_all(since, &head) {
            self.rebase(head, events);
        }
        let advanced = self.advanced_beyond(before.as_ref());
        if recovered && let Some(replayed) = &mut self.replayed {
            *replayed += advanced;
        }
        if recovered && reply.next.is_some() {
            return Step::More { advanced: advanced > 0 };
        }
        self.whole(now_ms, chance, events);
        Step::Whole
    }

    /// Handles a pong that reports a higher position, or another epoch.
    pub(super) fn behind(&mut self, head: Position, now_ms: u64) {
        if self.left.contains(&head.epoch) {
            return;
        }
        self.note(head);
        if self.is_behind() && self.ask == Ask::No {
            let due = now_ms + BEHIND_MS;
            self.sync_at_ms = Some(self.sync_at_ms.map_or(due, |earlier| earlier.min(due)));
        }
    }

    fn whole(&mut self, now_ms: u64, chance: &mut Chance, events: &mut Vec<Event>) {
        self.tries = 0;
        if let (Some(replayed), Some(at)) = (self.replayed.take(), self.position.clone()) {
            events.push(Event::Resumed { room: self.name.clone(), at, replayed });
        }
        self.watch(now_ms, chance);
    }

    /// Returns true if a reply without replay leaves no gap, because every publication up to `head`
    /// was delivered live meanwhile.
    fn has_all(&self, since: Option<&Position>, head: &Position) -> bool {
        let (Some(at), Some(since)) = (&self.position, since) else { return false };
        at.epoch == head.epoch
            && since.epoch == head.epoch
            && since.sequence <= head.sequence
            && head.sequence <= at.sequence
    }

    /// Moves the position to the head of the reply. In another epoch, moves it before the first
    /// held live message of that epoch: the publications after it are in flight, or are requested
    /// from there.
    fn rebase(&mut self, head: Position, events: &mut Vec<Event>) {
        self.left.retain(|epoch| *epoch != head.epoch);
        if self.position.as_ref().is_none_or(|at| at.epoch != head.epoch) {
            self.known = self.other.take_if(|other| other.epoch == head.epoch).map_or(head.sequence, |at| at.sequence);
        }
        let is_anew = self.position.as_ref().is_some_and(|at| at.epoch != head.epoch);
        let begins_after = self.held.begins_after(&head).filter(|_| is_anew);
        let head = Position { sequence: begins_after.unwrap_or(head.sequence), ..head };
        if let Some(from) = self.position.replace(head.clone()) {
            self.replayed = None;
            if from.epoch != head.epoch {
                self.leave_epoch(from.epoch.clone());
            }
            events.push(Event::Missed { room: self.name.clone(), from, to: head.clone() });
        }
        self.held.keep_only(&head.epoch);
        self.drain(events);
    }

    fn take(&mut self, block: Block, events: &mut Vec<Event>) {
        let follows = self.position.as_ref().is_some_and(|at| at.epoch == block.ep && block.seq <= at.sequence.next());
        if !follows {
            return self.held.insert(block);
        }
        let skipped = block.skipped().map(|_| None);
        let messages = block.m.into_iter().map(Some).chain(skipped);
        for (sequence, message) in (block.seq.get()..).map(Sequence::new).zip(messages) {
            self.deliver(sequence, message, events);
        }
        self.drain(events);
    }

    /// Delivers the message at the next position. A skipped position only moves the position.
    fn deliver(&mut self, sequence: Sequence, message: Option<WireMessage>, events: &mut Vec<Event>) {
        let Some(position) = self.position.as_mut().filter(|at| at.sequence.next() == sequence) else { return };
        position.sequence = sequence;
        // The position moved, so the remaining gap gets the full time again.
        self.sync_at_ms = None;
        let Some(WireMessage { id: pid, by, at: accepted_at, data, from }) = message else { return };
        let at = position.clone();
        events.push(Event::Message(Message { room: self.name.clone(), at, pid, by, from, accepted_at, data }));
    }

    fn drain(&mut self, events: &mut Vec<Event>) {
        while let Some(at) = self.position.clone() {
            let Some(message) = self.held.take(&at.epoch, at.sequence.next()) else { break };
            self.deliver(at.sequence.next(), message, events);
        }
        if let Some(at) = &self.position {
            self.held.forget_through(&at.epoch, at.sequence);
        }
    }

    fn leave_epoch(&mut self, epoch: Epoch) {
        self.left.push_back(epoch);
        if self.left.len() > EPOCHS_LEFT {
            self.left.pop_front();
        }
    }

    /// Records that the room has reached `at`. A late block of the position's epoch does not hide
    /// that another epoch was seen.
    fn note(&mut self, at: Position) {
        if self.position.as_ref().is_some_and(|here| here.epoch == at.epoch) {
            self.known = self.known.max(at.sequence);
            return;
        }
        match &mut self.other {
            Some(other) if other.epoch == at.epoch => other.sequence = other.sequence.max(at.sequence),
            other => *other = Some(at),
        }
    }

    fn is_behind(&self) -> bool {
        self.position.as_ref().is_some_and(|at| self.other.is_some() || self.known > at.sequence)
    }

    /// Schedules a request while the room has a gap, and cancels it otherwise.
    fn watch(&mut self, now_ms: u64, chance: &mut Chance) {
        if !self.is_behind() {
            self.sync_at_ms = None;
        } else if self.sync_at_ms.is_none() && self.ask == Ask::No {
            self.sync_at_ms = Some(now_ms + HOLD_MS + chance.up_to(HOLD_JITTER_MS));
        }
    }

    fn advanced_beyond(&self, before: Option<&Position>) -> u64 {
        match (before, &self.position) {
            (Some(before), Some(at)) if before.epoch == at.epoch => at.sequence.beyond(before.sequence),
            _ => 0,
        }
    }
}
