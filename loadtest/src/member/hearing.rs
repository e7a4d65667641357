//! The frames that a member receives, and their effects.

use std::collections::BTreeMap;

use protocol::reply::{Answer, Joined};
use serde::Deserialize;

use super::listener::{Asked, Listener};
use crate::ledger::{Heard, How, Micros, Room, Sequence};
use crate::wire::frame::{Block, Frame, blocks};
use crate::wire::pid::Pids;

#[derive(Deserialize)]
struct Pong {
    #[serde(default)]
    behind: BTreeMap<String, Stands>,
}

#[derive(Deserialize)]
struct Stands {
    seq: Sequence,
}

impl Listener {
    /// Handles a text message.
    pub fn hear(&mut self, text: &str, room: &mut Room, pids: &Pids, now: Micros) {
        self.latencies.clear();
        self.applied = 0;
        match Frame::read(text) {
            Frame::Blocks(raw) => {
                if blocks(raw, |block| self.block(&block, How::Live, room, pids, now)).is_err() {
                    room.tally.not_a_frame += 1;
                }
            }
            Frame::Answer(answer) => self.answer(answer, room, pids, now),
            Frame::System(word) => self.word(word.get(), text, room, now),
            Frame::Other => room.tally.not_a_frame += 1,
        }
    }

    fn word(&mut self, word: &str, text: &str, room: &Room, now: Micros) {
        if word != "\"pong\"" {
            return;
        }
        let Ok(Pong { behind }) = serde_json::from_str::<Pong>(text) else { return };
        let (Some(stands), Some((_, position))) = (behind.get(room.name()), &self.stands) else { return };
        if stands.seq > *position && self.asked.is_none() && self.ask_at.is_none() {
            self.ask_at = Some(now + self.patience.hold);
        }
    }

    fn answer(&mut self, answer: Answer, room: &mut Room, pids: &Pids, now: Micros) {
        let Some((asked, _)) = self.asked.filter(|(asked, _)| answer.id == Some(asked.id())) else {
            return;
        };
        match answer.outcome {
            Ok(_) if asked == Asked::Leave => {
                self.asked = None;
                self.left = Some(now);
                room.leave(self.member, now);
            }
            Ok(done) => match Answer::done::<Joined>(&done) {
                Ok(joined) => self.joined(asked, &joined, room, pids, now),
                Err(_) => room.tally.not_a_frame += 1,
            },
            // The request is sent again after the server's pause, or after the usual timeout.
            Err(failure) if failure.retry => {
                let pause = i64::try_from(failure.after_ms.unwrap_or(500)).unwrap_or(500) * 1_000;
                self.asked = Some((asked, now + pause - self.patience.answer));
            }
            Err(_) => self.asked = Some((asked, now)),
        }
    }

    fn joined(&mut self, asked: Asked, joined: &Joined, room: &mut Room, pids: &Pids, now: Micros) {
        self.asked = None;
        let head = joined.seq.get();
        match &self.stands {
            None => {
                room.join(self.member, joined.ep.as_str(), head, now);
                self.stands = Some((joined.ep.as_str().into(), head));
            }
            Some((_, position)) if joined.recovered == Some(false) => {
                room.tell_missed(self.member, *position + 1, head);
                room.knows(joined.ep.as_str());
                self.stands = Some((joined.ep.as_str().into(), head));
            }
            Some(_) => {
                let how = if asked == Asked::Resume { How::Resume } else { How::Gap };
                for block in &joined.b {
                    for (sequence, message) in block.messages() {
                        self.take(sequence.get(), message.id.as_ref(), how, room, pids, now);
                    }
                    self.held.extend(block.skipped().map(|sequence| (sequence.get(), None)));
                    self.apply_held(how, room, now);
                }
                // The log has been read, so a publication that it lacks never arrives.
                self.apply_through(joined.next.unwrap_or(joined.seq).get(), room, now);
                if joined.next.is_some() {
                    self.ask(asked, room, now);
                }
            }
        }
        self.apply_held(How::Live, room, now);
        self.note_gap(now);
    }

    fn block(&mut self, block: &Block<'_>, how: How, room: &mut Room, pids: &Pids, now: Micros) {
        self.ephemeral += block.ephemeral().unwrap_or(0);
        let Some(epoch) = &block.ep else { return };
        if *block.room != *room.name() {
            // Every connection receives `*` and its own inbox.
            if !block.room.starts_with(['*', '@']) {
                let heard = block.each_message(|_, id| room.foreign(self.member, &block.room, id));
                room.tally.not_a_frame += u64::from(heard.is_err());
            }
            return;
        }
        if let Some(left) = self.left {
            let since = now - left;
            if since > self.patience.leave {
                room.late(self.member, since);
            }
            return;
        }
        if self.stands.as_ref().is_some_and(|(known, _)| **known != **epoch) {
            room.knows(epoch);
            return;
        }
        let mut end = block.seq;
        let heard = block.each_message(|sequence, id| {
            end = sequence + 1;
            self.take(sequence, id, how, room, pids, now);
        });
        room.tally.not_a_frame += u64::from(heard.is_err());
        for skipped in end..end + block.skip {
            self.held.insert(skipped, None);
        }
        self.apply_held(how, room, now);
        self.note_gap(now);
    }

    /// Handles one publication at a position.
    fn take(&mut self, at: Sequence, id: &str, how: How, room: &mut Room, pids: &Pids, now: Micros) {
        let position = self.stands.as_ref().map(|(_, position)| *position);
        if position.is_some_and(|position| at <= position) || self.held.contains_key(&at) {
            room.tally.repeats_on_the_wire += u64::from(how == How::Live);
            return;
        }
        let number = match pids.read(id) {
            Some(pid) if pid.room == self.room => Some(pid.number),
            Some(_) => {
                room.foreign(self.member, room.name().to_owned().as_str(), id);
                None
            }
            None => {
                room.phantom(self.member, at, id);
                None
            }
        };
        let is_late = self.held.last_key_value().is_some_and(|(last, _)| *last > at);
        room.tally.out_of_order_on_the_wire += u64::from(is_late && how == How::Live);
        if self.asked.is_none() && position == Some(at - 1) {
            self.apply(at, number, how, room, now);
        } else {
            self.held.insert(at, number);
        }
    }

    fn apply_held(&mut self, how: How, room: &mut Room, now: Micros) {
        let Some((_, position)) = self.stands else { return };
        while self.held.first_key_value().is_some_and(|(at, _)| *at <= position) {
            self.held.pop_first();
        }
        if matches!(self.asked, Some((Asked::First, _))) {
            return;
        }
        while let Some((_, position)) = self.stands {
            let Some(number) = self.held.remove(&(position + 1)) else { break };
            self.apply(position + 1, number, how, room, now);
        }
    }

    /// Advances to a position, across missing publications.
    fn apply_through(&mut self, through: Sequence, room: &mut Room, now: Micros) {
        while let Some((at, number)) = self.held.first_key_value().map(|(at, number)| (*at, *number)) {
            if at > through {
                break;
            }
            self.held.pop_first();
            self.apply(at, number, How::Live, room, now);
        }
        if let Some((_, position)) = &mut self.stands {
            *position = through.max(*position);
        }
    }

    fn apply(&mut self, at: Sequence, number: Option<usize>, how: How, room: &mut Room, now: Micros) {
        if let Some((_, position)) = &mut self.stands {
            *position = at;
        }
        let Some(number) = number else { return };
        self.applied += 1;
        let heard = Heard { number, at, how, now, timed: self.timed };
        self.latencies.extend(room.hear(self.member, heard));
    }

    /// Schedules a request for a gap, and cancels it when the gap is filled.
    fn note_gap(&mut self, now: Micros) {
        match self.held.is_empty() {
            true => self.ask_at = None,
            false if self.ask_at.is_none() && self.asked.is_none() => self.ask_at = Some(now + self.patience.hold),
            false => {}
        }
    }
}
